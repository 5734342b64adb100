package icformer;

import icformer.internal.base.Checks;
import java.util.Objects;

/**
 * How a digester is opened.
 *
 * @param threads number of threads that compute; 0 for the number of physical cores
 * @param device index of the {@link Device} that computes; {@link #AUTOMATIC_DEVICE} for that of the model, and without a
 *     model for the first GPU, else the CPU
 * @param useMmap as in {@link ModelOptions}
 * @param method how a digest is computed
 * @param maxTableBytes a table of what each token of the vocabulary contributes to keys and values is filled as tokens
 *     appear, if it is no larger than this; {@link #NO_TABLE} for none, {@link #AUTOMATIC_TABLE} for half of the free memory
 */
public record DigesterOptions(int threads, int device, boolean useMmap, Method method, long maxTableBytes) {

    /** How a digest is computed. Both give the same digests up to rounding. */
    public enum Method {
        /** With the exact savings, where the device can; else as {@link #PLAIN}. */
        FAST,
        /** Step by step as in the reference implementation, for comparison. */
        PLAIN
    }

    /** The device of the model. */
    public static final int AUTOMATIC_DEVICE = -1;

    /** A table of at most half of the free memory. */
    public static final long AUTOMATIC_TABLE = -1;

    /** No table: every token is computed every time. */
    public static final long NO_TABLE = 0;

    public DigesterOptions {
        Checks.argument(threads >= 0, "threads is %d, but must be 0 or more", threads);
        Checks.argument(device >= AUTOMATIC_DEVICE, "device is %d, but must be an index or -1", device);
        Objects.requireNonNull(method, "method");
        Checks.argument(maxTableBytes >= AUTOMATIC_TABLE, "maxTableBytes is %d, but must be -1 or more", maxTableBytes);
    }

    /** All physical cores; the device of the model; weights mapped; the exact savings, with a table where there is room. */
    public static DigesterOptions defaults() {
        return new DigesterOptions(0, AUTOMATIC_DEVICE, true, Method.FAST, AUTOMATIC_TABLE);
    }

    /** The same with another number of threads. */
    public DigesterOptions withThreads(int threads) {
        return new DigesterOptions(threads, device, useMmap, method, maxTableBytes);
    }

    /** The same with another device. */
    public DigesterOptions withDevice(int device) {
        return new DigesterOptions(threads, device, useMmap, method, maxTableBytes);
    }

    /** The same with the file mapped or read. */
    public DigesterOptions withUseMmap(boolean useMmap) {
        return new DigesterOptions(threads, device, useMmap, method, maxTableBytes);
    }

    /** The same with another method. */
    public DigesterOptions withMethod(Method method) {
        return new DigesterOptions(threads, device, useMmap, method, maxTableBytes);
    }

    /** The same with a table of another size. */
    public DigesterOptions withMaxTableBytes(long maxTableBytes) {
        return new DigesterOptions(threads, device, useMmap, method, maxTableBytes);
    }
}
