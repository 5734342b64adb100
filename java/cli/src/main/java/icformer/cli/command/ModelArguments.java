package icformer.cli.command;

import icformer.DigesterOptions;
import icformer.Model;
import icformer.cli.console.CommandException;
import java.io.IOException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Which LLM a command uses, and on what it computes. */
public final class ModelArguments {
    @Option(
            names = "--model",
            paramLabel = "FILE",
            description = "LLM, a GGUF file (default: that of the default pair).")
    private @Nullable Path model;

    @Option(
            names = "--threads",
            paramLabel = "N",
            description = "Threads that compute (default: one per physical core).")
    private int threads;

    @Mixin
    private DeviceArguments deviceArguments = new DeviceArguments();

    @Option(names = "--no-mmap", description = "Read the weights into memory instead of mapping their file.")
    private boolean noMmap;

    @Option(
            names = "--no-repack",
            description =
                    "Compute with the weights as the file has them, instead of laid out anew where this CPU is faster then.")
    private boolean noRepack;

    public Path file() throws IOException {
        return model != null ? model : DefaultPair.model();
    }

    /** Whether the file was named, and is not that of the default pair. */
    public boolean isGiven() {
        return model != null;
    }

    public int threads() {
        if (threads < 0) {
            throw new CommandException("--threads is %d, but must be 0 or more".formatted(threads));
        }
        return threads;
    }

    public Model open() throws IOException {
        return open(file());
    }

    /** Opens another file in the same way. */
    public Model open(Path file) throws IOException {
        return Model.open(
                file, deviceArguments.modelOptions().withUseMmap(!noMmap).withUseRepack(!noRepack));
    }

    public DigesterOptions digesterOptions() {
        return DigesterOptions.defaults()
                .withThreads(threads())
                .withDevice(deviceArguments.index())
                .withUseMmap(!noMmap);
    }
}
