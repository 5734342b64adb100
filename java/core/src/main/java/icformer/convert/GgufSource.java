package icformer.convert;

import icformer.files.GgufFile;
import icformer.files.TensorInfo;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;

/** A tensor of an open GGUF file, read part by part. */
record GgufSource(Path file, GgufFile gguf, TensorInfo tensor) implements WeightWriter.Source, WeightWriter.Data {
    /** Bytes of a part that is copied as it lies. */
    private static final long PART = 1 << 20;

    @Override
    public String name() {
        return tensor.name();
    }

    @Override
    public WeightWriter.Data open(Arena arena) {
        return this;
    }

    @Override
    public boolean isContiguous() {
        return true;
    }

    @Override
    public void copyTo(RowConverter.Sink sink) throws IOException {
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment part = scratch.allocate(Math.min(PART, tensor.bytes()));
            long told = 0; // elements of the parts so far
            for (long first = 0; first < tensor.bytes(); first += PART) {
                MemorySegment bytes = part.asSlice(0, Math.min(PART, tensor.bytes() - first));
                gguf.read(tensor, first, bytes);
                long elements = elementsUpTo(first + bytes.byteSize());
                sink.write(bytes, elements - told);
                told = elements;
            }
        }
    }

    private long elementsUpTo(long bytes) {
        return bytes / tensor.type().blockBytes() * tensor.type().blockLength();
    }

    @Override
    public void read(long first, long count, MemorySegment floats) {
        long rowLength = tensor.shape().getFirst();
        long rowBytes = tensor.type().bytes(rowLength);
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment rows = scratch.allocate(count * rowBytes, 64);
            gguf.read(tensor, first * rowBytes, rows);
            tensor.type().dequantize(rows, count, rowLength, floats);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
