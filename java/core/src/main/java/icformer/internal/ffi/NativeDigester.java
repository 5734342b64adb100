package icformer.internal.ffi;

import icformer.bindings.IcfNative;
import icformer.bindings.icf_digester_info;
import icformer.bindings.icf_digester_options;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** An {@code icf_digester}. One call at a time. */
public final class NativeDigester extends NativeHandle {
    /** Numbers of an {@code icf_marker}. */
    public static final int FT = IcfNative.ICF_MARKER_FT();

    public static final int AE = IcfNative.ICF_MARKER_AE();

    /** An {@code icf_digester_info}. */
    public record Info(
            String name,
            String type,
            int width,
            int layers,
            int heads,
            int kvHeads,
            int feedForwardWidth,
            int digestRows,
            int chunkLength,
            int crossInterval,
            boolean hasFt,
            boolean hasAe,
            int threads,
            int device,
            boolean isPlain,
            long parameters,
            long weightBytes,
            long tableBytes,
            long fingerprint,
            long targetVocabularyHash) {}

    private final NativeError error = new NativeError(arena());

    private NativeDigester(MemorySegment address) {
        super("digester", address, IcfNative::icf_digester_close);
    }

    /**
     * Opens a GGUF file of architecture icformer; without a model only given embeddings can be digested.
     *
     * @param isPlain whether to compute step by step, without the exact savings
     */
    public static NativeDigester open(
            Path path,
            @Nullable NativeModel model,
            int threads,
            int device,
            boolean useMmap,
            boolean isPlain,
            long maxTableBytes) {
        NativeLibrary.load();
        try (Arena scratch = Arena.ofConfined()) {
            NativeError error = new NativeError(scratch);
            MemorySegment struct = icf_digester_options.allocate(scratch);
            IcfNative.icf_digester_options_init(struct);
            icf_digester_options.n_threads(struct, threads);
            icf_digester_options.device(struct, device);
            icf_digester_options.use_mmap(struct, useMmap ? 1 : 0);
            icf_digester_options.method(struct, isPlain ? IcfNative.ICF_METHOD_PLAIN() : IcfNative.ICF_METHOD_FAST());
            icf_digester_options.max_table_bytes(struct, maxTableBytes);
            MemorySegment out = scratch.allocate(IcfNative.C_POINTER);
            error.check(IcfNative.icf_digester_open(
                    scratch.allocateFrom(path.toString()),
                    model == null ? MemorySegment.NULL : model.pointer(),
                    struct,
                    out,
                    error.segment()));
            return new NativeDigester(out.get(IcfNative.C_POINTER, 0));
        }
    }

    /** What the former is. */
    public Info describe() {
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment info = describe(scratch);
            return new Info(
                    icf_digester_info.name(info).getString(0),
                    icf_digester_info.type(info).getString(0),
                    icf_digester_info.n_embd(info),
                    icf_digester_info.n_layer(info),
                    icf_digester_info.n_head(info),
                    icf_digester_info.n_head_kv(info),
                    icf_digester_info.n_ff(info),
                    icf_digester_info.n_digest(info),
                    icf_digester_info.chunk_length(info),
                    icf_digester_info.cross_interval(info),
                    icf_digester_info.has_marker_ft(info) != 0,
                    icf_digester_info.has_marker_ae(info) != 0,
                    icf_digester_info.n_threads(info),
                    icf_digester_info.device(info),
                    icf_digester_info.method(info) == IcfNative.ICF_METHOD_PLAIN(),
                    icf_digester_info.n_params(info),
                    icf_digester_info.weight_bytes(info),
                    icf_digester_info.table_bytes(info),
                    icf_digester_info.fingerprint(info),
                    icf_digester_info.target_vocab_hash(info));
        }
    }

    /** Memory held now for packed weights, constants and graphs, in bytes. */
    public long scratchBytes() {
        try (Arena scratch = Arena.ofConfined()) {
            return icf_digester_info.scratch_bytes(describe(scratch));
        }
    }

    /** Tokens that the token table holds now. */
    public long tableTokens() {
        try (Arena scratch = Arena.ofConfined()) {
            return icf_digester_info.table_tokens(describe(scratch));
        }
    }

    private MemorySegment describe(Arena scratch) {
        MemorySegment info = icf_digester_info.allocate(scratch);
        icf_digester_info.struct_size(info, (int) info.byteSize());
        error.check(IcfNative.icf_digester_describe(pointer(), info, error.segment()));
        return info;
    }

    /** The file of the former. */
    @SuppressWarnings("restricted") // the file lives as long as the digester: bound to its arena
    public GgufReader gguf() {
        MemorySegment file = IcfNative.icf_digester_gguf(pointer());
        return new GgufReader(this, file.reinterpret(0, arena(), null));
    }

    /** Fills the token table for {@code count} tokens. */
    public void prepare(MemorySegment tokens, long count) {
        error.check(IcfNative.icf_digester_prepare(pointer(), tokens, count, error.segment()));
    }

    /**
     * Digests chunks of tokens.
     *
     * @param tokens all tokens of the chunks, one after the other
     * @param ends where each chunk ends in {@code tokens}
     * @param rows [ends.length, digest rows, width] floats
     */
    public void runBatch(MemorySegment tokens, long[] ends, MemorySegment rows) {
        if (ends.length == 1) {
            error.check(IcfNative.icf_digester_run(
                    pointer(), tokens, ends[0], rows, rows.byteSize() / Float.BYTES, error.segment()));
            return;
        }
        try (Arena scratch = Arena.ofConfined()) {
            error.check(IcfNative.icf_digester_run_batch(
                    pointer(),
                    tokens,
                    scratch.allocateFrom(IcfNative.C_LONG_LONG, ends),
                    ends.length,
                    rows,
                    rows.byteSize() / Float.BYTES,
                    error.segment()));
        }
    }

    /**
     * Digests one chunk of given word embeddings.
     *
     * @param embeddings [count, width] floats
     * @param rows [digest rows, width] floats
     */
    public void runRows(MemorySegment embeddings, long count, MemorySegment rows) {
        error.check(IcfNative.icf_digester_run_rows(
                pointer(), embeddings, count, rows, rows.byteSize() / Float.BYTES, error.segment()));
    }

    /**
     * A learned row.
     *
     * @param number {@link #FT} or {@link #AE}
     * @param row [width] floats
     */
    public void marker(int number, MemorySegment row) {
        error.check(
                IcfNative.icf_digester_marker(pointer(), number, row, row.byteSize() / Float.BYTES, error.segment()));
    }
}
