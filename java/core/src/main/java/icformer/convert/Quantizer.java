package icformer.convert;

import icformer.error.ModelFileException;
import icformer.error.Status;
import icformer.files.AtomicFile;
import icformer.files.GgufFile;
import icformer.files.GgufValue;
import icformer.files.TensorInfo;
import icformer.files.TensorType;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * Writes the matrices of a GGUF file, be it an LLM or a former, in another type.
 *
 * <p>Matrices take the wanted type, or the nearest one whose blocks divide their rows. The output matrix (or the token
 * embeddings where the LLM uses them as such) is worth more bits: below 6.5 bits per weight it becomes Q6_K, as is common.
 * The pairs of a low-rank adapter, such as a former's reader, become Q8_0 at least. Vectors, norms, routers of experts, digest embeddings and markers stay as they are, and with them the fingerprint. All
 * metadata are copied byte for byte, but for the file type.
 */
public final class Quantizer {
    private static final double OUTPUT_BITS = 6.5;

    /** Keys that say how the file is cut or laid out; the new file has a layout of its own. */
    static final List<String> LAYOUT_KEYS =
            List.of("general.alignment", "split.no", "split.count", "split.tensors.count");

    /**
     * How a file is quantised.
     *
     * @param type of the matrices
     * @param replace whether to replace the target if it exists
     * @param progress is told of progress
     */
    public record Options(TensorType type, boolean replace, ConversionReport.Progress progress) {
        public Options {
            Objects.requireNonNull(type, "type");
            Objects.requireNonNull(progress, "progress");
        }

        /** A type for a target that must not exist yet. */
        public static Options of(TensorType type) {
            return new Options(type, false, (_, _) -> {});
        }

        /** The same, replacing an existing file or not. */
        public Options withReplace(boolean replace) {
            return new Options(type, replace, progress);
        }

        /** The same with another listener. */
        public Options withProgress(ConversionReport.Progress progress) {
            return new Options(type, replace, progress);
        }
    }

    private final Path source;
    private final Path out;
    private final Options options;

    private Quantizer(Path source, Path out, Options options) {
        this.source = source;
        this.out = out;
        this.options = options;
    }

    /**
     * Quantises a file. The target appears complete or not at all.
     *
     * @param source a GGUF file
     * @param out the GGUF file to write
     * @throws java.nio.file.FileAlreadyExistsException if the target exists and is not to be replaced
     * @throws java.nio.file.FileSystemException if it is the source itself
     * @throws ModelFileException of status FORMAT for a source that is damaged or holds values that are not finite,
     *     UNSUPPORTED for one part of several
     * @throws icformer.error.IcfException of status UNSUPPORTED for a type that needs an importance matrix
     * @throws IOException if a file cannot be read or written
     */
    public static ConversionReport quantize(Path source, Path out, Options options) throws IOException {
        TensorTypes.checkWritable(options.type());
        return new Quantizer(source, out, options).run();
    }

    private ConversionReport run() throws IOException {
        AtomicFile.Existing existing = options.replace() ? AtomicFile.Existing.REPLACE : AtomicFile.Existing.KEEP;
        try (GgufFile file = GgufFile.open(source)) {
            AtomicFile.checkTarget(out, existing, List.of(source));
            if (file.metadata().integer("split.count", 1) > 1) {
                throw new ModelFileException(
                        Status.UNSUPPORTED, source, source + ": one part of a model that is split over several files");
            }
            List<TensorInfo> tensors = file.tensors();
            boolean tied = tensors.stream().noneMatch(tensor -> tensor.name().equals("output.weight"));
            List<WeightWriter.Job> jobs =
                    tensors.stream().map(tensor -> job(file, tensor, tied)).toList();
            return WeightWriter.write(out, existing, metadata(file), jobs, options.progress());
        }
    }

    // ---- Types ----

    private WeightWriter.Job job(GgufFile file, TensorInfo tensor, boolean tied) {
        TensorType wanted = AdapterNames.isHalf(tensor.name())
                ? TensorTypes.ofAdapter(options.type(), tensor.shape().getFirst())
                : wanted(tensor, tied);
        TensorType to = isMatrixOfWeights(tensor)
                ? TensorTypes.fitting(wanted, tensor.shape().getFirst())
                : wanted;
        return new WeightWriter.Job(
                tensor.name(), tensor.shape(), tensor.type(), wanted, to, new GgufSource(source, file, tensor));
    }

    private TensorType wanted(TensorInfo tensor, boolean tied) {
        if (!isMatrixOfWeights(tensor)) {
            return tensor.type();
        }
        boolean output =
                tensor.name().equals("output.weight") || tied && tensor.name().equals("token_embd.weight");
        return output ? outputType(options.type()) : options.type();
    }

    /** Of the types below {@value #OUTPUT_BITS} bits, the logits suffer the most. */
    private static TensorType outputType(TensorType type) {
        double bits = 8.0 * type.blockBytes() / type.blockLength();
        return bits < OUTPUT_BITS ? TensorType.of("q6_K") : type;
    }

    /** What a product with activations uses; all else is small, and read as floats. */
    private static boolean isMatrixOfWeights(TensorInfo tensor) {
        String name = tensor.name();
        boolean vector = tensor.elements() == tensor.shape().getFirst();
        return !vector
                && name.endsWith(".weight")
                && !name.endsWith("_norm.weight")
                && !name.endsWith("ffn_gate_inp.weight")
                && !name.equals("digest_embd.weight")
                && !name.equals("position_embd.weight")
                && !name.equals("token_types.weight");
    }

    // ---- Metadata ----

    private Map<String, GgufValue> metadata(GgufFile file) throws IOException {
        Map<String, GgufValue> values = file.values();
        LAYOUT_KEYS.forEach(values::remove);
        values.remove(TensorTypes.FILE_TYPE);
        TensorTypes.fileType(options.type())
                .ifPresent(number -> values.put(TensorTypes.FILE_TYPE, GgufValue.u32(number)));
        if (TensorTypes.isQuantized(options.type())) {
            values.put(TensorTypes.QUANTIZATION_VERSION, GgufValue.u32(TensorTypes.CURRENT_QUANTIZATION_VERSION));
        }
        return values;
    }
}
