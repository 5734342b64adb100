package icformer.internal.ffi;

import icformer.bindings.IcfNative;
import icformer.bindings.icf_error;
import icformer.error.IcfException;
import icformer.error.Status;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;

/** The error of one call at a time, and the one place where a native status becomes an exception. */
final class NativeError {
    private final MemorySegment struct;

    NativeError(SegmentAllocator allocator) {
        struct = icf_error.allocate(allocator);
    }

    /** What to pass as {@code error}. */
    MemorySegment segment() {
        return struct;
    }

    /** Throws what a call answered and wrote, unless it answered OK. */
    void check(int status) {
        if (status != IcfNative.ICF_OK()) {
            throw new IcfException(Status.of(status), icf_error.message(struct).getString(0));
        }
    }
}
