package icformer.convert;

import icformer.files.StoredTensor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;

/** A tensor of a checkpoint, read part by part. */
record CheckpointSource(StoredTensor tensor) implements WeightWriter.Source {
    /** Bytes of a part that is copied as it lies. */
    private static final long PART = 1 << 20;

    @Override
    public Path file() {
        return tensor.file();
    }

    @Override
    public String name() {
        return tensor.name();
    }

    @Override
    public WeightWriter.Data open(Arena arena) throws IOException {
        return new Elements(tensor.gathered(arena));
    }

    private record Elements(StoredTensor tensor) implements WeightWriter.Data {
        @Override
        public boolean isContiguous() {
            return tensor.isContiguous();
        }

        @Override
        public void copyTo(RowConverter.Sink sink) throws IOException {
            try (Arena scratch = Arena.ofConfined()) {
                MemorySegment part = scratch.allocate(Math.min(PART, tensor.byteSize()));
                for (long first = 0; first < tensor.byteSize(); first += PART) {
                    MemorySegment bytes = part.asSlice(0, Math.min(PART, tensor.byteSize() - first));
                    tensor.read(first, bytes);
                    sink.write(bytes, bytes.byteSize() / tensor.type().bytes());
                }
            }
        }

        @Override
        public void read(long first, long count, MemorySegment floats) {
            float[] rows = new float[Math.toIntExact(count * tensor.rowLength())];
            try {
                tensor.readFloats(first, count, rows);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
            MemorySegment.copy(rows, 0, floats, ValueLayout.JAVA_FLOAT, 0, rows.length);
        }
    }
}
