package icformer.cli.answer;

import icformer.ContextPrompt;
import icformer.Digest;
import icformer.DigestOptions;
import icformer.Digester;
import icformer.Model;
import icformer.RowType;
import icformer.cli.command.ContextArguments;
import icformer.cli.command.DeviceArguments;
import icformer.cli.command.FormerArguments;
import icformer.cli.command.IcfCommand;
import icformer.cli.command.ModelArguments;
import icformer.cli.command.OutputRule;
import icformer.cli.command.RatioArguments;
import icformer.cli.console.Progress;
import icformer.cli.console.Streams;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Compresses a context into a digest file. */
@Command(name = "compress", description = "Compress a context into a digest file, which icf ask --digest answers from.")
public final class CompressCommand extends IcfCommand {
    @Option(
            names = "--context",
            paramLabel = "FILE",
            required = true,
            description = "Text to compress; - reads standard input.")
    private String context = "";

    @Option(
            names = {"-o", "--output"},
            paramLabel = "FILE",
            required = true,
            description = "Digest file to write.")
    private Path output = Path.of("");

    @Option(
            names = "--type",
            paramLabel = "TYPE",
            description = "Type of the rows in the file: F32, or F16 for half the size (default: F32).")
    private RowType type = RowType.F32;

    @Option(
            names = "--max-chunk",
            paramLabel = "N",
            description =
                    "Longest chunk in tokens; 0 is one chunk whatever its length (default: what the former was trained for).")
    private int maxChunk = DigestOptions.TRAINED_CHUNK;

    @Mixin
    private RatioArguments ratio = new RatioArguments();

    @Mixin
    private OutputRule outputRule = new OutputRule();

    @Option(names = "--json", description = JSON)
    private boolean json;

    @Mixin
    private ContextArguments contextArguments = new ContextArguments();

    @Mixin
    private ModelArguments modelArguments = new ModelArguments();

    @Mixin
    private FormerArguments formerArguments = new FormerArguments();

    public CompressCommand(Streams streams) {
        super(streams);
    }

    @Override
    protected void run() throws IOException {
        List<Path> inputs = new ArrayList<>(List.of(modelArguments.file(), formerArguments.file()));
        if (!context.equals("-")) {
            inputs.add(Path.of(context));
        }
        outputRule.check(output, inputs);
        String text = contextArguments.read(context, streams());
        try (Model model = modelArguments.open();
                Digester digester = formerArguments.open(model, modelArguments.digesterOptions())) {
            int[] tokens = ContextPrompt.of(digester, model.tokenizer()).encodeContext(text);
            long start = System.nanoTime();
            Digest digest = digest(digester, tokens);
            long nanos = System.nanoTime() - start;
            digest.save(output, type, outputRule.existing());
            if (json) {
                streams().json(describe(model, digester, digest, tokens.length, nanos));
            } else {
                streams()
                        .println("%s: %d tokens in %d rows, %d chunk%s, %.1f ms"
                                .formatted(
                                        output,
                                        tokens.length,
                                        digest.rowCount(),
                                        digest.chunks().size(),
                                        digest.chunks().size() == 1 ? "" : "s",
                                        nanos / 1e6));
            }
        }
    }

    private Digest digest(Digester digester, int[] tokens) {
        try (Progress progress = new Progress(streams(), "compressing", " chunks", 1)) {
            DigestOptions options = DigestOptions.defaults()
                    .withMaxChunk(maxChunk)
                    .withProgress((done, total) -> {
                        progress.update(done, total);
                        return true;
                    });
            return digester.digest(tokens, ratio.apply(options, digester, tokens.length));
        }
    }

    private Map<String, Object> describe(Model model, Digester digester, Digest digest, int tokens, long nanos)
            throws IOException {
        Map<String, Object> object = new LinkedHashMap<>();
        object.put("file", output.toString());
        object.put("bytes", Files.size(output));
        object.put("context_tokens", tokens);
        object.put("digest_rows", digest.rowCount());
        object.put("width", digest.width());
        object.put("type", type.name());
        object.put(
                "chunks",
                digest.chunks().stream()
                        .map(chunk -> List.of(chunk.first(), chunk.end()))
                        .toList());
        object.put("compress_ms", Generation.millis(nanos));
        object.put("device", DeviceArguments.name(digester.info().device()));
        object.put("model", model.info().name());
        object.put("former", digester.info().name());
        return object;
    }
}
