package icformer.convert;

import icformer.error.IcfException;
import icformer.error.Status;
import icformer.files.TensorType;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/** Choices of tensor types for files that are written. */
final class TensorTypes {
    /** Numbers of {@code general.file_type}: the type that most tensors have. For a family such as q4_K its plain mixture. */
    private static final Map<String, Integer> FILE_TYPES = Map.ofEntries(
            Map.entry("f32", 0),
            Map.entry("f16", 1),
            Map.entry("q4_0", 2),
            Map.entry("q4_1", 3),
            Map.entry("q8_0", 7),
            Map.entry("q5_0", 8),
            Map.entry("q5_1", 9),
            Map.entry("q2_k", 10),
            Map.entry("q3_k", 11),
            Map.entry("q4_k", 14),
            Map.entry("q5_k", 16),
            Map.entry("q6_k", 18),
            Map.entry("iq2_xxs", 19),
            Map.entry("iq2_xs", 20),
            Map.entry("iq3_xxs", 23),
            Map.entry("iq1_s", 24),
            Map.entry("iq4_nl", 25),
            Map.entry("iq3_s", 26),
            Map.entry("iq2_s", 28),
            Map.entry("iq4_xs", 30),
            Map.entry("iq1_m", 31),
            Map.entry("bf16", 32),
            Map.entry("tq1_0", 36),
            Map.entry("tq2_0", 37),
            Map.entry("mxfp4", 38));

    /** For types with blocks of 256: one with blocks of 32 that takes about as many bits, or a few more. */
    private static final Map<String, String> SMALLER_BLOCKS = Map.ofEntries(
            Map.entry("q2_k", "q4_0"),
            Map.entry("q3_k", "q4_0"),
            Map.entry("q4_k", "q5_0"),
            Map.entry("q5_k", "q5_1"),
            Map.entry("q6_k", "q8_0"),
            Map.entry("iq4_xs", "iq4_nl"),
            Map.entry("iq3_xxs", "iq4_nl"),
            Map.entry("iq3_s", "iq4_nl"),
            Map.entry("iq2_s", "iq4_nl"),
            Map.entry("tq1_0", "q4_0"),
            Map.entry("tq2_0", "q4_0"));

    static final String QUANTIZATION_VERSION = "general.quantization_version";
    static final String FILE_TYPE = "general.file_type";
    /** Version of the block layouts that ggml has had since May 2023. */
    static final int CURRENT_QUANTIZATION_VERSION = 2;

    private TensorTypes() {}

    static TensorType f32() {
        return TensorType.of("f32");
    }

    /** Number of a type in {@code general.file_type}, where the format has one. */
    static Optional<Integer> fileType(TensorType type) {
        return Optional.ofNullable(FILE_TYPES.get(key(type)));
    }

    /** Whether a type stores blocks with scales, so that the file has to say by which version of them. */
    static boolean isQuantized(TensorType type) {
        return type.blockLength() > 1;
    }

    /** The wanted type, or the nearest one whose blocks divide a row of that length; F16 divides every row. */
    static TensorType fitting(TensorType wanted, long rowLength) {
        if (rowLength % wanted.blockLength() == 0) {
            return wanted;
        }
        String smaller = SMALLER_BLOCKS.get(key(wanted));
        return smaller == null ? TensorType.of("f16") : fitting(TensorType.of(smaller), rowLength);
    }

    /**
     * The type of a low-rank adapter's matrix in a file whose matrices are of type {@code main}: they are small, and worth 8 bits
     * and more.
     */
    static TensorType ofAdapter(TensorType main, long rowLength) {
        if (main.equals(f32())) {
            return main;
        }
        return isQuantized(main) ? fitting(TensorType.of("q8_0"), rowLength) : TensorType.of("f16");
    }

    /** Refuses a type that only holds other types' intermediate results, or needs an importance matrix. */
    static void checkWritable(TensorType type) {
        if (!type.isQuantizable()) {
            throw new IcfException(
                    Status.UNSUPPORTED, "weights cannot be written as %s without an importance matrix".formatted(type));
        }
    }

    private static String key(TensorType type) {
        return type.name().toLowerCase(Locale.ROOT);
    }
}
