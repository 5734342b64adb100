package icformer.cli.command;

import icformer.Digester;
import icformer.DigesterOptions;
import icformer.Former;
import icformer.Model;
import icformer.cli.console.CommandException;
import icformer.error.ModelFileException;
import icformer.error.Status;
import java.io.IOException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Which former a command uses. */
public final class FormerArguments {
    @Option(
            names = "--former",
            paramLabel = "FILE",
            description = "IC-Former, a GGUF file made for the LLM (default: that of the default pair).")
    private @Nullable Path former;

    public Path file() throws IOException {
        return former != null ? former : DefaultPair.former();
    }

    /** Opens the former for an LLM. */
    public Digester open(Model model, DigesterOptions options) throws IOException {
        return open(model, file(), options);
    }

    /** Opens another file in the same way. */
    public Digester open(Model model, Path file, DigesterOptions options) throws IOException {
        return told(() -> model.openDigester(file, options));
    }

    /** Reads what the former is, without its weights. */
    public Former former(Model model) throws IOException {
        Path file = file();
        return told(() -> model.openFormer(file));
    }

    /** Opens a former. */
    private interface Opening<T> {
        T open() throws IOException;
    }

    /** Tells how to name another former where that of the default pair is none for the LLM. */
    private <T> T told(Opening<T> opening) throws IOException {
        try {
            return opening.open();
        } catch (ModelFileException e) {
            if (e.status() == Status.MISMATCH && former == null) {
                throw new CommandException(e.getMessage() + "; --former names the one of another LLM", e);
            }
            throw e;
        }
    }
}
