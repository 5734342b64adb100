package icformer;

import icformer.internal.base.Checks;

/**
 * How a model is opened.
 *
 * @param device index of the {@link Device} that computes; {@link #AUTOMATIC_DEVICE} for the one that the environment
 *     variable ICF_DEVICE names, by index or name, where that is not set for the first GPU, else the CPU
 * @param useMmap true to map the file and use its weights in place; false to read them into memory. A mapped file must not
 *     be truncated or overwritten while the model is open: the process would be killed.
 * @param useRepack true to lay weights out anew, in memory of their own, where this CPU multiplies them faster then
 * @param gpuLayers where the device is not the CPU: so many layers, the last ones, and the output matrix are computed there,
 *     those before them on the CPU; {@link #AUTOMATIC_LAYERS} for as many as fit into its memory
 */
public record ModelOptions(int device, boolean useMmap, boolean useRepack, int gpuLayers) {

    /** The first GPU, else the CPU, where the environment does not say otherwise. */
    public static final int AUTOMATIC_DEVICE = -1;

    /** As many layers as fit beside a cache of up to 4096 positions. */
    public static final int AUTOMATIC_LAYERS = -1;

    public ModelOptions {
        Checks.argument(device >= AUTOMATIC_DEVICE, "device is %d, but must be an index or -1", device);
        Checks.argument(gpuLayers >= AUTOMATIC_LAYERS, "gpuLayers is %d, but must be -1 or more", gpuLayers);
    }

    /** The first GPU with as many layers as fit, else the CPU; weights mapped, and laid out anew where that is faster. */
    public static ModelOptions defaults() {
        return new ModelOptions(AUTOMATIC_DEVICE, true, true, AUTOMATIC_LAYERS);
    }

    /** The same with another device. */
    public ModelOptions withDevice(int device) {
        return new ModelOptions(device, useMmap, useRepack, gpuLayers);
    }

    /** The same with the file mapped or read. */
    public ModelOptions withUseMmap(boolean useMmap) {
        return new ModelOptions(device, useMmap, useRepack, gpuLayers);
    }

    /** The same with weights laid out anew or left as they are. */
    public ModelOptions withUseRepack(boolean useRepack) {
        return new ModelOptions(device, useMmap, useRepack, gpuLayers);
    }

    /** The same with another number of layers on a device that is not the CPU. */
    public ModelOptions withGpuLayers(int gpuLayers) {
        return new ModelOptions(device, useMmap, useRepack, gpuLayers);
    }
}
