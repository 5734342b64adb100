package icformer;

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
}
