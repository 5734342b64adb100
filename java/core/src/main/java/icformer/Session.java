package icformer;

import icformer.error.IcfException;
import icformer.error.ModelFileException;
import icformer.error.Status;
import icformer.internal.base.Checks;
import icformer.internal.base.Segments;
import icformer.internal.ffi.NativeAdapter;
import icformer.internal.ffi.NativeModel;
import icformer.internal.ffi.NativeSession;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * One timeline of an LLM: its KV cache and the outputs of the last append.
 *
 * <p>Takes one call at a time, from any thread; a second one that comes meanwhile is an exception of status STATE. After a
 * failure the timeline is as it was before the call.
 */
public final class Session implements AutoCloseable {
    private final Model model;
    private final NativeSession handle;
    private final SessionInfo info;
    /** One row of logits and one of hidden states, on their way into an array. */
    private final MemorySegment logitsRow;

    private final MemorySegment hiddenRow;

    /** Those that were set; beside them the reader of a former may be in use, for as long as its prompt is there. */
    private List<Adapter.Scaled> adapters = List.of();

    private @Nullable Adapter reader;

    private Session(Model model, NativeSession handle) {
        this.model = model;
        this.handle = handle;
        this.info = SessionInfo.of(handle.info());
        this.logitsRow = handle.allocateFloats(model.info().vocabularySize());
        this.hiddenRow = handle.allocateFloats(model.info().width());
    }

    static Session open(Model model, NativeModel handle, SessionOptions options) {
        Session session = new Session(
                model,
                NativeSession.open(
                        handle,
                        options.threads(),
                        options.contextLength(),
                        options.batchLength(),
                        options.kvType().number()));
        if (!options.adapters().isEmpty()) {
            try {
                session.setAdapters(options.adapters());
            } catch (RuntimeException e) {
                session.close();
                throw e;
            }
        }
        return session;
    }

    /** What the session holds. */
    public SessionInfo info() {
        return info;
    }

    /** The model it was opened from, be it closed. */
    public Model model() {
        return model;
    }

    /** Scratch memory held now, in bytes. */
    public long scratchBytes() {
        handle.enter();
        try {
            return handle.scratchBytes();
        } finally {
            handle.exit();
        }
    }

    /** Positions in use. */
    public long length() {
        handle.enter();
        try {
            return handle.length();
        } finally {
            handle.exit();
        }
    }

    /** Puts adapters, each with its own scale, in the place of those in use: see {@link #setAdapters(List)}. */
    public void setAdapters(Adapter... adapters) {
        setAdapters(Stream.of(adapters).map(adapter -> adapter.scaled(1)).toList());
    }

    /**
     * Puts adapters in the place of those in use, for all that is appended from now on; none for the LLM as it is.
     *
     * @param adapters opened for this session's model, at most 64
     * @throws IcfException of status STATE unless the session is empty, or if an adapter is closed; MISMATCH if one was opened
     *     for another model
     */
    public void setAdapters(List<Adapter.Scaled> adapters) {
        List<Adapter.Scaled> all = List.copyOf(adapters);
        handle.enter();
        try {
            use(all);
            this.adapters = all;
            reader = null;
        } finally {
            handle.exit();
        }
    }

    private void use(List<Adapter.Scaled> all) {
        List<NativeAdapter> handles = new ArrayList<>();
        float[] scales = new float[all.size()];
        try {
            for (Adapter.Scaled each : all) {
                NativeAdapter adapter = each.adapter().handle();
                adapter.hold();
                scales[handles.size()] = each.scale();
                handles.add(adapter);
            }
            handle.setAdapters(handles, scales);
        } finally {
            handles.forEach(NativeAdapter::release);
        }
    }

    /** Sees to it that a prompt is read with the adapters it is for: those that were set, and a former's reader. */
    private void prepareReader(@Nullable Former former) {
        Adapter wanted = former == null || isSet(former) ? null : readerOf(former);
        if (handle.length() == 0) {
            if (wanted != reader) {
                List<Adapter.Scaled> all = new ArrayList<>(adapters);
                if (wanted != null) {
                    all.add(wanted.scaled(1));
                }
                use(all);
                reader = wanted;
            }
        } else if (former != null && wanted != null && wanted != reader) {
            throw new IcfException(
                    Status.STATE,
                    "the prompt is for the reader of the former '%s', but the session's %d positions were read without it: a "
                                    .formatted(former.name(), handle.length())
                            + "prompt with a digest comes first");
        }
    }

    /** An empty session forgets the reader of what it held before. Costs nothing where there is none. */
    private void dropReader() {
        if (reader != null && handle.length() == 0) {
            prepareReader(null);
        }
    }

    /** Whether a former's reader is among the adapters that were set. */
    private boolean isSet(Former former) {
        if (adapters.stream().noneMatch(each -> each.adapter().info().isReader())) {
            return false;
        }
        long fingerprint = readerOf(former).info().fingerprint();
        return adapters.stream()
                .anyMatch(each -> each.adapter().info().isReader()
                        && each.adapter().info().fingerprint() == fingerprint);
    }

    private Adapter readerOf(Former former) {
        try {
            return model.reader(former);
        } catch (ModelFileException e) {
            throw new IcfException(e.status(), Objects.toString(e.getMessage(), former.name()), e);
        } catch (IOException e) {
            throw new IcfException(
                    Status.IO, "the reader of the former '%s' cannot be read: %s".formatted(former.name(), e), e);
        }
    }

    /** Appends a token and keeps its logits. Allocates nothing. */
    public void append(int token) {
        handle.enter();
        try {
            dropReader();
            handle.appendToken(token);
        } finally {
            handle.exit();
        }
    }

    /** Appends tokens and keeps the logits of the last one. */
    public void append(int... tokens) {
        append(tokens, Outputs.LAST);
    }

    /**
     * Appends tokens.
     *
     * @param tokens at least one
     * @throws IcfException of status CAPACITY if the context has no room for them; ARGUMENT if one is not of the
     *     vocabulary, or {@code outputs} has more rows than there are tokens or than a batch holds
     */
    public void append(int[] tokens, Outputs outputs) {
        handle.enter();
        try {
            checkTokens(tokens);
            dropReader();
            appendTokens(tokens, outputs);
        } finally {
            handle.exit();
        }
    }

    /** Appends the rows of a digest and keeps the logits of the last one. */
    public void append(Digest digest) {
        append(digest, Outputs.LAST);
    }

    /**
     * Appends the rows of a digest, read where they lie.
     *
     * @throws IcfException of status MISMATCH if the digest was made for another model; else as for rows
     */
    public void append(Digest digest, Outputs outputs) {
        checkOrigin(digest);
        append(digest.rows(), digest.type(), digest.rowCount(), outputs);
    }

    /** Appends embedding rows and keeps the logits of the last one. */
    public void append(MemorySegment rows, RowType type, long count) {
        append(rows, type, count, Outputs.LAST);
    }

    /**
     * Appends embedding rows, read where they lie.
     *
     * @param rows [count, width] elements of {@code type}, off-heap, aligned to an element
     * @param count at least 1
     * @throws IcfException of status CAPACITY if the context has no room for them; ARGUMENT if the segment is too short,
     *     not aligned, or of the Java heap, or {@code outputs} has more rows than there are or than a batch holds; STATE if
     *     the segment's arena is closed or confined to another thread
     */
    public void append(MemorySegment rows, RowType type, long count, Outputs outputs) {
        checkRows(rows, type, count);
        handle.enter();
        try {
            dropReader();
            appendRows(rows, type, count, outputs);
        } finally {
            handle.exit();
        }
    }

    /** Appends a prompt and keeps the logits of its last position. */
    public void append(Prompt prompt) {
        append(prompt, Outputs.LAST);
    }

    /**
     * Appends a prompt, all of it or nothing. A prompt with a digest whose former brings a reader is read with that reader, if
     * the session is empty: it is opened once for each model, and is in use until the session is empty again.
     *
     * @param prompt at least one position
     * @param outputs of the last part's rows
     * @throws IcfException as for its parts; STATE if the prompt is for a reader that the positions before it were not read
     *     with; as {@link Model#openReader} does, if the reader cannot be opened
     */
    public void append(Prompt prompt, Outputs outputs) {
        Checks.argument(prompt.length() > 0, "there is nothing to append");
        prompt.parts().forEach(this::check);
        checkOutputs(outputs, prompt.parts().getLast().length());
        handle.enter();
        try {
            long start = handle.length();
            checkRoom(prompt, start);
            prepareReader(prompt.reader());
            try {
                appendParts(prompt.parts(), outputs);
            } catch (RuntimeException e) {
                if (handle.length() > start) {
                    handle.truncate(start);
                }
                throw e;
            }
        } finally {
            handle.exit();
        }
    }

    private void appendParts(List<Prompt.Part> parts, Outputs outputs) {
        for (int i = 0; i < parts.size(); i++) {
            append(parts.get(i), i == parts.size() - 1 ? outputs : Outputs.NONE);
        }
    }

    private void check(Prompt.Part part) {
        switch (part) {
            case Prompt.Tokens tokens -> checkTokens(tokens.shared());
            case Prompt.Digested(Digest digest) -> {
                checkOrigin(digest);
                checkRows(digest.rows(), digest.type(), digest.rowCount());
            }
            case Prompt.Row(MemorySegment values) -> checkRows(values, RowType.F32, 1);
        }
    }

    private void checkRoom(Prompt prompt, long start) {
        long room = info.contextLength() - start;
        if (prompt.length() > room) {
            throw new IcfException(
                    Status.CAPACITY,
                    "the prompt takes %d positions, but only %d of the session's %d are free"
                            .formatted(prompt.length(), room, info.contextLength()));
        }
    }

    /** In the words of the native library, which would refuse the first batch that does not fit. */
    private void checkRoom(long count, long start) {
        if (count > info.contextLength() - start) {
            throw new IcfException(
                    Status.CAPACITY,
                    "the session holds %d positions: %d are in use, %d more do not fit"
                            .formatted(info.contextLength(), start, count));
        }
    }

    private void append(Prompt.Part part, Outputs outputs) {
        switch (part) {
            case Prompt.Tokens tokens -> appendTokens(tokens.shared(), outputs);
            case Prompt.Digested(Digest digest) -> appendRows(digest.rows(), digest.type(), digest.rowCount(), outputs);
            case Prompt.Row(MemorySegment values) -> appendRows(values, RowType.F32, 1, outputs);
        }
    }

    private void appendTokens(int[] tokens, Outputs outputs) {
        appendBatches(
                tokens.length,
                outputs,
                (first, count, kept) ->
                        handle.appendTokens(tokens, (int) first, count, kept.rows(), kept.logits(), kept.hidden()));
    }

    private void appendRows(MemorySegment rows, RowType type, long count, Outputs outputs) {
        long rowBytes = (long) model.info().width() * type.bytes();
        appendBatches(
                count,
                outputs,
                (first, length, kept) -> handle.appendRows(
                        rows.asSlice(first * rowBytes, length * rowBytes),
                        type.number(),
                        length,
                        kept.rows(),
                        kept.logits(),
                        kept.hidden()));
    }

    /** Of all batches, before the first of them replaces the outputs. */
    private void checkTokens(int[] tokens) {
        int vocabulary = model.info().vocabularySize();
        for (int i = 0; i < tokens.length; i++) {
            if (tokens[i] < 0 || tokens[i] >= vocabulary) {
                throw new IcfException(
                        Status.ARGUMENT,
                        "token %d at position %d is not in the vocabulary of %d".formatted(tokens[i], i, vocabulary));
            }
        }
    }

    private void checkRows(MemorySegment rows, RowType type, long count) {
        Checks.argument(count > 0, "there is nothing to append");
        long rowBytes = (long) model.info().width() * type.bytes();
        Segments.checkInput(rows, Segments.bytes(count, rowBytes), type.bytes(), "rows");
    }

    /** Appends one batch. */
    private interface Batch {
        void append(long first, int count, Outputs outputs);
    }

    private void checkOutputs(Outputs outputs, long count) {
        Checks.argument(
                outputs.rows() <= Math.min(count, info.batchLength()),
                "outputs of %d rows cannot be kept: %d are appended, and a batch holds %d",
                outputs.rows(),
                count,
                info.batchLength());
    }

    /** Divides an append. The shorter batch comes first, so that the last one holds all rows whose outputs are kept. */
    private void appendBatches(long count, Outputs outputs, Batch batch) {
        Checks.argument(count > 0, "there is nothing to append");
        checkOutputs(outputs, count);
        long start = handle.length();
        checkRoom(count, start);
        int length = (int) ((count - 1) % info.batchLength()) + 1;
        for (long first = 0; first < count; first += length, length = info.batchLength()) {
            boolean last = first + length == count;
            try {
                batch.append(first, length, last ? outputs : Outputs.NONE);
            } catch (RuntimeException e) {
                if (first > 0) {
                    handle.truncate(start);
                }
                throw e;
            }
        }
    }

    private void checkOrigin(Digest digest) {
        ModelInfo own = model.info();
        Digest.Origin origin = digest.origin();
        boolean otherModel = origin.modelFingerprint() != 0 && origin.modelFingerprint() != own.fingerprint();
        if (otherModel || digest.width() != own.width()) {
            throw new IcfException(
                    Status.MISMATCH,
                    "the digest was made for '%s' (fingerprint %s, width %d), but the session runs '%s' (%s, %d)"
                            .formatted(
                                    origin.modelName(),
                                    DigestFiles.fingerprint(origin.modelFingerprint()),
                                    digest.width(),
                                    own.name(),
                                    DigestFiles.fingerprint(own.fingerprint()),
                                    own.width()));
        }
    }

    /** Forgets everything from position {@code length} on, and the outputs. */
    public void truncate(long length) {
        handle.enter();
        try {
            handle.truncate(length);
        } finally {
            handle.exit();
        }
    }

    /**
     * Logits of the first rows that the last append kept, as many as fill the array. Allocates nothing.
     *
     * @param target [rows, vocabulary]
     * @throws IcfException of status STATE if the last append did not keep them
     */
    public void logits(float[] target) {
        logits(0, target);
    }

    /**
     * Logits of rows {@code first …} that the last append kept, as many as fill the array.
     *
     * @param first 0 for the first of the rows that were kept
     * @param target [rows, vocabulary]
     */
    public void logits(long first, float[] target) {
        handle.enter();
        try {
            int rows = rows(target, logitsRow);
            for (int i = 0; i < rows; i++) {
                handle.getLogits(first + i, 1, logitsRow);
                copyRow(logitsRow, target, i);
            }
        } finally {
            handle.exit();
        }
    }

    /**
     * Logits of rows {@code first … first + count - 1} that the last append kept.
     *
     * @param target [count, vocabulary] floats, off-heap
     */
    public void logits(long first, long count, MemorySegment target) {
        Segments.checkOutput(target, rowsBytes(count, logitsRow), Float.BYTES, "logits");
        handle.enter();
        try {
            handle.getLogits(first, count, target);
        } finally {
            handle.exit();
        }
    }

    /**
     * Last hidden states, after the final norm, of rows {@code first …} that the last append kept, as many as fill the
     * array.
     *
     * @param first 0 for the first of the rows that were kept
     * @param target [rows, width]
     * @throws IcfException of status STATE if the last append did not keep them
     */
    public void hidden(long first, float[] target) {
        handle.enter();
        try {
            int rows = rows(target, hiddenRow);
            for (int i = 0; i < rows; i++) {
                handle.getHidden(first + i, 1, hiddenRow);
                copyRow(hiddenRow, target, i);
            }
        } finally {
            handle.exit();
        }
    }

    /**
     * Last hidden states of rows {@code first … first + count - 1} that the last append kept. Appending a context and k
     * memory rows and reading k hidden rows is compression by the LLM's own self-attention (ICAE, arXiv 2307.06945).
     *
     * @param target [count, width] floats, off-heap
     */
    public void hidden(long first, long count, MemorySegment target) {
        Segments.checkOutput(target, rowsBytes(count, hiddenRow), Float.BYTES, "hidden");
        handle.enter();
        try {
            handle.getHidden(first, count, target);
        } finally {
            handle.exit();
        }
    }

    /** How many rows fill an array. */
    private static int rows(float[] target, MemorySegment row) {
        int length = (int) (row.byteSize() / Float.BYTES);
        if (target.length == 0 || target.length % length != 0) {
            throw new IcfException(
                    Status.ARGUMENT,
                    "an array of %d floats holds no whole number of rows of %d".formatted(target.length, length));
        }
        return target.length / length;
    }

    private static void copyRow(MemorySegment row, float[] target, int index) {
        int length = (int) (row.byteSize() / Float.BYTES);
        MemorySegment.copy(row, ValueLayout.JAVA_FLOAT, 0, target, index * length, length);
    }

    private static long rowsBytes(long count, MemorySegment row) {
        Checks.argument(count > 0, "%d rows cannot be read", count);
        return Segments.bytes(count, row.byteSize());
    }

    /**
     * Chooses a token from the logits of the last row. The timeline is not changed: append the token to go on. Allocates
     * nothing.
     */
    public int sample(Sampling sampling) {
        handle.enter();
        try {
            return handle.sample(
                    sampling.temperature(),
                    sampling.topK(),
                    sampling.topP(),
                    sampling.minP(),
                    sampling.repetitionPenalty(),
                    sampling.repetitionWindow(),
                    sampling.seed());
        } finally {
            handle.exit();
        }
    }

    /**
     * Generates tokens from the logits of the last row on, as they are pulled.
     *
     * @param limit most tokens to generate
     */
    public TokenStream generate(Sampling sampling, int limit) {
        Checks.argument(limit >= 0, "limit is %d, but must be 0 or more", limit);
        return new TokenStream(this, sampling, limit, model.tokenizer());
    }

    /**
     * The timeline, for {@link #restoreState} of a session of the same model, adapters and type of cache. That of a prompt
     * which put a former's reader on goes to sessions on which {@link Model#openReader} was set.
     *
     * @param arena owns the memory of the state
     */
    public MemorySegment saveState(Arena arena) {
        handle.enter();
        try {
            MemorySegment state = Segments.allocate(arena, handle.stateBytes());
            Segments.checkOutput(state, handle.stateBytes(), 1, "state");
            return state.asSlice(0, handle.saveState(state));
        } finally {
            handle.exit();
        }
    }

    /**
     * Replaces the timeline by a saved one.
     *
     * @param state what {@link #saveState} gave, off-heap
     * @throws IcfException of status MISMATCH if it is of another model, other adapters or another type of cache, FORMAT if it is damaged, CAPACITY
     *     if it is longer than this session's context
     */
    public void restoreState(MemorySegment state) {
        Segments.checkInput(state, 0, 1, "state");
        handle.enter();
        try {
            handle.restoreState(state);
        } finally {
            handle.exit();
        }
    }

    /** Closes the session, once, from any thread; an exception of status STATE while a call on it is under way. */
    @Override
    public void close() {
        handle.close();
    }
}
