package icformer;

import icformer.error.ModelFileException;
import icformer.internal.base.Segments;
import icformer.internal.ffi.NativeLibrary;
import icformer.internal.ffi.NativeModel;
import icformer.internal.gguf.GgufMetadata;
import icformer.internal.gguf.ModelFiles;
import icformer.metadata.Metadata;
import icformer.text.Tokenizer;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * The weights of an LLM. They never change: any number of threads may use one model at once.
 *
 * <p>Digesters and sessions may be used on after the model they were opened from is closed; the weights stay in memory
 * until the last of them is closed too.
 */
public final class Model implements AutoCloseable {
    private final NativeModel handle;
    private final ModelInfo info;
    private final Metadata metadata;
    private final Readers readers = new Readers();
    private @Nullable Tokenizer tokenizer;

    private Model(NativeModel handle) {
        this.handle = handle;
        this.info = ModelInfo.of(handle.describe());
        this.metadata = new GgufMetadata(handle.gguf());
    }

    /** Opens a GGUF file that holds an LLM, with the default options. */
    public static Model open(Path path) throws IOException {
        return open(path, ModelOptions.defaults());
    }

    /**
     * Opens a GGUF file that holds an LLM.
     *
     * @throws IOException if the file is missing or cannot be used: see {@link icformer.error.ModelFileException}
     * @throws icformer.error.IcfException of status DEVICE or MEMORY, for all that is not the file's fault
     */
    public static Model open(Path path, ModelOptions options) throws IOException {
        NativeLibrary.load();
        return new Model(ModelFiles.open(
                path,
                () -> NativeModel.open(
                        path, options.device(), options.useMmap(), options.useRepack(), options.gpuLayers())));
    }

    /** What the model is. */
    public ModelInfo info() {
        return info;
    }

    /** The keys of its file; they can be read until the model is closed. */
    public Metadata metadata() {
        return metadata;
    }

    /** The tokenizer of its file, built by the first call. It may be used on after the model is closed. */
    public synchronized Tokenizer tokenizer() {
        if (tokenizer == null) {
            tokenizer = Tokenizer.of(metadata);
        }
        return tokenizer;
    }

    /** Opens a former made for this model, with all physical cores, on the model's device. */
    public Digester openDigester(Path path) throws IOException {
        return openDigester(path, DigesterOptions.defaults());
    }

    /**
     * Opens a former made for this model.
     *
     * @throws IOException if the file is missing or cannot be used, of status MISMATCH if the former was made for another
     *     LLM: see {@link icformer.error.ModelFileException}
     */
    public Digester openDigester(Path path, DigesterOptions options) throws IOException {
        handle.hold();
        try {
            return Digester.open(path, handle, info, options);
        } finally {
            handle.release();
        }
    }

    /**
     * Reads what a former made for this model is, without the weights it computes with: for digests that are there already.
     *
     * @throws IOException if the file is missing or is no former, of status MISMATCH if it was made for another LLM: see
     *     {@link ModelFileException}
     */
    public Former openFormer(Path path) throws IOException {
        handle.hold();
        try {
            return Former.open(path, handle);
        } finally {
            handle.release();
        }
    }

    /**
     * Opens an adapter for this model: a GGUF file as llama.cpp's {@code convert_lora_to_gguf.py} writes it, or a former that
     * brings a reader.
     *
     * @throws IOException if the file is missing or cannot be used, of status MISMATCH if a pair of it belongs to no matrix of
     *     this LLM: see {@link ModelFileException}
     */
    public Adapter openAdapter(Path path) throws IOException {
        handle.hold();
        try {
            return Adapter.open(path, handle);
        } finally {
            handle.release();
        }
    }

    /**
     * Opens the reader of a former.
     *
     * @throws IOException as {@link #openAdapter}; of status UNSUPPORTED if the former brings none
     */
    public Adapter openReader(Former former) throws IOException {
        return openAdapter(former.file());
    }

    /** The reader of a former, opened by the first call and closed with the model. */
    Adapter reader(Former former) throws IOException {
        return readers.get(this, former);
    }

    /** Opens an empty timeline with the default options. */
    public Session openSession() {
        return openSession(SessionOptions.defaults());
    }

    /** Opens an empty timeline. */
    public Session openSession(SessionOptions options) {
        handle.hold();
        try {
            return Session.open(this, handle, options);
        } finally {
            handle.release();
        }
    }

    /**
     * Word embeddings of tokens.
     *
     * @param arena owns the memory of the rows
     * @return [tokens.length, width] floats
     */
    public MemorySegment embed(int[] tokens, Arena arena) {
        MemorySegment rows = Segments.allocate(arena, (long) tokens.length * info.width() * Float.BYTES);
        handle.hold();
        try {
            handle.embedTokens(tokens, rows);
        } finally {
            handle.release();
        }
        return rows;
    }

    /** Closes the model, once, from any thread; an exception of status STATE while a call on it is under way. */
    @Override
    public void close() {
        handle.close();
        readers.close();
    }
}
