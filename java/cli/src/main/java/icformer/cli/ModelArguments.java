package icformer.cli;

import icformer.Device;
import icformer.Devices;
import icformer.DigesterOptions;
import icformer.Model;
import icformer.ModelOptions;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Which LLM a command uses, and on what it computes. */
final class ModelArguments {
    @Option(names = "--model", paramLabel = "FILE", description = "LLM, a GGUF file (default: the demo's).")
    private @Nullable Path model;

    @Option(names = "--threads", paramLabel = "N", description = "Threads that compute (default: one per physical core).")
    private int threads;

    @Option(
            names = "--device",
            paramLabel = "NAME",
            description = "Device that computes, by name or number; icf info lists them (default: the first GPU, else the CPU).")
    private @Nullable String device;

    @Option(names = "--no-mmap", description = "Read the weights into memory instead of mapping their file.")
    private boolean noMmap;

    @Option(
            names = "--no-repack",
            description = "Compute with the weights as the file has them, instead of laid out anew where this CPU is faster then.")
    private boolean noRepack;

    Path file() throws IOException {
        return model != null ? model : DemoPair.model();
    }

    /** Whether the file was named, and is not the demo's. */
    boolean isGiven() {
        return model != null;
    }

    int threads() {
        if (threads < 0) {
            throw new CommandException("--threads is %d, but must be 0 or more".formatted(threads));
        }
        return threads;
    }

    Model open() throws IOException {
        return open(file());
    }

    /** Opens another file in the same way. */
    Model open(Path file) throws IOException {
        return Model.open(
                file,
                ModelOptions.defaults()
                        .withDevice(deviceIndex(ModelOptions.AUTOMATIC_DEVICE))
                        .withUseMmap(!noMmap)
                        .withUseRepack(!noRepack));
    }

    DigesterOptions digesterOptions() {
        return DigesterOptions.defaults()
                .withThreads(threads())
                .withDevice(deviceIndex(DigesterOptions.AUTOMATIC_DEVICE))
                .withUseMmap(!noMmap);
    }

    private int deviceIndex(int automatic) {
        if (device == null) {
            return automatic;
        }
        List<Device> devices = Devices.all();
        for (Device each : devices) {
            if (each.name().equalsIgnoreCase(device) || String.valueOf(each.index()).equals(device)) {
                return each.index();
            }
        }
        throw new CommandException("there is no device %s; there are %s"
                .formatted(device, devices.stream().map(Device::name).collect(Collectors.joining(", "))));
    }

    /** Name of the device of that number. */
    static String deviceName(int index) {
        return Devices.all().stream()
                .filter(device -> device.index() == index)
                .map(Device::name)
                .findFirst()
                .orElse("");
    }
}
