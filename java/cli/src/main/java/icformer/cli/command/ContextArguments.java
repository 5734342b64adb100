package icformer.cli.command;

import icformer.cli.console.CommandException;
import icformer.cli.console.Streams;
import icformer.cli.console.TextSource;
import java.io.IOException;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import picocli.CommandLine.Option;

/** How the text of a context is read. */
public final class ContextArguments {
    @Option(names = "--encoding", paramLabel = "NAME", description = "Encoding of the context (default: UTF-8).")
    private Charset encoding = StandardCharsets.UTF_8;

    /** The text of a context, which is not empty. */
    public String read(String source, Streams streams) throws IOException {
        String text = TextSource.read(source, encoding, streams);
        if (text.isEmpty()) {
            throw new CommandException("the context is empty: "
                    + (TextSource.isStandardInput(source)
                            ? "nothing came from standard input"
                            : source + " has no text"));
        }
        return text;
    }
}
