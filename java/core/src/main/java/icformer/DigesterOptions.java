package icformer;

/**
 * How a digester is opened.
 *
 * @param threads number of threads that compute; 0 for the number of physical cores
 * @param device index of the {@link Device} that computes; {@link #AUTOMATIC_DEVICE} for that of the model, and without a
 *     model for the first GPU, else the CPU
 * @param useMmap as in {@link ModelOptions}
 */
public record DigesterOptions(int threads, int device, boolean useMmap) {

    /** The device of the model. */
    public static final int AUTOMATIC_DEVICE = -1;

    public DigesterOptions {
        Checks.argument(threads >= 0, "threads is %d, but must be 0 or more", threads);
        Checks.argument(device >= AUTOMATIC_DEVICE, "device is %d, but must be an index or -1", device);
    }

    /** All physical cores; the device of the model; weights mapped. */
    public static DigesterOptions defaults() {
        return new DigesterOptions(0, AUTOMATIC_DEVICE, true);
    }

    /** The same with another number of threads. */
    public DigesterOptions withThreads(int threads) {
        return new DigesterOptions(threads, device, useMmap);
    }

    /** The same with another device. */
    public DigesterOptions withDevice(int device) {
        return new DigesterOptions(threads, device, useMmap);
    }

    /** The same with the file mapped or read. */
    public DigesterOptions withUseMmap(boolean useMmap) {
        return new DigesterOptions(threads, device, useMmap);
    }
}
