package icformer.files;

import icformer.error.IcfException;
import icformer.error.ModelFileException;
import icformer.error.Status;
import icformer.internal.base.Segments;
import icformer.internal.ffi.GgufReader;
import icformer.internal.ffi.NativeGguf;
import icformer.internal.ffi.NativeLibrary;
import icformer.internal.gguf.GgufMetadata;
import icformer.internal.gguf.ModelFiles;
import icformer.metadata.Metadata;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;

/**
 * A GGUF file of any architecture: its metadata and its tensors, as they lie there.
 *
 * <p>Any number of threads may read one file at once. It is read by one descriptor from its opening to its end: a file that
 * takes its name meanwhile is not seen, and one that is cut short is an {@link IOException}.
 */
public final class GgufFile implements AutoCloseable {
    private final Path path;
    private final NativeGguf handle;
    private final GgufReader.Header header;
    private final Metadata metadata;
    private volatile @Nullable Map<String, Integer> indices; // of tensors, by name

    private GgufFile(Path path, NativeGguf handle) {
        this.path = path;
        this.handle = handle;
        this.header = handle.reader().header();
        this.metadata = new GgufMetadata(handle.reader());
    }

    /**
     * Opens a file.
     *
     * @throws IOException if it is missing, unreadable, or no GGUF file: see {@link ModelFileException}
     */
    public static GgufFile open(Path path) throws IOException {
        NativeLibrary.load();
        return new GgufFile(path, ModelFiles.open(path, () -> NativeGguf.open(path)));
    }

    /** Its keys; they can be read until it is closed. */
    public Metadata metadata() {
        return metadata;
    }

    /** The values of all keys as they lie in the file, in its order, to be copied into another one. */
    public Map<String, GgufValue> values() throws IOException {
        Map<String, GgufValue> values = new LinkedHashMap<>();
        List<GgufReader.Key> keys = handle.reader().keys();
        for (int i = 0; i < keys.size(); i++) {
            values.put(keys.get(i).name(), value(i, keys.get(i)));
        }
        return values;
    }

    private GgufValue value(long index, GgufReader.Key key) throws IOException {
        return ModelFiles.read(path, () -> {
            try (Arena scratch = Arena.ofConfined()) {
                MemorySegment bytes = scratch.allocate(key.bytes());
                handle.reader().readKey(index, bytes);
                return GgufValue.of(key.fileType(), bytes);
            }
        });
    }

    /** {@code FNV-1a} hash of its vocabulary, as models and formers tell it; 0 for a file without one. */
    public long vocabularyHash() {
        return handle.reader().vocabularyHash();
    }

    /**
     * Reads bytes of a tensor's data, as they lie in the file.
     *
     * @param tensor one of {@link #tensors}
     * @param first the first byte to read
     * @param target is filled; off-heap
     * @throws IOException if the file has become shorter or was changed
     * @throws IcfException of status ARGUMENT if the tensor has no such bytes, or is none of this file
     */
    public void read(TensorInfo tensor, long first, MemorySegment target) throws IOException {
        Segments.checkOutput(target, 0, 1, "target");
        Integer index = indices().get(tensor.name());
        if (index == null) {
            throw new IcfException(Status.ARGUMENT, "there is no tensor " + tensor.name());
        }
        ModelFiles.read(path, () -> {
            handle.reader().readTensor(index, first, target);
            return target;
        });
    }

    private Map<String, Integer> indices() {
        Map<String, Integer> known = indices;
        if (known == null) {
            known = new HashMap<>();
            List<TensorInfo> all = tensors();
            for (int i = 0; i < all.size(); i++) {
                known.put(all.get(i).name(), i);
            }
            indices = known;
        }
        return known;
    }

    /** Its tensors, in the order of the file. */
    public List<TensorInfo> tensors() {
        return handle.reader().tensors().stream().map(GgufFile::tensor).toList();
    }

    /** Version of the GGUF format. */
    public int version() {
        return header.version();
    }

    /** Size of the file, in bytes. */
    public long fileBytes() {
        return header.fileBytes();
    }

    /** Where the data of the tensors begins, in bytes from the start of the file. */
    public long dataOffset() {
        return header.dataOffset();
    }

    /** Closes the file, once; an exception of status STATE while another thread reads it. */
    @Override
    public void close() {
        handle.close();
    }

    private static TensorInfo tensor(GgufReader.Tensor tensor) {
        long[] shape = tensor.shape();
        int dimensions = shape.length;
        while (dimensions > 1 && shape[dimensions - 1] == 1) {
            dimensions--;
        }
        return new TensorInfo(
                tensor.name(),
                TensorType.of(tensor.type()),
                LongStream.of(shape).limit(dimensions).boxed().toList(),
                tensor.offset(),
                tensor.bytes());
    }
}
