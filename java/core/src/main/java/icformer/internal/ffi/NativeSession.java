package icformer.internal.ffi;

import icformer.KvType;
import icformer.Outputs;
import icformer.RowType;
import icformer.Sampling;
import icformer.SessionInfo;
import icformer.SessionOptions;
import icformer.bindings.IcfNative;
import icformer.bindings.icf_sampling;
import icformer.bindings.icf_session_info;
import icformer.bindings.icf_session_options;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** An {@code icf_session}. One call at a time; nothing is allocated by an append or a sample. */
public final class NativeSession extends NativeHandle {
    private final SessionInfo info;
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
    public static NativeSession open(NativeModel model, SessionOptions options) {
        try (Arena scratch = Arena.ofConfined()) {
            NativeError error = new NativeError(scratch);
            MemorySegment struct = icf_session_options.allocate(scratch);
            IcfNative.icf_session_options_init(struct);
            icf_session_options.n_threads(struct, options.threads());
            icf_session_options.n_ctx(struct, options.contextLength());
            icf_session_options.n_batch(struct, options.batchLength());
            icf_session_options.kv_type(struct, typeNumber(options.kvType()));
            MemorySegment out = scratch.allocate(IcfNative.C_POINTER);
            error.check(IcfNative.icf_session_open(model.pointer(), struct, out, error.segment()));
            return new NativeSession(out.get(IcfNative.C_POINTER, 0));
        }
    }

    /** What the session holds, as it was opened. */
    public SessionInfo info() {
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

    /** Appends {@code count} of {@code ids}, at most a batch, from {@code first} on. */
    public void appendTokens(int[] ids, int first, int count, Outputs outputs) {
        MemorySegment.copy(ids, first, tokens, IcfNative.C_INT, 0, count);
        appendTokens(count, outputs);
    }

    /** Appends one token. */
    public void appendToken(int id, Outputs outputs) {
        tokens.set(IcfNative.C_INT, 0, id);
        appendTokens(1, outputs);
    }

    private void appendTokens(int count, Outputs outputs) {
        error.check(IcfNative.icf_session_append_tokens(
                pointer(), tokens, count, outputs.rows(), bits(outputs), error.segment()));
    }

    /** Appends {@code count} rows, at most a batch, from where they lie. */
    public void appendRows(MemorySegment rows, RowType type, long count, Outputs outputs) {
        int number =
                switch (type) {
                    case F32 -> IcfNative.ICF_TYPE_F32();
                    case F16 -> IcfNative.ICF_TYPE_F16();
                };
        error.check(IcfNative.icf_session_append_rows(
                pointer(), rows, number, count, outputs.rows(), bits(outputs), error.segment()));
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
    public int sample(Sampling choice) {
        icf_sampling.temperature(sampling, choice.temperature());
        icf_sampling.top_k(sampling, choice.topK());
        icf_sampling.top_p(sampling, choice.topP());
        icf_sampling.min_p(sampling, choice.minP());
        icf_sampling.repetition_penalty(sampling, choice.repetitionPenalty());
        icf_sampling.repetition_window(sampling, choice.repetitionWindow());
        icf_sampling.seed(sampling, choice.seed());
        error.check(IcfNative.icf_session_sample(pointer(), sampling, token, error.segment()));
        return token.get(IcfNative.C_INT, 0);
    }

    /** Bytes that {@link #saveState} needs now. */
    public long stateBytes() {
        return IcfNative.icf_session_state_bytes(pointer());
    }

    /** Writes the timeline and answers the number of bytes. */
    public long saveState(MemorySegment state) {
        error.check(IcfNative.icf_session_save_state(
                pointer(), state, state.byteSize(), written, error.segment()));
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

    private SessionInfo describe() {
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment struct = describe(scratch);
            return new SessionInfo(
                    icf_session_info.n_ctx(struct),
                    icf_session_info.n_batch(struct),
                    icf_session_info.n_threads(struct),
                    kvType(icf_session_info.kv_type(struct)),
                    icf_session_info.kv_bytes(struct));
        }
    }

    private MemorySegment describe(Arena scratch) {
        MemorySegment struct = icf_session_info.allocate(scratch);
        icf_session_info.struct_size(struct, (int) struct.byteSize());
        error.check(IcfNative.icf_session_describe(pointer(), struct, error.segment()));
        return struct;
    }

    private static int bits(Outputs outputs) {
        return (outputs.logits() ? IcfNative.ICF_OUTPUT_LOGITS() : 0)
                | (outputs.hidden() ? IcfNative.ICF_OUTPUT_HIDDEN() : 0);
    }

    private static int typeNumber(KvType type) {
        return switch (type) {
            case F32 -> IcfNative.ICF_TYPE_F32();
            case F16 -> IcfNative.ICF_TYPE_F16();
            case Q8_0 -> IcfNative.ICF_TYPE_Q8_0();
        };
    }

    private static KvType kvType(int number) {
        for (KvType type : KvType.values()) {
            if (typeNumber(type) == number) {
                return type;
            }
        }
        throw new AssertionError("the library opened a KV cache of type " + number);
    }
}
