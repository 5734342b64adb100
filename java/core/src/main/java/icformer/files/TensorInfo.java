package icformer.files;

import java.util.List;

/**
 * A tensor of a GGUF file, without its data.
 *
 * @param name its name, such as {@code blk.0.attn_q.weight}
 * @param type how its elements are stored
 * @param shape elements per dimension, the fastest first, as GGUF writes them: a row-major [rows, width] is (width, rows)
 * @param offset of its data, in bytes from {@link GgufFile#dataOffset()}
 * @param bytes of its data
 */
public record TensorInfo(String name, TensorType type, List<Long> shape, long offset, long bytes) {
    public TensorInfo {
        shape = List.copyOf(shape);
    }

    /** Number of elements. */
    public long elements() {
        long elements = 1;
        for (long length : shape) {
            elements *= length;
        }
        return elements;
    }
}
