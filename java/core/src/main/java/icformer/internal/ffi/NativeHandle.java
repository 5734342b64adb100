package icformer.internal.ffi;

import icformer.error.IcfException;
import icformer.error.Status;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;

/**
 * A native object and the memory its calls share.
 *
 * <p>Its pointer and its scratch memory live in one shared arena that ends with the native close. A counter of the calls
 * under way refuses what the native contract forbids: a second call on an object that takes one at a time, a call on a
 * closed object, and a close during a call.
 */
public abstract sealed class NativeHandle implements AutoCloseable
        permits NativeGguf, NativeModel, NativeAdapter, NativeDigester, NativeSession {

    private static final int CLOSED = -1;
    /** Added to the counter while a call that excludes others is under way. */
    private static final int EXCLUSIVE = 1 << 30;

    private final String what;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment pointer;
    private final AtomicInteger calls = new AtomicInteger();

    /**
     * @param what names the object in messages, such as "session"
     * @param address what the native open gave
     * @param close the native close
     */
    @SuppressWarnings("restricted") // the native open gave the pointer for exactly this: to be closed once
    NativeHandle(String what, MemorySegment address, Consumer<MemorySegment> close) {
        this.what = what;
        this.pointer = address.reinterpret(0, arena, close);
    }

    /** Begins a call that excludes others. */
    public final void enter() {
        int before;
        do {
            before = calls.get();
            if (before == CLOSED) {
                throw closed();
            }
            if ((before & EXCLUSIVE) != 0) {
                throw new IcfException(
                        Status.STATE, "the " + what + " is in use: it takes one call at a time, and one is under way");
            }
        } while (!calls.compareAndSet(before, before | EXCLUSIVE));
    }

    /** Ends what {@link #enter} began. */
    public final void exit() {
        calls.addAndGet(-EXCLUSIVE);
    }

    /** Begins a call that others may run beside. */
    public final void hold() {
        int before;
        do {
            before = calls.get();
            if (before == CLOSED) {
                throw closed();
            }
        } while (!calls.compareAndSet(before, before + 1));
    }

    /** Ends what {@link #hold} began. */
    public final void release() {
        calls.decrementAndGet();
    }

    /** Closes the object, once; a call that is under way makes this an exception and leaves the object usable. */
    @Override
    public final void close() {
        if (calls.compareAndSet(0, CLOSED)) {
            arena.close();
        } else if (calls.get() != CLOSED) {
            throw new IcfException(Status.STATE, "the " + what + " is in use: it cannot be closed during a call");
        }
    }

    /** Whether {@link #close} was called. */
    public final boolean isClosed() {
        return calls.get() == CLOSED;
    }

    /** The native pointer: alive until the close. */
    final MemorySegment pointer() {
        return pointer;
    }

    /** Where memory comes from that lives as long as this object. */
    final Arena arena() {
        return arena;
    }

    private IcfException closed() {
        return new IcfException(Status.STATE, "the " + what + " is closed");
    }
}
