package icformer.internal.base;

import icformer.error.IcfException;
import icformer.error.Status;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Checks of the memory that a caller hands to native code, which would read or write whatever lies there.
 *
 * <p>What is checked once may change before the call: an arena closed in between makes the call itself an
 * {@link IllegalStateException} of the JDK, never a crash.
 */
public final class Segments {
    /** Vector instructions and devices read rows best that begin at a cache line. */
    private static final long ALIGNMENT = 64;

    private Segments() {}

    /** Bytes of so many rows. */
    public static long bytes(long count, long rowBytes) {
        long bytes = count * rowBytes;
        if (count < 0 || Math.multiplyHigh(count, rowBytes) != 0 || bytes < 0) {
            throw new IcfException(Status.ARGUMENT, "%d rows of %d bytes are impossible".formatted(count, rowBytes));
        }
        return bytes;
    }

    /** Memory of a caller's arena. */
    public static MemorySegment allocate(Arena arena, long bytes) {
        try {
            return arena.allocate(bytes, ALIGNMENT);
        } catch (IllegalStateException e) {
            throw new IcfException(Status.STATE, "the arena is closed", e);
        } catch (WrongThreadException e) {
            throw new IcfException(Status.STATE, "the arena is confined to another thread", e);
        } catch (OutOfMemoryError e) {
            throw new IcfException(Status.MEMORY, "%d bytes cannot be allocated".formatted(bytes), e);
        }
    }

    /** Memory that native code reads. */
    public static void checkInput(MemorySegment segment, long bytes, long alignment, String what) {
        checkUsable(segment, alignment, what);
        if (segment.byteSize() < bytes) {
            throw new IcfException(
                    Status.ARGUMENT, "%s: %d bytes, but %d are needed".formatted(what, segment.byteSize(), bytes));
        }
    }

    /** Memory that native code writes. */
    public static void checkOutput(MemorySegment segment, long bytes, long alignment, String what) {
        checkUsable(segment, alignment, what);
        if (segment.isReadOnly()) {
            throw new IcfException(Status.ARGUMENT, what + ": a read-only segment cannot be written to");
        }
        if (segment.byteSize() < bytes) {
            throw new IcfException(
                    Status.CAPACITY,
                    "%s: room for %d bytes, but %d are needed".formatted(what, segment.byteSize(), bytes));
        }
    }

    private static void checkUsable(MemorySegment segment, long alignment, String what) {
        if (!segment.isNative()) {
            throw new IcfException(
                    Status.ARGUMENT, what + ": a segment of the Java heap, but native code needs one from an Arena");
        }
        if (!segment.scope().isAlive()) {
            throw new IcfException(Status.STATE, what + ": the arena of the segment is closed");
        }
        if (!segment.isAccessibleBy(Thread.currentThread())) {
            throw new IcfException(Status.STATE, what + ": the arena of the segment is confined to another thread");
        }
        if (segment.address() % alignment != 0) {
            throw new IcfException(
                    Status.ARGUMENT,
                    "%s: address %#x is not a multiple of %d".formatted(what, segment.address(), alignment));
        }
    }
}
