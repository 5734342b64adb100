package icformer.convert;

import icformer.error.ModelFileException;
import icformer.error.Status;
import icformer.files.GgufFile;
import icformer.files.GgufValue;
import icformer.files.Safetensors;
import icformer.files.SourceFile;
import icformer.files.StoredTensor;
import icformer.files.TensorInfo;
import icformer.files.TensorType;
import icformer.internal.base.Failures;
import icformer.internal.json.Json;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The reader of a checkpoint, {@code reader.safetensors}: for a matrix W of the LLM tensors {@code blk.N.NAME.a} [rank, inputs]
 * and {@code blk.N.NAME.b} [outputs, rank], so that it becomes W + scale · b a. All have one rank; scale and rank are in
 * {@code reader.json}, or in the metadata of the tensors' file.
 */
final class ReaderLayout {
    private static final long MAX_JSON_BYTES = 1 << 16;

    private static final Pattern NAME =
            Pattern.compile("(blk\\.\\d+\\.(?:attn_q|attn_k|attn_v|attn_output|ffn_gate|ffn_up|ffn_down))\\.([ab])");

    /** A pair of matrices. */
    private record Pair(StoredTensor a, StoredTensor b) {}

    private final Map<String, Pair> pairs; // by the weight's name
    private final float alpha;

    private ReaderLayout(Map<String, Pair> pairs, float alpha) {
        this.pairs = pairs;
        this.alpha = alpha;
    }

    /**
     * The reader of a checkpoint; empty where it has none.
     *
     * @param target the LLM, whose matrices the shapes are compared with; null to compare none
     */
    static Optional<ReaderLayout> read(Path checkpoint, @Nullable Path target, Arena arena) throws IOException {
        Path file = checkpoint.resolve("reader.safetensors");
        if (!Files.exists(file)) {
            return Optional.empty();
        }
        Safetensors tensors = Safetensors.open(file, arena);
        Map<String, Pair> pairs = pairs(tensors);
        if (target != null) {
            checkTarget(pairs, file, target);
        }
        Path json = checkpoint.resolve("reader.json");
        double scale = number(tensors, json, "scale");
        double rank = number(tensors, json, "rank");
        for (Pair pair : pairs.values()) {
            if (pair.a().rows() != rank) {
                throw Failures.format(
                        file,
                        "%s has rank %d, but %s is told",
                        pair.a().name(),
                        pair.a().rows(),
                        rank);
            }
        }
        return Optional.of(new ReaderLayout(pairs, (float) (scale * rank)));
    }

    private static Map<String, Pair> pairs(Safetensors file) throws IOException {
        Map<String, Pair> pairs = new LinkedHashMap<>();
        for (String name : file.tensors().keySet()) {
            Matcher parts = NAME.matcher(name);
            if (!parts.matches()) {
                throw Failures.format(file.file(), "tensor %s is unknown", name);
            }
            String weight = parts.group(1);
            StoredTensor a = matrix(file, weight + ".a");
            StoredTensor b = matrix(file, weight + ".b");
            if (a.rows() != b.rowLength()) {
                throw Failures.format(
                        file.file(),
                        "%s of shape %s and %s of shape %s do not belong together",
                        a.name(),
                        a.shape(),
                        b.name(),
                        b.shape());
            }
            pairs.put(weight + ".weight", new Pair(a, b));
        }
        if (pairs.isEmpty()) {
            throw Failures.format(file.file(), "holds no tensors");
        }
        return pairs;
    }

    private static StoredTensor matrix(Safetensors file, String name) throws IOException {
        StoredTensor tensor = file.tensor(name);
        if (tensor == null) {
            throw Failures.format(file.file(), "%s is missing", name);
        }
        if (tensor.shape().size() != 2
                || tensor.elements() == 0
                || !tensor.type().isFloat()) {
            throw Failures.format(
                    file.file(), "%s is no matrix of F32, F16 or BF16, but %s %s", name, tensor.type(), tensor.shape());
        }
        return tensor;
    }

    private static void checkTarget(Map<String, Pair> pairs, Path file, Path target) throws IOException {
        try (GgufFile llm = GgufFile.open(target)) {
            Map<String, List<Long>> shapes = new LinkedHashMap<>();
            for (TensorInfo tensor : llm.tensors()) {
                shapes.put(tensor.name(), tensor.shape());
            }
            for (Map.Entry<String, Pair> entry : pairs.entrySet()) {
                Pair pair = entry.getValue();
                List<Long> shape = List.of(pair.a().rowLength(), pair.b().rows());
                if (!shape.equals(shapes.get(entry.getKey()))) {
                    throw new ModelFileException(
                            Status.MISMATCH,
                            target,
                            "%s: its %s has shape %s, but the pair in %s is for %s"
                                    .formatted(target, entry.getKey(), shapes.get(entry.getKey()), file, shape));
                }
            }
        }
    }

    private static double number(Safetensors tensors, Path json, String key) throws IOException {
        Object value = Files.exists(json)
                ? Json.parseObject(SourceFile.readAll(json, MAX_JSON_BYTES), json)
                        .get(key)
                : tensors.metadata().get(key);
        try {
            double number = Double.parseDouble(String.valueOf(value));
            if (number > 0 && Float.isFinite((float) number)) {
                return number;
            }
        } catch (NumberFormatException e) {
            // told below
        }
        throw Failures.format(
                Files.exists(json) ? json : tensors.file(),
                "%s is %s, but must be a number above 0",
                key,
                String.valueOf(value));
    }

    /** Adds the keys that tell of the reader. */
    void describe(Map<String, GgufValue> values) {
        values.put(AdapterNames.TYPE, GgufValue.text(AdapterNames.LORA));
        values.put(AdapterNames.ALPHA, GgufValue.f32(alpha));
    }

    /** @param type of the former's matrices that was asked for; null where none was */
    List<WeightWriter.Job> jobs(@Nullable TensorType type) {
        TensorType main = type == null ? TensorType.of("f16") : type;
        List<WeightWriter.Job> jobs = new ArrayList<>();
        pairs.forEach((weight, pair) -> {
            jobs.add(job(AdapterNames.a(weight), pair.a(), main));
            jobs.add(job(AdapterNames.b(weight), pair.b(), main));
        });
        return jobs;
    }

    private static WeightWriter.Job job(String name, StoredTensor source, TensorType main) {
        TensorType type = TensorTypes.ofAdapter(main, source.rowLength());
        return new WeightWriter.Job(
                name,
                List.of(source.rowLength(), source.rows()),
                TensorType.of(source.type().name()),
                type,
                type,
                new CheckpointSource(source));
    }
}
