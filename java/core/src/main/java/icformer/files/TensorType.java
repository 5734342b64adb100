package icformer.files;

import icformer.error.IcfException;
import icformer.error.Status;
import icformer.internal.base.Checks;
import icformer.internal.base.Segments;
import icformer.internal.ffi.NativeLibrary;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.IntStream;

/** How the elements of a tensor are stored: plain, or quantised in blocks. Two types are equal if they are the same. */
public final class TensorType {
    /** The GGUF format has fewer type numbers than this. */
    private static final int NUMBERS = 64;

    private static final Map<Integer, TensorType> KNOWN = new ConcurrentHashMap<>();

    private final int number;
    private final String name;
    private final int blockLength;
    private final int blockBytes;
    private final boolean quantizable;

    private TensorType(int number) {
        NativeLibrary.TensorTypeInfo info = NativeLibrary.describeType(number);
        this.number = number;
        this.name = info.name();
        this.blockLength = info.blockLength();
        this.blockBytes = info.blockBytes();
        this.quantizable = info.canQuantize();
    }

    /** The type of that number in the GGUF format; an exception of status ARGUMENT if there is none. */
    public static TensorType of(int number) {
        TensorType known = KNOWN.get(number);
        return known != null ? known : KNOWN.computeIfAbsent(number, TensorType::new);
    }

    /** The type of that name, in any case; an exception of status ARGUMENT if there is none. */
    public static TensorType of(String name) {
        return find(name)
                .orElseThrow(() -> new IcfException(Status.ARGUMENT, "there is no tensor type '" + name + "'"));
    }

    /** The type of that name, in any case. */
    public static Optional<TensorType> find(String name) {
        int number = NativeLibrary.findType(name);
        return number < 0 ? Optional.empty() : Optional.of(of(number));
    }

    /** All types, by number. */
    public static List<TensorType> all() {
        return IntStream.range(0, NUMBERS)
                .boxed()
                .flatMap(number -> tryOf(number).stream())
                .toList();
    }

    private static Optional<TensorType> tryOf(int number) {
        try {
            return Optional.of(of(number));
        } catch (IcfException e) {
            if (e.status() != Status.ARGUMENT) {
                throw e;
            }
            return Optional.empty();
        }
    }

    /** Its number in the GGUF format. */
    public int number() {
        return number;
    }

    /** Its name, such as {@code f16} or {@code q4_K}. */
    public String name() {
        return name;
    }

    /** Elements of a block; a row's length must be a multiple of it. */
    public int blockLength() {
        return blockLength;
    }

    /** Bytes of a block. */
    public int blockBytes() {
        return blockBytes;
    }

    /** Whether {@link #quantize} writes this type. */
    public boolean isQuantizable() {
        return quantizable;
    }

    /** Bytes of so many elements, a multiple of the block's length. */
    public long bytes(long elements) {
        Checks.argument(
                elements >= 0 && elements % blockLength == 0,
                "%d elements are no whole number of blocks of %s, which hold %d",
                elements,
                name,
                blockLength);
        return Math.multiplyExact(elements / blockLength, blockBytes);
    }

    /**
     * Converts floats to this type.
     *
     * @param rows [count, rowLength] floats, off-heap
     * @param count number of rows
     * @param rowLength elements of a row, a multiple of the block's length
     * @param target at least {@code count * bytes(rowLength)} bytes, off-heap
     */
    public void quantize(MemorySegment rows, long count, long rowLength, MemorySegment target) {
        Segments.checkInput(rows, floatBytes(count, rowLength), Float.BYTES, "rows");
        Segments.checkOutput(target, Segments.bytes(count, bytes(rowLength)), 1, "target");
        NativeLibrary.quantizeRows(number, rows, count, rowLength, target);
    }

    /**
     * Converts this type to floats.
     *
     * @param source at least {@code count * bytes(rowLength)} bytes, off-heap
     * @param count number of rows
     * @param rowLength elements of a row, a multiple of the block's length
     * @param rows [count, rowLength] floats, off-heap
     */
    public void dequantize(MemorySegment source, long count, long rowLength, MemorySegment rows) {
        Segments.checkInput(source, Segments.bytes(count, bytes(rowLength)), 1, "source");
        Segments.checkOutput(rows, floatBytes(count, rowLength), Float.BYTES, "rows");
        NativeLibrary.dequantizeRows(number, source, count, rowLength, rows);
    }

    private static long floatBytes(long count, long rowLength) {
        return Segments.bytes(count, Segments.bytes(rowLength, Float.BYTES));
    }

    @Override
    public String toString() {
        return name;
    }
}
