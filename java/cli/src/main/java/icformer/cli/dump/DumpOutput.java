package icformer.cli.dump;

import icformer.cli.command.IcfCommand;
import icformer.cli.command.OutputRule;
import icformer.cli.console.Streams;
import icformer.files.AtomicFile;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Where a dump goes to. */
final class DumpOutput {
    @Option(
            names = {"-o", "--output"},
            paramLabel = "FILE",
            required = true,
            description = "Safetensors file to write.")
    private Path file = Path.of("");

    @Mixin
    private OutputRule rule = new OutputRule();

    @Option(names = "--json", description = IcfCommand.JSON)
    private boolean json;

    Path file() {
        return file;
    }

    /** What becomes of an existing file. */
    AtomicFile.Existing existing() {
        return rule.existing();
    }

    /** Before any work is done: whether the file can be written, and is none of the inputs. */
    void check(Path... inputs) throws IOException {
        rule.check(file, List.of(inputs));
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
