package icformer;

/**
 * How a model is opened.
 *
 * @param device index of the {@link Device} that computes; {@link #AUTOMATIC_DEVICE} for the first GPU, else the CPU
 * @param useMmap true to map the file and use its weights in place; false to read them into memory, which is quicker to
 *     compute with where the CPU has a layout of its own for the type. A mapped file must not be truncated or overwritten
 *     while the model is open: the process would be killed.
 */
public record ModelOptions(int device, boolean useMmap) {

    /** The first GPU, else the CPU. */
    public static final int AUTOMATIC_DEVICE = -1;

    public ModelOptions {
        Checks.argument(device >= AUTOMATIC_DEVICE, "device is %d, but must be an index or -1", device);
    }

    /** The first GPU, else the CPU; weights mapped. */
    public static ModelOptions defaults() {
        return new ModelOptions(AUTOMATIC_DEVICE, true);
    }

    /** The same with another device. */
    public ModelOptions withDevice(int device) {
        return new ModelOptions(device, useMmap);
    }

    /** The same with the file mapped or read. */
    public ModelOptions withUseMmap(boolean useMmap) {
        return new ModelOptions(device, useMmap);
    }
}
