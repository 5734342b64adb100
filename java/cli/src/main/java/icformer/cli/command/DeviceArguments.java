package icformer.cli.command;

import icformer.Device;
import icformer.Devices;
import icformer.ModelInfo;
import icformer.ModelOptions;
import icformer.cli.console.CommandException;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** On what a command computes. */
public final class DeviceArguments {
    @Option(
            names = "--device",
            paramLabel = "NAME",
            description =
                    "Device that computes, by name or number; icf info lists them (default: what the environment variable "
                            + "ICF_DEVICE names, else the first GPU, else the CPU).")
    private @Nullable String device;

    @Option(
            names = "--gpu-layers",
            paramLabel = "N",
            description =
                    "Layers of the LLM that a device other than the CPU computes, the last ones; the CPU computes those "
                            + "before them (default: as many as fit into its memory).")
    private int gpuLayers = ModelOptions.AUTOMATIC_LAYERS;

    public ModelOptions modelOptions() {
        if (gpuLayers < ModelOptions.AUTOMATIC_LAYERS) {
            throw new CommandException("--gpu-layers is %d, but must be 0 or more".formatted(gpuLayers));
        }
        return ModelOptions.defaults().withDevice(index()).withGpuLayers(gpuLayers);
    }

    /** Number of the device that was asked for; -1 where none was. */
    public int index() {
        if (device == null) {
            return ModelOptions.AUTOMATIC_DEVICE;
        }
        List<Device> devices = Devices.all();
        for (Device each : devices) {
            if (each.name().equalsIgnoreCase(device)
                    || String.valueOf(each.index()).equals(device)) {
                return each.index();
            }
        }
        throw new CommandException("there is no device %s; there are %s"
                .formatted(device, devices.stream().map(Device::name).collect(Collectors.joining(", "))));
    }

    /** Name of the device of that number. */
    public static String name(int index) {
        return Devices.all().stream()
                .filter(device -> device.index() == index)
                .map(Device::name)
                .findFirst()
                .orElse("");
    }

    /** Tells where an LLM is computed. */
    public static void describe(ModelInfo model, Map<String, Object> object) {
        object.put("device", name(model.device()));
        if (model.device() != 0) {
            object.put("gpu_layers", model.gpuLayers());
        }
    }
}
