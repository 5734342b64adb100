package icformer;

import icformer.internal.base.Checks;
import icformer.internal.base.Hashes;
import icformer.internal.base.Segments;
import icformer.internal.ffi.NativeDigester;
import icformer.internal.ffi.NativeLibrary;
import icformer.internal.ffi.NativeModel;
import icformer.internal.gguf.GgufMetadata;
import icformer.internal.gguf.ModelFiles;
import icformer.metadata.Metadata;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import org.jspecify.annotations.Nullable;

/**
 * An In-Context Former (arXiv 2406.13618): turns the word embeddings of a context into a few digest rows, which an LLM
 * reads in their place.
 *
 * <p>Takes one call at a time, from any thread; a second one that comes meanwhile is an exception of status STATE.
 */
public final class Digester implements AutoCloseable {
    private final Path file;
    private final NativeDigester handle;
    private final DigesterInfo info;
    private final Metadata metadata;
    private final @Nullable ModelInfo model;

    private Digester(Path file, NativeDigester handle, @Nullable ModelInfo model) {
        this.file = file;
        this.handle = handle;
        this.info = DigesterInfo.of(handle.describe());
        this.metadata = new GgufMetadata(handle.gguf());
        this.model = model;
    }

    /** Opens a former without an LLM: given embeddings can be digested, tokens cannot. */
    public static Digester open(Path path) throws IOException {
        return open(path, DigesterOptions.defaults());
    }

    /**
     * Opens a former without an LLM: given embeddings can be digested, tokens cannot.
     *
     * @throws IOException if the file is missing or cannot be used: see {@link icformer.error.ModelFileException}
     */
    public static Digester open(Path path, DigesterOptions options) throws IOException {
        return open(path, null, null, options);
    }

    static Digester open(Path path, @Nullable NativeModel handle, @Nullable ModelInfo model, DigesterOptions options)
            throws IOException {
        NativeLibrary.load();
        return new Digester(
                path,
                ModelFiles.open(
                        path,
                        () -> NativeDigester.open(
                                path,
                                handle,
                                options.threads(),
                                options.device(),
                                options.useMmap(),
                                options.method() == DigesterOptions.Method.PLAIN,
                                options.maxTableBytes())),
                model);
    }

    /** What the former is. */
    public DigesterInfo info() {
        return info;
    }

    /** The keys of its file; they can be read until the digester is closed. */
    public Metadata metadata() {
        return metadata;
    }

    /** What the former is, apart from this digester: it may be used on after the digester is closed. */
    public Former former() {
        return Former.of(file, handle.gguf(), null);
    }

    /** Memory held now for packed weights, constants and graphs, in bytes. */
    public long scratchBytes() {
        handle.enter();
        try {
            return handle.scratchBytes();
        } finally {
            handle.exit();
        }
    }

    /** Tokens that the token table holds now: see {@link DigesterOptions#maxTableBytes}. */
    public long tableTokens() {
        handle.enter();
        try {
            return handle.tableTokens();
        } finally {
            handle.exit();
        }
    }

    /**
     * Fills the token table for tokens, so that digesting them later costs no more than a look-up: the whole vocabulary
     * ahead of time, or a context as it arrives. Without a table only the tokens are checked.
     *
     * @throws icformer.error.IcfException of status STATE if the digester was opened without a model, ARGUMENT if a token is not of the
     *     vocabulary
     */
    public void prepare(int... tokens) {
        handle.enter();
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment ids = scratch.allocateFrom(ValueLayout.JAVA_INT, tokens);
            // as for chunks: no native call takes longer than a chunk
            int length = info.chunkLength();
            for (int first = 0; first < tokens.length; first += length) {
                handle.prepare(ids.asSlice((long) first * Integer.BYTES), Math.min(length, tokens.length - first));
            }
        } finally {
            handle.exit();
        }
    }

    /**
     * Length of the even chunks that a context of {@code length} tokens is divided into: ceil(n / ceil(n / maxChunk)). The
     * last one may be shorter.
     *
     * @param maxChunk as in {@link DigestOptions}, but not {@link DigestOptions#TRAINED_CHUNK}
     */
    public static long chunkLength(long length, long maxChunk) {
        return NativeLibrary.chunkLength(length, maxChunk);
    }

    /** Digests a context in chunks as the former was trained. */
    public Digest digest(int[] tokens) {
        return digest(tokens, DigestOptions.defaults());
    }

    /**
     * Digests a context.
     *
     * @param tokens of the context; none only with {@link DigestOptions#ONE_CHUNK}, for the digests of nothing
     * @return {@link DigesterInfo#digestRows} rows for every chunk, or the first ones that the options keep
     * @throws icformer.error.IcfException of status STATE if the digester was opened without a model, ARGUMENT if there are no tokens, one
     *     is not of the vocabulary, or more rows are to be kept than there are
     * @throws CancellationException if the listener did not want to go on
     */
    public Digest digest(int[] tokens, DigestOptions options) {
        List<Digest.Chunk> chunks = divide(tokens.length, options.maxChunk());
        handle.enter();
        try (Arena scratch = Arena.ofConfined()) {
            Rows rows = new Rows(chunks.size(), options, options.batch(), scratch);
            MemorySegment ids = scratch.allocateFrom(ValueLayout.JAVA_INT, tokens);
            for (int first = 0; first < chunks.size(); first += options.batch()) {
                int end = Math.min(first + options.batch(), chunks.size());
                List<Digest.Chunk> batch = chunks.subList(first, end);
                long start = batch.getFirst().first();
                long[] ends =
                        batch.stream().mapToLong(chunk -> chunk.end() - start).toArray();
                handle.runBatch(ids.asSlice(start * Integer.BYTES), ends, rows.target(first, end));
                rows.keep(first, end);
                tell(options.progress(), end, chunks.size());
            }
            return digestOf(rows.kept, chunks, Hashes.sha256(ids));
        } finally {
            handle.exit();
        }
    }

    /** Digests given word embeddings in chunks as the former was trained. */
    public Digest digestEmbeddings(MemorySegment embeddings, long count) {
        return digestEmbeddings(embeddings, count, DigestOptions.defaults());
    }

    /**
     * Digests given word embeddings, read where they lie, one chunk per native call.
     *
     * @param embeddings [count, width] floats, off-heap
     * @param count number of rows; 0 only with {@link DigestOptions#ONE_CHUNK}
     */
    public Digest digestEmbeddings(MemorySegment embeddings, long count, DigestOptions options) {
        long rowBytes = (long) info.width() * Float.BYTES;
        Segments.checkInput(embeddings, Segments.bytes(count, rowBytes), Float.BYTES, "embeddings");
        List<Digest.Chunk> chunks = divide(count, options.maxChunk());
        handle.enter();
        try (Arena scratch = Arena.ofConfined()) {
            Rows rows = new Rows(chunks.size(), options, 1, scratch);
            for (int i = 0; i < chunks.size(); i++) {
                Digest.Chunk chunk = chunks.get(i);
                MemorySegment part = embeddings.asSlice(chunk.first() * rowBytes, chunk.length() * rowBytes);
                handle.runRows(part, chunk.length(), rows.target(i, i + 1));
                rows.keep(i, i + 1);
                tell(options.progress(), i + 1, chunks.size());
            }
            return digestOf(rows.kept, chunks, "");
        } finally {
            handle.exit();
        }
    }

    /** A context that grows, to be digested at any time. */
    public ContextStream openStream() {
        return new ContextStream(this);
    }

    /**
     * A learned row that stands right after the digest rows of a context.
     *
     * @param arena owns the memory of the row
     * @return [width] floats
     * @throws icformer.error.IcfException of status UNSUPPORTED if the former has no such row
     */
    public MemorySegment marker(Marker marker, Arena arena) {
        MemorySegment row = Segments.allocate(arena, (long) info.width() * Float.BYTES);
        handle.enter();
        try {
            handle.marker(
                    switch (marker) {
                        case FT -> NativeDigester.FT;
                        case AE -> NativeDigester.AE;
                    },
                    row);
        } finally {
            handle.exit();
        }
        return row;
    }

    /** Closes the digester, once, from any thread; an exception of status STATE while a call on it is under way. */
    @Override
    public void close() {
        handle.close();
    }

    private List<Digest.Chunk> divide(long length, int maxChunk) {
        Checks.argument(
                length > 0 || maxChunk == DigestOptions.ONE_CHUNK,
                "the context is empty: ask for one chunk (maxChunk 0) to digest nothing");
        long size = chunkLength(length, maxChunk == DigestOptions.TRAINED_CHUNK ? info.chunkLength() : maxChunk);
        List<Digest.Chunk> chunks = new ArrayList<>();
        long first = 0;
        do {
            long end = Math.min(first + size, length);
            chunks.add(new Digest.Chunk(first, end));
            first = end;
        } while (first < length);
        return chunks;
    }

    /** The rows of a digest. Native calls write them where they stay, or beside it where only the first ones are kept. */
    private final class Rows {
        final MemorySegment kept; // [chunks * rows kept of each, width]
        private final long keptBytes; // of a chunk
        private final long chunkBytes;
        private final @Nullable MemorySegment whole; // [batch * digestRows, width]; null where all rows are kept

        Rows(int chunks, DigestOptions options, int batch, Arena scratch) {
            Checks.argument(
                    options.chunkRows() <= info.digestRows(),
                    "chunkRows is %d, but must be %d or less: the former gives no more",
                    options.chunkRows(),
                    info.digestRows());
            int rows = options.chunkRows() == DigestOptions.ALL_ROWS ? info.digestRows() : options.chunkRows();
            long rowBytes = (long) info.width() * Float.BYTES;
            keptBytes = rows * rowBytes;
            chunkBytes = info.digestRows() * rowBytes;
            long bytes = Segments.bytes(chunks, keptBytes);
            kept = Segments.allocate(options.arena() != null ? options.arena() : Arena.ofAuto(), bytes);
            Segments.checkOutput(kept, bytes, Float.BYTES, "rows");
            whole = keptBytes == chunkBytes
                    ? null
                    : Segments.allocate(scratch, Segments.bytes(Math.min(batch, chunks), chunkBytes));
        }

        /** Where a call writes all rows of chunks {@code first … end - 1}. */
        MemorySegment target(int first, int end) {
            return whole == null ? kept.asSlice(first * chunkBytes, (end - first) * chunkBytes) : whole;
        }

        /** Takes over what the call wrote. */
        void keep(int first, int end) {
            if (whole != null) {
                for (int i = first; i < end; i++) {
                    MemorySegment.copy(whole, (i - first) * chunkBytes, kept, i * keptBytes, keptBytes);
                }
            }
        }
    }

    Digest digestOf(MemorySegment rows, List<Digest.Chunk> chunks, String contextSha256) {
        return new Digest(
                rows,
                RowType.F32,
                info.width(),
                chunks,
                new Digest.Origin(
                        model == null ? "" : model.name(),
                        model == null ? 0 : model.fingerprint(),
                        info.name(),
                        info.fingerprint(),
                        contextSha256));
    }

    private static void tell(DigestOptions.Progress progress, int done, int total) {
        if (!progress.onChunks(done, total) && done < total) {
            throw new CancellationException("cancelled after %d of %d chunks".formatted(done, total));
        }
    }
}
