package icformer;

import icformer.internal.ffi.NativeSession;

/** Types of the elements of embedding rows. */
public enum RowType {
    /** IEEE 754 floats of 32 bits. */
    F32(Float.BYTES),
    /** IEEE 754 floats of 16 bits. */
    F16(Short.BYTES);

    private final int bytes;

    RowType(int bytes) {
        this.bytes = bytes;
    }

    /** Size and alignment of an element, in bytes. */
    public int bytes() {
        return bytes;
    }

    /** Its number in the GGUF format. */
    int number() {
        return switch (this) {
            case F32 -> NativeSession.F32;
            case F16 -> NativeSession.F16;
        };
    }
}
