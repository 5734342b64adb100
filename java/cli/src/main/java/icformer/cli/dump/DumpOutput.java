package icformer.cli.dump;

import icformer.cli.command.IcfCommand;
import icformer.cli.console.Streams;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import picocli.CommandLine.Option;

/** Where a dump goes to. */
final class DumpOutput {
    @Option(
            names = {"-o", "--output"},
            paramLabel = "FILE",
            required = true,
            description = "Safetensors file to write; an existing one is replaced.")
    private Path file = Path.of("");

    @Option(names = "--json", description = IcfCommand.JSON)
    private boolean json;

    Path file() {
        return file;
    }

    /** Tells which tensors were written. */
    void report(Map<String, List<Long>> tensors, Streams streams) {
        if (json) {
            streams.json(Map.of("file", file.toString(), "tensors", tensors));
        } else {
            tensors.forEach((name, shape) -> streams.println(file + ": " + name + " " + shape));
        }
    }
}
