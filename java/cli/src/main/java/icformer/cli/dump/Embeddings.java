package icformer.cli.dump;

import icformer.cli.console.CommandException;
import icformer.files.ElementType;
import icformer.files.Safetensors;
import icformer.files.StoredTensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;

/**
 * Word embeddings out of a file.
 *
 * @param rows [count, width] floats, off-heap
 * @param count number of rows
 */
record Embeddings(MemorySegment rows, long count) {

    /**
     * Reads the only tensor of a safetensors file: as it lies if it is F32, widened if it is F16 or BF16.
     *
     * @param width width that the rows must have
     * @param arena owns the memory of the rows
     */
    static Embeddings read(Path file, int width, Arena arena) throws IOException {
        StoredTensor tensor = Safetensors.open(file, arena).onlyTensor();
        if (tensor.shape().size() != 2 || tensor.rowLength() != width) {
            throw new CommandException("%s: tensor %s has shape %s, but rows [n, %d] are needed"
                    .formatted(file, tensor.name(), tensor.shape(), width));
        }
        if (!tensor.type().isFloat()) {
            throw new CommandException("%s: tensor %s is of type %s, but must be F32, F16 or BF16"
                    .formatted(file, tensor.name(), tensor.type()));
        }
        return new Embeddings(
                tensor.type() == ElementType.F32 ? tensor.read(arena) : widen(tensor, arena), tensor.rows());
    }

    private static MemorySegment widen(StoredTensor tensor, Arena arena) throws IOException {
        long rowBytes = tensor.rowLength() * Float.BYTES;
        MemorySegment rows = arena.allocate(tensor.rows() * rowBytes, 64);
        float[] row = new float[(int) tensor.rowLength()];
        for (long i = 0; i < tensor.rows(); i++) {
            tensor.readFloats(i, 1, row);
            MemorySegment.copy(row, 0, rows, ValueLayout.JAVA_FLOAT, i * rowBytes, row.length);
        }
        return rows;
    }
}
