package icformer;

import icformer.internal.ffi.NativeSession;

/** Types of a KV cache's elements. */
public enum KvType {
    /** 32 bits: the reference. */
    F32,
    /** 16 bits: the default. */
    F16,
    /** 8 bits and a scale for 32 elements. */
    Q8_0;

    /** Its number in the GGUF format. */
    int number() {
        return switch (this) {
            case F32 -> NativeSession.F32;
            case F16 -> NativeSession.F16;
            case Q8_0 -> NativeSession.Q8_0;
        };
    }

    static KvType of(int number) {
        for (KvType type : values()) {
            if (type.number() == number) {
                return type;
            }
        }
        throw new AssertionError("the library opened a KV cache of type " + number);
    }
}
