package icformer.files;

import java.io.ByteArrayOutputStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.List;

/**
 * A metadata value as it stands in a GGUF file: its type's number, then its bytes.
 *
 * @param bytes the type (4 bytes) and the value, little-endian
 */
public record GgufValue(MemorySegment bytes) {

    private static final ValueLayout.OfInt I32 = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** Types of metadata values; the ordinal is the number in the file. */
    public enum Type {
        U8,
        I8,
        U16,
        I16,
        U32,
        I32,
        F32,
        BOOL,
        TEXT,
        ARRAY,
        U64,
        I64,
        F64
    }

    /** A value out of a file: the number of its type, and its bytes, which are copied. */
    static GgufValue of(int type, MemorySegment value) {
        MemorySegment bytes = MemorySegment.ofArray(new byte[Math.toIntExact(Integer.BYTES + value.byteSize())]);
        bytes.set(I32, 0, type);
        MemorySegment.copy(value, 0, bytes, Integer.BYTES, value.byteSize());
        return new GgufValue(bytes);
    }

    /** A text. */
    public static GgufValue text(String text) {
        byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
        return of(buffer(12 + utf8.length)
                .putInt(Type.TEXT.ordinal())
                .putLong(utf8.length)
                .put(utf8));
    }

    /**
     * An unsigned integer of 32 bits.
     *
     * @throws IllegalArgumentException if the value has more
     */
    public static GgufValue u32(long value) {
        if (value < 0 || value > 0xFFFFFFFFL) {
            throw new IllegalArgumentException(value + " is no unsigned integer of 32 bits");
        }
        return of(buffer(8).putInt(Type.U32.ordinal()).putInt((int) value));
    }

    /** An unsigned integer of 64 bits, given by its bits. */
    public static GgufValue u64(long bits) {
        return of(buffer(12).putInt(Type.U64.ordinal()).putLong(bits));
    }

    /** A float. */
    public static GgufValue f32(float value) {
        return of(buffer(8).putInt(Type.F32.ordinal()).putFloat(value));
    }

    /** A truth value. */
    public static GgufValue bool(boolean value) {
        return of(buffer(5).putInt(Type.BOOL.ordinal()).put((byte) (value ? 1 : 0)));
    }

    /** An array of texts. */
    public static GgufValue texts(List<String> texts) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        bytes.writeBytes(buffer(16)
                .putInt(Type.ARRAY.ordinal())
                .putInt(Type.TEXT.ordinal())
                .putLong(texts.size())
                .array());
        for (String text : texts) {
            byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
            bytes.writeBytes(buffer(8).putLong(utf8.length).array());
            bytes.writeBytes(utf8);
        }
        return new GgufValue(MemorySegment.ofArray(bytes.toByteArray()));
    }

    /** The type. */
    public Type type() {
        return Type.values()[bytes.get(I32, 0)];
    }

    private static ByteBuffer buffer(int bytes) {
        return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    private static GgufValue of(ByteBuffer buffer) {
        return new GgufValue(MemorySegment.ofArray(buffer.array()));
    }
}
