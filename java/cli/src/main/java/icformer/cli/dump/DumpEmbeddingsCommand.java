package icformer.cli.dump;

import icformer.Model;
import icformer.cli.command.IcfCommand;
import icformer.cli.command.ModelArguments;
import icformer.cli.command.TokenIds;
import icformer.cli.console.Streams;
import icformer.files.ElementType;
import icformer.files.SafetensorsWriter;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.util.List;
import java.util.Map;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Writes the word embeddings of tokens. */
@Command(name = "embeddings", description = "Write the word embeddings of tokens: tensor embeddings [n, width] F32.")
public final class DumpEmbeddingsCommand extends IcfCommand {
    @Option(
            names = "--tokens",
            paramLabel = "IDS",
            required = true,
            converter = TokenIds.Converter.class,
            description = TokenIds.DESCRIPTION)
    private TokenIds tokens = TokenIds.NONE;

    @Mixin
    private DumpOutput output = new DumpOutput();

    @Mixin
    private ModelArguments modelArguments = new ModelArguments();

    public DumpEmbeddingsCommand(Streams streams) {
        super(streams);
    }

    @Override
    protected void run() throws IOException {
        output.check(modelArguments.file());
        try (Model model = modelArguments.open();
                Arena arena = Arena.ofConfined()) {
            List<Long> shape =
                    List.of((long) tokens.values().length, (long) model.info().width());
            SafetensorsWriter.write(
                    output.file(),
                    output.existing(),
                    Map.of(),
                    new SafetensorsWriter.Entry("embeddings", ElementType.F32, shape),
                    model.embed(tokens.values(), arena));
            output.report(Map.of("embeddings", shape), streams());
        }
    }
}
