package icformer.cli.files;

import icformer.cli.command.AdapterArguments;
import icformer.cli.command.DefaultPair;
import icformer.cli.command.IcfCommand;
import icformer.cli.command.TypeNames;
import icformer.cli.console.Progress;
import icformer.cli.console.Streams;
import icformer.convert.AdapterMerger;
import icformer.convert.ConversionReport;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Adds adapters to the weights of an LLM. */
@Command(
        name = "merge",
        description = {
            "Write an LLM with low-rank adapters added to its weights, for engines that know no adapters.",
            "Weights that are changed keep their type unless --type names one; all else is copied."
        },
        footer = {
            "%nExamples:",
            "  icf merge --model llm.gguf --lora style.gguf:0.8 -o styled.gguf",
            "  icf merge --model llm.gguf --former former.gguf -o reading.gguf"
        })
public final class MergeCommand extends IcfCommand {
    @Option(
            names = "--model",
            paramLabel = "FILE",
            description = "LLM, a GGUF file (default: that of the default pair).")
    private @Nullable Path model;

    @Mixin
    private AdapterArguments adapterArguments = new AdapterArguments();

    @Option(names = "--former", paramLabel = "FILE", description = "IC-Former whose reader is merged, too.")
    private @Nullable Path former;

    @Option(
            names = {"-o", "--output"},
            paramLabel = "FILE",
            required = true,
            description = "GGUF file to write.")
    private Path output = Path.of("");

    @Option(
            names = "--type",
            paramLabel = "TYPE",
            description = "Type of the weights that are changed, such as f16 or q8_0 (default: their own).")
    private @Nullable String type;

    @Option(names = "--force", description = "Replace the output if it exists.")
    private boolean force;

    @Option(names = "--json", description = JSON)
    private boolean json;

    public MergeCommand(Streams streams) {
        super(streams);
    }

    @Override
    protected void run() throws IOException {
        List<AdapterMerger.Part> parts = new ArrayList<>();
        adapterArguments.named().forEach(each -> parts.add(new AdapterMerger.Part(each.file(), each.scale())));
        if (former != null) {
            parts.add(new AdapterMerger.Part(former, 1));
        }
        if (parts.isEmpty()) {
            throw usage("--lora or --former names what is merged");
        }
        AdapterMerger.Options options = AdapterMerger.Options.defaults().withReplace(force);
        options = type == null ? options : options.withType(TypeNames.type(type));
        ConversionReport report;
        try (Progress progress = new Progress(streams(), "merging", "M", 1_000_000)) {
            report = AdapterMerger.merge(
                    model != null ? model : DefaultPair.model(), parts, output, options.withProgress(progress::update));
        }
        if (json) {
            streams().json(ConversionOutput.describe(report));
        } else {
            ConversionOutput.print(report, streams());
        }
    }
}
