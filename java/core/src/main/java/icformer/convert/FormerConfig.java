package icformer.convert;

import icformer.internal.base.Failures;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Sizes and constants of an IC-Former, as its {@code config.json} gives them.
 *
 * @param width embedding width ({@code hidden_size})
 * @param layers number of layers
 * @param heads attention heads; a head has {@code width / heads} elements
 * @param kvHeads heads of keys and values
 * @param feedForwardWidth inner width of the feed-forward network
 * @param digests digest tokens ({@code num_query_tokens})
 * @param normEpsilon of the RMS norms
 * @param ropeBase base of the rotary position embedding
 * @param ropeFactor positions are divided by it (linear scaling); 1 for none
 * @param attentionBias whether q, k, v and o have biases
 * @param chunkLength longest chunk it was trained for ({@code chunk_length}, which official checkpoints do not name); 0 where it
 *     is not said
 * @param crossInterval layers with an index divisible by it are cross-attention, the others self-attention
 */
public record FormerConfig(
        int width,
        int layers,
        int heads,
        int kvHeads,
        int feedForwardWidth,
        int digests,
        float normEpsilon,
        float ropeBase,
        float ropeFactor,
        boolean attentionBias,
        int chunkLength,
        int crossInterval) {

    private static final long MAX_SIZE = 1 << 20;

    /** Names of the activation that the feed-forward network has. */
    private static final Set<String> SILU = Set.of("silu", "swish");

    /** Whether a layer is cross-attention. */
    public boolean isCross(int layer) {
        return layer % crossInterval == 0;
    }

    /** Width of keys and values. */
    public int kvWidth() {
        return width / heads * kvHeads;
    }

    /**
     * Reads a configuration. What it leaves out has the default of the reference's {@code ICFormerConfig}.
     *
     * @param json the object of {@code config.json}
     * @param file where it comes from, for messages
     * @throws icformer.error.ModelFileException FORMAT for values that are impossible or contradict each other, UNSUPPORTED for
     *     what is not implemented
     */
    public static FormerConfig of(Map<String, @Nullable Object> json, Path file) throws IOException {
        return new Reader(json, file).read();
    }

    /** Typed values of a JSON object. */
    private record Reader(Map<String, @Nullable Object> json, Path file) {

        FormerConfig read() throws IOException {
            checkKind();
            int heads = size("num_attention_heads", 32);
            FormerConfig config = new FormerConfig(
                    size("hidden_size", 4096),
                    size("num_hidden_layers", 12),
                    heads,
                    size("num_key_value_heads", heads),
                    size("intermediate_size", 11008),
                    size("num_query_tokens", 128),
                    positive("rms_norm_eps", 1e-6),
                    positive("rope_theta", 10000),
                    ropeFactor(),
                    truth("attention_bias", false),
                    json.get("chunk_length") == null ? 0 : size("chunk_length", 0),
                    size("cross_attention_frequency", 1));
            checkSizes(config);
            return config;
        }

        private void checkKind() throws IOException {
            String kind = text("model_type", "icformer");
            if (!kind.equals("icformer")) {
                throw Failures.unsupported(file, "model_type is %s, not icformer", kind);
            }
            String activation = text("hidden_act", "silu");
            if (!SILU.contains(activation)) {
                throw Failures.unsupported(file, "hidden_act %s is not implemented, silu is", activation);
            }
        }

        private void checkSizes(FormerConfig config) throws IOException {
            if (config.width() % config.heads() != 0 || config.width() / config.heads() % 2 != 0) {
                throw Failures.format(
                        file,
                        "num_attention_heads %d do not share hidden_size %d in even parts",
                        config.heads(),
                        config.width());
            }
            if (config.heads() % config.kvHeads() != 0) {
                throw Failures.format(
                        file,
                        "num_key_value_heads %d do not divide num_attention_heads %d",
                        config.kvHeads(),
                        config.heads());
            }
            int contextWidth = size("context_hidden_size", 4096);
            if (contextWidth != config.width()) {
                throw Failures.format(
                        file,
                        "context_hidden_size %d is not hidden_size %d, but a digest stands beside the context",
                        contextWidth,
                        config.width());
            }
        }

        /** {@code rope_scaling}: null, or an object of {@code type} (newer: {@code rope_type}) and {@code factor}. */
        private float ropeFactor() throws IOException {
            Object value = json.get("rope_scaling");
            if (value == null) {
                return 1;
            }
            if (!(value instanceof Map<?, ?> scaling)) {
                throw Failures.format(file, "rope_scaling is no object");
            }
            Object type = scaling.get("type");
            Object newerType = scaling.get("rope_type");
            if (type != null && newerType != null && !type.equals(newerType)) {
                throw Failures.format(file, "rope_scaling has type %s and rope_type %s", type, newerType);
            }
            String name = String.valueOf(type != null ? type : newerType);
            return switch (name) {
                case "default" -> 1;
                case "linear" -> {
                    if (!(scaling.get("factor") instanceof Number factor) || !isPositive(factor.floatValue())) {
                        throw Failures.format(file, "rope_scaling.factor is no number above 0");
                    }
                    yield factor.floatValue();
                }
                case "dynamic" ->
                    throw Failures.unsupported(
                            file,
                            "rope_scaling dynamic is not supported: in the reference it depends on the contexts before");
                default -> throw Failures.unsupported(file, "rope_scaling %s is not supported, linear is", name);
            };
        }

        private int size(String key, int fallback) throws IOException {
            Object value = json.get(key);
            if (value == null) {
                return fallback;
            }
            if (!(value instanceof Long size) || size < 1 || size > MAX_SIZE) {
                throw Failures.format(file, "%s is %s, but must be an integer from 1 to %d", key, value, MAX_SIZE);
            }
            return size.intValue();
        }

        private float positive(String key, double fallback) throws IOException {
            Object value = json.get(key);
            if (value == null) {
                return (float) fallback;
            }
            if (!(value instanceof Number number) || !isPositive(number.floatValue())) {
                throw Failures.format(file, "%s is %s, but must be a number above 0", key, value);
            }
            return number.floatValue();
        }

        private static boolean isPositive(float value) {
            return value > 0 && value < Float.POSITIVE_INFINITY;
        }

        private boolean truth(String key, boolean fallback) throws IOException {
            Object value = json.get(key);
            if (value != null && !(value instanceof Boolean)) {
                throw Failures.format(file, "%s is %s, but must be true or false", key, value);
            }
            return value == null ? fallback : (Boolean) value;
        }

        private String text(String key, String fallback) throws IOException {
            Object value = json.get(key);
            if (value != null && !(value instanceof String)) {
                throw Failures.format(file, "%s is %s, but must be a text", key, value);
            }
            return value == null ? fallback : (String) value;
        }
    }
}
