package icformer.convert;

import icformer.files.StoredTensor;
import icformer.internal.base.Failures;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/** Which tensors an official IC-Former checkpoint has, and what they are called in a GGUF file of that architecture. */
public final class FormerLayout {

    /**
     * A tensor of a former.
     *
     * @param source the checkpoint's tensor
     * @param target its name in the GGUF file
     * @param matrix whether it is a matrix of weights, which may be quantised; all else stays in F32
     */
    public record Tensor(StoredTensor source, String target, boolean matrix) {}

    /** Most faults that are told, or kept: a short configuration can ask for millions of tensors. */
    private static final int MAX_FAULTS = 50;

    private final FormerConfig config;
    private final Path folder;
    private final Map<String, StoredTensor> available;
    private final Set<String> used = new HashSet<>();
    private final List<Tensor> tensors = new ArrayList<>();
    private final List<String> faults = new ArrayList<>();

    private FormerLayout(FormerConfig config, Path folder, Map<String, StoredTensor> available) {
        this.config = config;
        this.folder = folder;
        this.available = available;
    }

    /**
     * Matches a checkpoint with what its configuration asks for.
     *
     * @param folder the checkpoint, for messages
     * @param weights tensors of the network
     * @param parameters digest embeddings and markers ({@code param.pt})
     * @return the tensors in the order of the GGUF file
     * @throws icformer.error.ModelFileException that names the tensors which are missing, of another shape or type, or
     *     unknown
     */
    public static List<Tensor> match(
            FormerConfig config, Path folder, Map<String, StoredTensor> weights, Map<String, StoredTensor> parameters)
            throws IOException {
        FormerLayout learned = new FormerLayout(config, folder, parameters);
        learned.addParameters();
        FormerLayout network = new FormerLayout(config, folder, weights);
        network.addNetwork();
        List<String> faults = new ArrayList<>(learned.faults("param.pt: "));
        faults.addAll(network.faults(""));
        if (!faults.isEmpty()) {
            String more = faults.size() > MAX_FAULTS ? "; and more" : "";
            throw Failures.format(
                    folder, "%s", String.join("; ", faults.subList(0, Math.min(MAX_FAULTS, faults.size()))) + more);
        }
        List<Tensor> all = new ArrayList<>(learned.tensors);
        all.addAll(network.tensors);
        return all;
    }

    private void addParameters() {
        long width = config.width();
        if (available.get("digest_embeddings") instanceof StoredTensor digests
                && digests.shape().size() == 3
                && digests.shape().get(1) != config.digests()) {
            used.add("digest_embeddings");
            faults.add("digest_embeddings has %d rows, but num_query_tokens is %d"
                    .formatted(digests.shape().get(1), config.digests()));
        } else {
            add("digest_embeddings", "digest_embd.weight", false, 1, config.digests(), width);
        }
        for (String marker : List.of("AE", "FT")) {
            if (available.containsKey(marker)) {
                add(marker, "marker_" + marker.toLowerCase(Locale.ROOT) + ".weight", false, 1, 1, width);
            }
        }
    }

    private void addNetwork() {
        add("encoder.norm.weight", "output_norm.weight", false, config.width());
        for (int layer = 0; layer < config.layers() && faults.size() <= MAX_FAULTS; layer++) {
            addLayer("encoder.layers." + layer + ".", "blk." + layer + ".", config.isCross(layer));
        }
    }

    private void addLayer(String source, String target, boolean cross) {
        long width = config.width();
        long inner = config.feedForwardWidth();
        if (cross) {
            add(source + "context_layernorm.weight", target + "context_norm.weight", false, width);
        }
        add(
                source + (cross ? "cross_input_layernorm.weight" : "input_layernorm.weight"),
                target + "attn_norm.weight",
                false,
                width);
        String attention = source + (cross ? "cross_attn." : "self_attn.");
        addLinear(attention + "q_proj.", target + "attn_q.", width, width);
        addLinear(attention + "k_proj.", target + "attn_k.", config.kvWidth(), width);
        addLinear(attention + "v_proj.", target + "attn_v.", config.kvWidth(), width);
        addLinear(attention + "o_proj.", target + "attn_output.", width, width);
        add(source + "post_attention_layernorm.weight", target + "ffn_norm.weight", false, width);
        add(source + "mlp.gate_proj.weight", target + "ffn_gate.weight", true, inner, width);
        add(source + "mlp.up_proj.weight", target + "ffn_up.weight", true, inner, width);
        add(source + "mlp.down_proj.weight", target + "ffn_down.weight", true, width, inner);
    }

    private void addLinear(String source, String target, long outputs, long inputs) {
        add(source + "weight", target + "weight", true, outputs, inputs);
        if (config.attentionBias()) {
            add(source + "bias", target + "bias", false, outputs);
        }
    }

    private void add(String source, String target, boolean matrix, long... shape) {
        StoredTensor tensor = available.get(source);
        List<Long> expected = Arrays.stream(shape).boxed().toList();
        used.add(source);
        if (tensor == null) {
            faults.add(source + " is missing");
        } else if (!tensor.shape().equals(expected)) {
            faults.add(
                    "%s has shape %s, but the configuration asks for %s".formatted(source, tensor.shape(), expected));
        } else if (!tensor.type().isFloat()) {
            faults.add("%s is of type %s, but must be F32, F16 or BF16".formatted(source, tensor.type()));
        } else {
            tensors.add(new Tensor(tensor, target, matrix));
        }
    }

    private List<String> faults(String prefix) {
        List<String> all = new ArrayList<>();
        for (String name : available.keySet()) {
            if (!used.contains(name) && faults.size() <= MAX_FAULTS) {
                all.add(prefix + unknown(name));
            }
        }
        faults.forEach(fault -> all.add(prefix + fault));
        return all;
    }

    /** A bias that the configuration does not announce is the likeliest of unknown tensors. */
    private String unknown(String name) {
        return name.endsWith(".bias") && !config.attentionBias()
                ? name + " is there, but attention_bias is false"
                : name + " is unknown";
    }
}
