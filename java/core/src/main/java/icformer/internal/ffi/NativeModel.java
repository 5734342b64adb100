package icformer.internal.ffi;

import icformer.bindings.IcfNative;
import icformer.bindings.icf_model_info;
import icformer.bindings.icf_model_options;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;

/** An {@code icf_model}. Its calls may run beside one another. */
public final class NativeModel extends NativeHandle {

    /** An {@code icf_model_info}. */
    public record Info(
            String name,
            String architecture,
            String type,
            int vocabularySize,
            int width,
            int layers,
            int heads,
            int kvHeads,
            int feedForwardWidth,
            int trainedContext,
            int device,
            int gpuLayers,
            long parameters,
            long weightBytes,
            long vocabularyHash,
            long fingerprint) {}

    private NativeModel(MemorySegment address) {
        super("model", address, IcfNative::icf_model_close);
    }

    /** Opens a GGUF file that holds an LLM. */
    public static NativeModel open(Path path, int device, boolean useMmap, boolean useRepack, int gpuLayers) {
        NativeLibrary.load();
        try (Arena scratch = Arena.ofConfined()) {
            NativeError error = new NativeError(scratch);
            MemorySegment struct = icf_model_options.allocate(scratch);
            IcfNative.icf_model_options_init(struct);
            icf_model_options.device(struct, device);
            icf_model_options.use_mmap(struct, useMmap ? 1 : 0);
            icf_model_options.use_repack(struct, useRepack ? 1 : 0);
            icf_model_options.n_gpu_layers(struct, gpuLayers);
            MemorySegment out = scratch.allocate(IcfNative.C_POINTER);
            error.check(IcfNative.icf_model_open(scratch.allocateFrom(path.toString()), struct, out, error.segment()));
            return new NativeModel(out.get(IcfNative.C_POINTER, 0));
        }
    }

    /** What the model is. */
    public Info describe() {
        try (Arena scratch = Arena.ofConfined()) {
            NativeError error = new NativeError(scratch);
            MemorySegment info = icf_model_info.allocate(scratch);
            icf_model_info.struct_size(info, (int) info.byteSize());
            error.check(IcfNative.icf_model_describe(pointer(), info, error.segment()));
            return new Info(
                    icf_model_info.name(info).getString(0),
                    icf_model_info.architecture(info).getString(0),
                    icf_model_info.type(info).getString(0),
                    icf_model_info.n_vocab(info),
                    icf_model_info.n_embd(info),
                    icf_model_info.n_layer(info),
                    icf_model_info.n_head(info),
                    icf_model_info.n_head_kv(info),
                    icf_model_info.n_ff(info),
                    icf_model_info.n_ctx_train(info),
                    icf_model_info.device(info),
                    icf_model_info.n_gpu_layers(info),
                    icf_model_info.n_params(info),
                    icf_model_info.weight_bytes(info),
                    icf_model_info.vocab_hash(info),
                    icf_model_info.fingerprint(info));
        }
    }

    /** The file of the model. */
    @SuppressWarnings("restricted") // the file lives as long as the model: bound to its arena
    public GgufReader gguf() {
        MemorySegment file = IcfNative.icf_model_gguf(pointer());
        return new GgufReader(this, file.reinterpret(0, arena(), null));
    }

    /**
     * Word embeddings of tokens.
     *
     * @param rows [tokens.length, width] floats
     */
    public void embedTokens(int[] tokens, MemorySegment rows) {
        try (Arena scratch = Arena.ofConfined()) {
            NativeError error = new NativeError(scratch);
            MemorySegment ids = scratch.allocateFrom(IcfNative.C_INT, tokens);
            error.check(IcfNative.icf_model_embed_tokens(
                    pointer(), ids, tokens.length, rows, rows.byteSize() / Float.BYTES, error.segment()));
        }
    }
}
