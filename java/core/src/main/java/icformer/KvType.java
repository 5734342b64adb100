package icformer;

/** Types of a KV cache's elements. */
public enum KvType {
    /** 32 bits: the reference. */
    F32,
    /** 16 bits: the default. */
    F16,
    /** 8 bits and a scale for 32 elements. */
    Q8_0
}
