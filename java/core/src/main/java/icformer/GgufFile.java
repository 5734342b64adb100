package icformer;

import icformer.internal.ffi.GgufReader;
import icformer.internal.ffi.NativeGguf;
import icformer.internal.ffi.NativeLibrary;
import java.io.IOException;
import java.nio.file.Path;

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
     * @throws IOException if it is missing, unreadable, or no GGUF file: see {@link ModelFileException}
     */
    public static GgufFile open(Path path) throws IOException {
        NativeLibrary.load();
        return new GgufFile(ModelFiles.open(path, () -> NativeGguf.open(path)));
    }

    /** Its keys and tensors; they can be read until it is closed. */
    public Metadata metadata() {
        return metadata;
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
}
