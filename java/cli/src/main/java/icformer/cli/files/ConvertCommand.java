package icformer.cli.files;

import icformer.cli.command.IcfCommand;
import icformer.cli.command.TypeNames;
import icformer.cli.console.Progress;
import icformer.cli.console.Streams;
import icformer.convert.ConversionReport;
import icformer.convert.FormerConverter;
import java.io.IOException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Converts an official checkpoint. */
@Command(
        name = "convert",
        description = {
            "Convert a checkpoint of the official IC-Former implementation to GGUF.",
            "The folder holds config.json, the weights (model.safetensors or pytorch_model.bin, in one piece or in shards) and "
                    + "param.pt. A reader beside it (reader.safetensors) goes into the same file. Nothing in it is executed."
        })
public final class ConvertCommand extends IcfCommand {
    @Parameters(paramLabel = "DIR", description = "Folder of the checkpoint.")
    private Path checkpoint = Path.of("");

    @Option(
            names = {"-o", "--output"},
            paramLabel = "FILE",
            required = true,
            description = "GGUF file to write.")
    private Path output = Path.of("");

    @Option(
            names = "--type",
            paramLabel = "TYPE",
            description =
                    "Type of the matrices, such as f16, bf16, q8_0, q4_K (default: the checkpoint's). Norms, biases, "
                            + "digest embeddings and markers are always f32.")
    private @Nullable String type;

    @Option(names = "--name", paramLabel = "TEXT", description = "Name of the former (default: the folder's).")
    private @Nullable String name;

    @Option(
            names = "--target",
            paramLabel = "FILE",
            description = "The LLM it belongs to, a GGUF file: other LLMs then refuse the former.")
    private @Nullable Path target;

    @Option(
            names = "--chunk-length",
            paramLabel = "N",
            description = "Longest chunk it was trained for, in tokens (default: what the checkpoint says, else 512).")
    private @Nullable Integer chunkLength;

    @Mixin
    private PromptArguments prompt = new PromptArguments();

    @Option(names = "--force", description = "Replace the output if it exists.")
    private boolean force;

    @Option(names = "--json", description = JSON)
    private boolean json;

    public ConvertCommand(Streams streams) {
        super(streams);
    }

    @Override
    protected void run() throws IOException {
        if (chunkLength != null && chunkLength < 1) {
            throw usage("--chunk-length must be 1 or more");
        }
        FormerConverter.Options options = FormerConverter.Options.defaults()
                .withPrompt(prompt.texts())
                .withChunkLength(chunkLength == null ? 0 : chunkLength)
                .withReplace(force);
        options = name == null ? options : options.withName(name);
        options = type == null ? options : options.withType(TypeNames.type(type));
        options = target == null ? options : options.withTarget(target);
        ConversionReport report;
        try (Progress progress = new Progress(streams(), "converting", "M", 1_000_000)) {
            report = FormerConverter.convert(checkpoint, output, options.withProgress(progress::update));
        }
        if (json) {
            streams().json(ConversionOutput.describe(report));
        } else {
            ConversionOutput.print(report, streams());
        }
    }
}
