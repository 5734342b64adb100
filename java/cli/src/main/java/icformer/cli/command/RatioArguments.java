package icformer.cli.command;

import icformer.DigestOptions;
import icformer.Digester;
import icformer.cli.console.CommandException;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** How many rows of a digest are kept. */
public final class RatioArguments {
    @Option(
            names = "--ratio",
            paramLabel = "R",
            description =
                    "Tokens of a full chunk for each digest row, such as 8, 16 or 32: keep only the first rows of each "
                            + "chunk's digest (default: all of them). A former that was not trained so answers worse.")
    private @Nullable Integer ratio;

    public boolean isGiven() {
        return ratio != null;
    }

    /**
     * The options with the rows of this ratio.
     *
     * @param length tokens of the context: those of the chunk where it is a single one whatever its length
     */
    public DigestOptions apply(DigestOptions options, Digester digester, int length) {
        if (ratio == null) {
            return options;
        }
        int chunk = switch (options.maxChunk()) {
            case DigestOptions.TRAINED_CHUNK -> digester.info().chunkLength();
            case DigestOptions.ONE_CHUNK -> length;
            default -> options.maxChunk();
        };
        int rows = digester.info().digestRows();
        if (ratio < 1 || Math.ceilDiv(chunk, ratio) > rows) {
            throw new CommandException(
                    "--ratio is %d, but must be %d or more: the former gives %d rows for a chunk of %d tokens"
                            .formatted(ratio, Math.ceilDiv(chunk, rows), rows, chunk));
        }
        return options.withChunkRows(Math.ceilDiv(chunk, ratio));
    }
}
