package icformer.files;

import icformer.internal.ffi.GgufReader;
import icformer.internal.ffi.NativeGguf;
import icformer.internal.ffi.NativeLibrary;
import icformer.internal.gguf.GgufMetadata;
import icformer.internal.gguf.ModelFiles;
import icformer.metadata.Metadata;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.LongStream;

/** A GGUF file of any architecture: its metadata and the list of its tensors, without any weights. */
public final class GgufFile implements AutoCloseable {
    private final NativeGguf handle;
    private final GgufReader.Header header;
    private final Metadata metadata;

    private GgufFile(NativeGguf handle) {
        this.handle = handle;
        this.header = handle.reader().header();
        this.metadata = new GgufMetadata(handle.reader());
    }

    /**
     * Opens a file.
     *
     * @throws IOException if it is missing, unreadable, or no GGUF file: see {@link icformer.error.ModelFileException}
     */
    public static GgufFile open(Path path) throws IOException {
        NativeLibrary.load();
        return new GgufFile(ModelFiles.open(path, () -> NativeGguf.open(path)));
    }

    /** Its keys; they can be read until it is closed. */
    public Metadata metadata() {
        return metadata;
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
