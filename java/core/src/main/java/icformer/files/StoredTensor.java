package icformer.files;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;

/**
 * A tensor as it lies in a mapped file.
 *
 * @param name name in the file
 * @param type type of the elements, little-endian
 * @param shape elements per dimension, the slowest first; empty for a scalar
 * @param strides distance of neighbours along each dimension, in elements
 * @param data from the tensor's first element to the end of its last one or beyond
 * @param file where it was read from
 * @param offset byte of the file at which {@code data} begins; {@link #NOT_IN_FILE} where the data are not the file's own
 */
public record StoredTensor(
        String name,
        ElementType type,
        List<Long> shape,
        List<Long> strides,
        MemorySegment data,
        Path file,
        long offset) {

    /** The data were unpacked, or come from elsewhere. */
    public static final long NOT_IN_FILE = -1;

    private static final ValueLayout.OfFloat F32 = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort B16 = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    public StoredTensor {
        shape = List.copyOf(shape);
        strides = List.copyOf(strides);
    }

    /** A tensor whose data are not the file's own. */
    public StoredTensor(
            String name, ElementType type, List<Long> shape, List<Long> strides, MemorySegment data, Path file) {
        this(name, type, shape, strides, data, file, NOT_IN_FILE);
    }

    /** A tensor whose elements follow one another in row-major order. */
    static StoredTensor contiguous(
            String name, ElementType type, List<Long> shape, MemorySegment data, Path file, long offset) {
        return new StoredTensor(name, type, shape, rowMajorStrides(shape), data, file, offset);
    }

    /**
     * The same tensor in a mapping of its own, for the life of {@code arena}. Pages of a mapping count as memory of the
     * process once they were read: whoever reads all tensors of a file one by one holds one of them at a time this way.
     *
     * @throws IOException if the file cannot be mapped again
     */
    public StoredTensor mappedAlone(Arena arena) throws IOException {
        if (offset == NOT_IN_FILE) {
            return this;
        }
        return new StoredTensor(
                name, type, shape, strides, MappedFile.map(file, offset, data.byteSize(), arena), file, offset);
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

    /** The bytes of a contiguous tensor, where they lie. */
    public MemorySegment bytes() {
        if (!isContiguous()) {
            throw new IllegalStateException(name + " is not contiguous");
        }
        return data.asSlice(0, elements() * type.bytes());
    }

    /**
     * Copies rows {@code first … first + count - 1} as they are, gathering them if the tensor is strided.
     *
     * @param target at least {@code count * rowLength() * type().bytes()} bytes
     */
    public void readRows(long first, long count, MemorySegment target) {
        long rowBytes = rowLength() * type.bytes();
        if (isContiguous()) {
            MemorySegment.copy(data, first * rowBytes, target, 0, count * rowBytes);
            return;
        }
        long elementStride = shape.isEmpty() ? 1 : strides.getLast();
        for (long row = 0; row < count; row++) {
            long start = rowStart(first + row) * type.bytes();
            for (long i = 0; i < rowLength(); i++) {
                MemorySegment.copy(
                        data,
                        start + i * elementStride * type.bytes(),
                        target,
                        row * rowBytes + i * type.bytes(),
                        type.bytes());
            }
        }
    }

    /**
     * Widens rows {@code first … first + count - 1} of a tensor of F32, F16 or BF16 to floats.
     *
     * @param target at least {@code count * rowLength()} floats
     */
    public void readFloats(long first, long count, float[] target) {
        int length = Math.toIntExact(count * rowLength());
        if (!isContiguous()) {
            MemorySegment gathered = MemorySegment.ofArray(new byte[Math.multiplyExact(length, type.bytes())]);
            readRows(first, count, gathered);
            widen(type, gathered, 0, target, length);
            return;
        }
        widen(type, data, first * rowLength() * type.bytes(), target, length);
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

    private static void widen(ElementType type, MemorySegment source, long offset, float[] target, int length) {
        switch (type) {
            case F32 -> MemorySegment.copy(source, F32, offset, target, 0, length);
            case F16 -> {
                short[] halves = new short[length];
                MemorySegment.copy(source, B16, offset, halves, 0, length);
                for (int i = 0; i < length; i++) {
                    target[i] = Float.float16ToFloat(halves[i]);
                }
            }
            case BF16 -> {
                // bfloat16 is the upper half of a float
                short[] halves = new short[length];
                MemorySegment.copy(source, B16, offset, halves, 0, length);
                for (int i = 0; i < length; i++) {
                    target[i] = Float.intBitsToFloat(halves[i] << 16);
                }
            }
            default -> throw new IllegalArgumentException(type + " is no float type");
        }
    }
}
