package icformer.internal.ffi;

import icformer.bindings.IcfNative;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;

/** An open GGUF file. */
public final class NativeGguf extends NativeHandle {

    private NativeGguf(MemorySegment address) {
        super("GGUF file", address, IcfNative::icf_gguf_close);
    }

    /** Opens a GGUF file of any architecture. */
    public static NativeGguf open(Path path) {
        NativeLibrary.load();
        try (Arena scratch = Arena.ofConfined()) {
            NativeError error = new NativeError(scratch);
            MemorySegment out = scratch.allocate(IcfNative.C_POINTER);
            error.check(IcfNative.icf_gguf_open(scratch.allocateFrom(path.toString()), out, error.segment()));
            return new NativeGguf(out.get(IcfNative.C_POINTER, 0));
        }
    }

    /** What the file holds. */
    public GgufReader reader() {
        return new GgufReader(this, pointer());
    }
}
