package icformer.files;

import icformer.internal.base.Segments;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;

/**
 * A tensor as it lies in a file, which is read when the tensor's elements are asked for.
 *
 * @param name name in the file
 * @param type type of the elements, little-endian
 * @param shape elements per dimension, the slowest first; empty for a scalar
 * @param strides distance of neighbours along each dimension, in elements
 * @param source what it is read from
 * @param offset byte of the source at which its first element begins
 */
public record StoredTensor(
        String name, ElementType type, List<Long> shape, List<Long> strides, SourceFile source, long offset) {

    private static final ValueLayout.OfFloat F32 = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort B16 = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    public StoredTensor {
        shape = List.copyOf(shape);
        strides = List.copyOf(strides);
    }

    /** A tensor whose elements follow one another in row-major order. */
    static StoredTensor contiguous(String name, ElementType type, List<Long> shape, SourceFile source, long offset) {
        return new StoredTensor(name, type, shape, rowMajorStrides(shape), source, offset);
    }

    /** The file it is read from. */
    public Path file() {
        return source.path();
    }

    /**
     * The same tensor with its elements in memory of {@code arena} if they do not follow one another, so that gathering rows
     * does not read the file again for each of them.
     *
     * @throws IOException if the file cannot be read, or has changed
     */
    public StoredTensor gathered(Arena arena) throws IOException {
        if (isContiguous()) {
            return this;
        }
        MemorySegment extent = Segments.allocate(arena, extent() * type.bytes());
        source.read(offset, extent);
        return new StoredTensor(name, type, shape, strides, SourceFile.of(extent, file()), 0);
    }

    /** Elements from its first one to its last one in the file. */
    private long extent() {
        long last = 0;
        for (int i = 0; i < shape.size(); i++) {
            last += (shape.get(i) - 1) * strides.get(i);
        }
        return elements() == 0 ? 0 : last + 1;
    }

    static List<Long> rowMajorStrides(List<Long> shape) {
        Long[] strides = new Long[shape.size()];
        long stride = 1;
        for (int i = shape.size() - 1; i >= 0; i--) {
            strides[i] = stride;
            stride *= Math.max(shape.get(i), 1);
        }
        return List.of(strides);
    }

    /** Number of elements. */
    public long elements() {
        return shape.stream().reduce(1L, (a, b) -> a * b);
    }

    /** Length of the last dimension; 1 for a scalar. */
    public long rowLength() {
        return shape.isEmpty() ? 1 : shape.getLast();
    }

    /** Number of rows: the product of all dimensions but the last. */
    public long rows() {
        return shape.isEmpty() ? 1 : shape.subList(0, shape.size() - 1).stream().reduce(1L, (a, b) -> a * b);
    }

    /** Whether the elements follow one another in row-major order. Dimensions of one element may have any stride. */
    public boolean isContiguous() {
        List<Long> expected = rowMajorStrides(shape);
        for (int i = 0; i < shape.size(); i++) {
            if (shape.get(i) > 1 && !strides.get(i).equals(expected.get(i))) {
                return elements() == 0;
            }
        }
        return true;
    }

    /** The shape as messages print it: {@code [128, 4096]}. */
    public String shapeText() {
        return shape.stream().map(String::valueOf).collect(Collectors.joining(", ", "[", "]"));
    }

    /** Size of its elements, in bytes. */
    public long byteSize() {
        return elements() * type.bytes();
    }

    /**
     * The bytes of a contiguous tensor, read into memory of {@code arena}.
     *
     * @throws IOException if the file cannot be read, or has changed
     */
    public MemorySegment read(Arena arena) throws IOException {
        MemorySegment bytes = Segments.allocate(arena, byteSize());
        read(0, bytes);
        return bytes;
    }

    /**
     * Bytes {@code first …} of a contiguous tensor, as many as fill the target.
     *
     * @param target off-heap, or a byte array
     * @throws IOException if the file cannot be read, or has changed
     */
    public void read(long first, MemorySegment target) throws IOException {
        if (!isContiguous()) {
            throw new IllegalStateException(name + " is not contiguous");
        }
        source.read(offset + first, target);
    }

    /**
     * Copies rows {@code first … first + count - 1} as they are, gathering them if the tensor is strided.
     *
     * @param target exactly {@code count * rowLength() * type().bytes()} bytes
     * @throws IOException if the file cannot be read, or has changed
     */
    public void readRows(long first, long count, MemorySegment target) throws IOException {
        long rowBytes = rowLength() * type.bytes();
        if (isContiguous()) {
            read(first * rowBytes, target);
            return;
        }
        long elementStride = shape.isEmpty() ? 1 : strides.getLast();
        for (long row = 0; row < count; row++) {
            long start = offset + rowStart(first + row) * type.bytes();
            for (long i = 0; i < rowLength(); i++) {
                source.read(
                        start + i * elementStride * type.bytes(),
                        target.asSlice(row * rowBytes + i * type.bytes(), type.bytes()));
            }
        }
    }

    /**
     * Widens rows {@code first … first + count - 1} of a tensor of F32, F16 or BF16 to floats.
     *
     * @param target at least {@code count * rowLength()} floats
     * @throws IOException if the file cannot be read, or has changed
     */
    public void readFloats(long first, long count, float[] target) throws IOException {
        int length = Math.toIntExact(count * rowLength());
        MemorySegment rows = MemorySegment.ofArray(new byte[Math.multiplyExact(length, type.bytes())]);
        readRows(first, count, rows);
        widen(type, rows, target, length);
    }

    /** Index of the first element of a row, for any strides. */
    private long rowStart(long row) {
        long start = 0;
        for (int i = shape.size() - 2; i >= 0; i--) {
            start += row % shape.get(i) * strides.get(i);
            row /= shape.get(i);
        }
        return start;
    }

    private static void widen(ElementType type, MemorySegment source, float[] target, int length) {
        switch (type) {
            case F32 -> MemorySegment.copy(source, F32, 0, target, 0, length);
            case F16 -> {
                short[] halves = new short[length];
                MemorySegment.copy(source, B16, 0, halves, 0, length);
                for (int i = 0; i < length; i++) {
                    target[i] = Float.float16ToFloat(halves[i]);
                }
            }
            case BF16 -> {
                // bfloat16 is the upper half of a float
                short[] halves = new short[length];
                MemorySegment.copy(source, B16, 0, halves, 0, length);
                for (int i = 0; i < length; i++) {
                    target[i] = Float.intBitsToFloat(halves[i] << 16);
                }
            }
            default -> throw new IllegalArgumentException(type + " is no float type");
        }
    }
}
