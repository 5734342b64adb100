package icformer.cli.dump;

import icformer.Digest;
import icformer.DigestOptions;
import icformer.Digester;
import icformer.Model;
import icformer.RowType;
import icformer.cli.command.FormerArguments;
import icformer.cli.command.IcfCommand;
import icformer.cli.command.ModelArguments;
import icformer.cli.command.TokenIds;
import icformer.cli.console.CommandException;
import icformer.cli.console.Streams;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Writes the digest of tokens or given embeddings. */
@Command(
        name = "digest",
        description =
                "Write the digest of tokens, or of given word embeddings (then no LLM is needed): tensor digest [rows, width] F32.")
public final class DumpDigestCommand extends IcfCommand {
    /** What is digested. */
    private static final class Source {
        @Option(
                names = "--embeddings",
                paramLabel = "FILE",
                required = true,
                description = "Safetensors file whose only tensor is the context's word embeddings [n, width].")
        private @Nullable Path embeddings;

        @Option(
                names = "--tokens",
                paramLabel = "IDS",
                required = true,
                converter = TokenIds.Converter.class,
                description = TokenIds.DESCRIPTION)
        private @Nullable TokenIds tokens;
    }

    @ArgGroup(multiplicity = "1")
    private Source source = new Source();

    @Option(
            names = "--max-chunk",
            paramLabel = "N",
            description =
                    "Longest chunk in tokens; 0 is one chunk whatever its length (default: what the former was trained for).")
    private int maxChunk = DigestOptions.TRAINED_CHUNK;

    @Mixin
    private DumpOutput output = new DumpOutput();

    @Mixin
    private FormerArguments formerArguments = new FormerArguments();

    @Mixin
    private ModelArguments modelArguments = new ModelArguments();

    public DumpDigestCommand(Streams streams) {
        super(streams);
    }

    @Override
    protected void run() throws IOException {
        if (source.embeddings != null) {
            output.check(formerArguments.file(), source.embeddings);
        } else {
            output.check(formerArguments.file(), modelArguments.file());
        }
        try (Arena arena = Arena.ofConfined()) {
            Digest digest = source.tokens != null
                    ? digestTokens(source.tokens.values())
                    : digestEmbeddings(Objects.requireNonNull(source.embeddings), arena);
            digest.save(output.file(), RowType.F32, output.existing());
            output.report(Map.of("digest", List.of(digest.rowCount(), (long) digest.width())), streams());
        }
    }

    private Digest digestEmbeddings(Path file, Arena arena) throws IOException {
        try (Digester digester = Digester.open(formerArguments.file(), modelArguments.digesterOptions())) {
            Embeddings embeddings = Embeddings.read(file, digester.info().width(), arena);
            checkNotEmpty(embeddings.count());
            return digester.digestEmbeddings(embeddings.rows(), embeddings.count(), options());
        }
    }

    private Digest digestTokens(int[] tokens) throws IOException {
        checkNotEmpty(tokens.length);
        try (Model model = modelArguments.open();
                Digester digester = formerArguments.open(model, modelArguments.digesterOptions())) {
            return digester.digest(tokens, options());
        }
    }

    private DigestOptions options() {
        return DigestOptions.defaults().withMaxChunk(maxChunk);
    }

    private void checkNotEmpty(long count) {
        if (count == 0 && maxChunk != DigestOptions.ONE_CHUNK) {
            throw new CommandException("the context is empty: --max-chunk 0 digests nothing in one chunk");
        }
    }
}
