package icformer.convert;

import icformer.files.StoredTensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;

/** A tensor of a checkpoint, mapped for as long as it is written. */
record CheckpointSource(StoredTensor tensor) implements WeightWriter.Source {
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
        return new Mapped(tensor.mappedAlone(arena));
    }

    private record Mapped(StoredTensor tensor) implements WeightWriter.Data {
        @Override
        public boolean isContiguous() {
            return tensor.isContiguous();
        }

        @Override
        public void copyTo(RowConverter.Sink sink) throws IOException {
            sink.write(tensor.bytes(), tensor.elements());
        }

        @Override
        public void read(long first, long count, MemorySegment floats) {
            float[] rows = new float[Math.toIntExact(count * tensor.rowLength())];
            tensor.readFloats(first, count, rows);
            MemorySegment.copy(rows, 0, floats, ValueLayout.JAVA_FLOAT, 0, rows.length);
        }
    }
}
