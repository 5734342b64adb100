package icformer.internal.ffi;

import icformer.bindings.IcfNative;
import icformer.bindings.icf_sampling;
import icformer.bindings.icf_session_info;
import icformer.bindings.icf_session_options;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;

/** An {@code icf_session}. One call at a time; nothing is allocated by an append or a sample. */
public final class NativeSession extends NativeHandle {
    /** Numbers of types in the GGUF format, of rows and of the KV cache. */
    public static final int F32 = IcfNative.ICF_TYPE_F32();

    public static final int F16 = IcfNative.ICF_TYPE_F16();
    public static final int Q8_0 = IcfNative.ICF_TYPE_Q8_0();

    /** An {@code icf_session_info}, as it was when the session was opened. */
    public record Info(int contextLength, int batchLength, int threads, int kvType, long kvBytes) {}

    private final Info info;
    private final NativeError error = new NativeError(arena());
    private final MemorySegment tokens;
    private final MemorySegment sampling = icf_sampling.allocate(arena());
    private final MemorySegment token = arena().allocate(IcfNative.C_INT);
    private final MemorySegment written = arena().allocate(IcfNative.C_LONG_LONG);

    private NativeSession(MemorySegment address) {
        super("session", address, IcfNative::icf_session_close);
        info = describe();
        tokens = arena().allocate(IcfNative.C_INT, info.batchLength());
        IcfNative.icf_sampling_init(sampling);
    }

    /** Opens an empty timeline of a model. */
    public static NativeSession open(NativeModel model, int threads, int contextLength, int batchLength, int kvType) {
        try (Arena scratch = Arena.ofConfined()) {
            NativeError error = new NativeError(scratch);
            MemorySegment struct = icf_session_options.allocate(scratch);
            IcfNative.icf_session_options_init(struct);
            icf_session_options.n_threads(struct, threads);
            icf_session_options.n_ctx(struct, contextLength);
            icf_session_options.n_batch(struct, batchLength);
            icf_session_options.kv_type(struct, kvType);
            MemorySegment out = scratch.allocate(IcfNative.C_POINTER);
            error.check(IcfNative.icf_session_open(model.pointer(), struct, out, error.segment()));
            return new NativeSession(out.get(IcfNative.C_POINTER, 0));
        }
    }

    /**
     * Puts adapters in the place of those in use; the session must be empty.
     *
     * @param scales one for each adapter
     */
    public void setAdapters(List<NativeAdapter> adapters, float[] scales) {
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment pointers = scratch.allocate(IcfNative.C_POINTER, adapters.size());
            for (int i = 0; i < adapters.size(); i++) {
                pointers.setAtIndex(IcfNative.C_POINTER, i, adapters.get(i).pointer());
            }
            error.check(IcfNative.icf_session_set_adapters(
                    pointer(),
                    pointers,
                    scratch.allocateFrom(IcfNative.C_FLOAT, scales),
                    adapters.size(),
                    error.segment()));
        }
    }

    /** What the session holds, as it was opened. */
    public Info info() {
        return info;
    }

    /** Scratch memory held now, in bytes. */
    public long scratchBytes() {
        try (Arena scratch = Arena.ofConfined()) {
            return icf_session_info.scratch_bytes(describe(scratch));
        }
    }

    /** Positions in use. */
    public long length() {
        return IcfNative.icf_session_length(pointer());
    }

    /**
     * Appends {@code count} of {@code ids}, at most a batch, from {@code first} on.
     *
     * @param kept how many of the last rows keep their outputs, and which: {@code logits}, {@code hidden}
     */
    public void appendTokens(int[] ids, int first, int count, int kept, boolean logits, boolean hidden) {
        MemorySegment.copy(ids, first, tokens, IcfNative.C_INT, 0, count);
        appendTokens(count, kept, logits, hidden);
    }

    /** Appends one token and keeps its logits. */
    public void appendToken(int id) {
        tokens.set(IcfNative.C_INT, 0, id);
        appendTokens(1, 1, true, false);
    }

    private void appendTokens(int count, int kept, boolean logits, boolean hidden) {
        error.check(IcfNative.icf_session_append_tokens(
                pointer(), tokens, count, kept, bits(logits, hidden), error.segment()));
    }

    /** Appends {@code count} rows, at most a batch, from where they lie; {@code type} is {@link #F32} or {@link #F16}. */
    public void appendRows(MemorySegment rows, int type, long count, int kept, boolean logits, boolean hidden) {
        error.check(IcfNative.icf_session_append_rows(
                pointer(), rows, type, count, kept, bits(logits, hidden), error.segment()));
    }

    /** Forgets everything from position {@code length} on. */
    public void truncate(long length) {
        error.check(IcfNative.icf_session_truncate(pointer(), length, error.segment()));
    }

    /** Logits [count, vocabulary] of kept rows. */
    public void getLogits(long first, long count, MemorySegment logits) {
        error.check(IcfNative.icf_session_get_logits(
                pointer(), first, count, logits, logits.byteSize() / Float.BYTES, error.segment()));
    }

    /** Hidden states [count, width] of kept rows. */
    public void getHidden(long first, long count, MemorySegment hidden) {
        error.check(IcfNative.icf_session_get_hidden(
                pointer(), first, count, hidden, hidden.byteSize() / Float.BYTES, error.segment()));
    }

    /** A token chosen from the logits of the last row. */
    public int sample(
            float temperature,
            int topK,
            float topP,
            float minP,
            float repetitionPenalty,
            int repetitionWindow,
            long seed) {
        icf_sampling.temperature(sampling, temperature);
        icf_sampling.top_k(sampling, topK);
        icf_sampling.top_p(sampling, topP);
        icf_sampling.min_p(sampling, minP);
        icf_sampling.repetition_penalty(sampling, repetitionPenalty);
        icf_sampling.repetition_window(sampling, repetitionWindow);
        icf_sampling.seed(sampling, seed);
        error.check(IcfNative.icf_session_sample(pointer(), sampling, token, error.segment()));
        return token.get(IcfNative.C_INT, 0);
    }

    /** Bytes that {@link #saveState} needs now. */
    public long stateBytes() {
        return IcfNative.icf_session_state_bytes(pointer());
    }

    /** Writes the timeline and answers the number of bytes. */
    public long saveState(MemorySegment state) {
        error.check(IcfNative.icf_session_save_state(pointer(), state, state.byteSize(), written, error.segment()));
        return written.get(IcfNative.C_LONG_LONG, 0);
    }

    /** Replaces the timeline by a saved one. */
    public void restoreState(MemorySegment state) {
        error.check(IcfNative.icf_session_restore_state(pointer(), state, state.byteSize(), error.segment()));
    }

    /** Memory that lives as long as this session. */
    public MemorySegment allocateFloats(long count) {
        return arena().allocate(IcfNative.C_FLOAT, count);
    }

    private Info describe() {
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment struct = describe(scratch);
            return new Info(
                    icf_session_info.n_ctx(struct),
                    icf_session_info.n_batch(struct),
                    icf_session_info.n_threads(struct),
                    icf_session_info.kv_type(struct),
                    icf_session_info.kv_bytes(struct));
        }
    }

    private MemorySegment describe(Arena scratch) {
        MemorySegment struct = icf_session_info.allocate(scratch);
        icf_session_info.struct_size(struct, (int) struct.byteSize());
        error.check(IcfNative.icf_session_describe(pointer(), struct, error.segment()));
        return struct;
    }

    private static int bits(boolean logits, boolean hidden) {
        return (logits ? IcfNative.ICF_OUTPUT_LOGITS() : 0) | (hidden ? IcfNative.ICF_OUTPUT_HIDDEN() : 0);
    }
}
