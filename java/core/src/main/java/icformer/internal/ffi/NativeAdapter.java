package icformer.internal.ffi;

import icformer.bindings.IcfNative;
import icformer.bindings.icf_adapter_info;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;

/** An {@code icf_adapter}. Its calls may run beside one another. */
public final class NativeAdapter extends NativeHandle {

    /** An {@code icf_adapter_info}. */
    public record Info(
            String name,
            int pairs,
            int maxRank,
            boolean isReader,
            long parameters,
            long weightBytes,
            long fingerprint) {}

    private NativeAdapter(MemorySegment address) {
        super("adapter", address, IcfNative::icf_adapter_close);
    }

    /** Opens an adapter, or the reader of a former, for a model. */
    public static NativeAdapter open(Path path, NativeModel model) {
        try (Arena scratch = Arena.ofConfined()) {
            NativeError error = new NativeError(scratch);
            MemorySegment out = scratch.allocate(IcfNative.C_POINTER);
            error.check(IcfNative.icf_adapter_open(
                    scratch.allocateFrom(path.toString()), model.pointer(), out, error.segment()));
            return new NativeAdapter(out.get(IcfNative.C_POINTER, 0));
        }
    }

    /** What the adapter is. */
    public Info describe() {
        try (Arena scratch = Arena.ofConfined()) {
            NativeError error = new NativeError(scratch);
            MemorySegment info = icf_adapter_info.allocate(scratch);
            icf_adapter_info.struct_size(info, (int) info.byteSize());
            error.check(IcfNative.icf_adapter_describe(pointer(), info, error.segment()));
            return new Info(
                    icf_adapter_info.name(info).getString(0),
                    icf_adapter_info.n_pairs(info),
                    icf_adapter_info.max_rank(info),
                    icf_adapter_info.is_reader(info) != 0,
                    icf_adapter_info.n_params(info),
                    icf_adapter_info.weight_bytes(info),
                    icf_adapter_info.fingerprint(info));
        }
    }
}
