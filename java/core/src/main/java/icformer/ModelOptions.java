package icformer;

/**
 * How a model is opened.
 *
 * @param device index of the {@link Device} that computes; {@link #AUTOMATIC_DEVICE} for the first GPU, else the CPU
 * @param useMmap true to map the file and use its weights in place; false to read them into memory. A mapped file must not
 *     be truncated or overwritten while the model is open: the process would be killed.
 * @param useRepack true to lay weights out anew, in memory of their own, where this CPU multiplies them faster then
 */
public record ModelOptions(int device, boolean useMmap, boolean useRepack) {

    /** The first GPU, else the CPU. */
    public static final int AUTOMATIC_DEVICE = -1;

    public ModelOptions {
        Checks.argument(device >= AUTOMATIC_DEVICE, "device is %d, but must be an index or -1", device);
    }

    /** The first GPU, else the CPU; weights mapped, and laid out anew where that is faster. */
    public static ModelOptions defaults() {
        return new ModelOptions(AUTOMATIC_DEVICE, true, true);
    }

    /** The same with another device. */
    public ModelOptions withDevice(int device) {
        return new ModelOptions(device, useMmap, useRepack);
    }

    /** The same with the file mapped or read. */
    public ModelOptions withUseMmap(boolean useMmap) {
        return new ModelOptions(device, useMmap, useRepack);
    }

    /** The same with weights laid out anew or left as they are. */
    public ModelOptions withUseRepack(boolean useRepack) {
        return new ModelOptions(device, useMmap, useRepack);
    }
}
