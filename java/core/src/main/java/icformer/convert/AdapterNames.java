package icformer.convert;

/** What the tensors and keys of low-rank adapters are called in GGUF files. */
final class AdapterNames {
    static final String TYPE = "adapter.type";
    static final String LORA = "lora";
    static final String ALPHA = "adapter.lora.alpha";

    private static final String A = ".lora_a";
    private static final String B = ".lora_b";

    private AdapterNames() {}

    /** A [inputs, rank] of a weight, the fastest dimension first. */
    static String a(String weight) {
        return weight + A;
    }

    /** B [rank, outputs] of a weight. */
    static String b(String weight) {
        return weight + B;
    }

    static boolean isHalf(String tensor) {
        return tensor.endsWith(A) || tensor.endsWith(B);
    }

    /** The weight that a half of a pair belongs to. */
    static String weight(String half) {
        return half.substring(0, half.length() - A.length());
    }
}
