package icformer.cli.files;

import icformer.cli.command.IcfCommand;
import icformer.cli.command.TypeNames;
import icformer.cli.console.Progress;
import icformer.cli.console.Streams;
import icformer.convert.ConversionReport;
import icformer.convert.Quantizer;
import java.io.IOException;
import java.nio.file.Path;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Quantises an LLM or a former. */
@Command(
        name = "quantize",
        description = {
            "Write the matrices of a GGUF file, an LLM or a former, in another type.",
            "Norms, biases and digest embeddings stay as they are; below 6.5 bits the output matrix becomes q6_K. Rows that are "
                    + "no whole number of the type's blocks take the nearest type that fits."
        })
public final class QuantizeCommand extends IcfCommand {
    @Parameters(index = "0", paramLabel = "IN", description = "GGUF file to read.")
    private Path input = Path.of("");

    @Parameters(index = "1", paramLabel = "OUT", description = "GGUF file to write.")
    private Path output = Path.of("");

    @Parameters(index = "2", paramLabel = "TYPE", description = "Type of the matrices, such as q8_0, q4_0, q4_K, bf16.")
    private String type = "";

    @Option(names = "--force", description = "Replace the output if it exists.")
    private boolean force;

    @Option(names = "--json", description = JSON)
    private boolean json;

    public QuantizeCommand(Streams streams) {
        super(streams);
    }

    @Override
    protected void run() throws IOException {
        Quantizer.Options options = Quantizer.Options.of(TypeNames.type(type)).withReplace(force);
        ConversionReport report;
        try (Progress progress = new Progress(streams(), "quantizing", "M", 1_000_000)) {
            report = Quantizer.quantize(input, output, options.withProgress(progress::update));
        }
        if (json) {
            streams().json(ConversionOutput.describe(report));
        } else {
            ConversionOutput.print(report, streams());
        }
    }
}
