package icformer.cli;

import icformer.Digester;
import icformer.DigesterOptions;
import icformer.Model;
import icformer.error.ModelFileException;
import icformer.error.Status;
import java.io.IOException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Which former a command uses. */
final class FormerArguments {
    @Option(
            names = "--former",
            paramLabel = "FILE",
            description = "IC-Former, a GGUF file made for the LLM (default: the demo's).")
    private @Nullable Path former;

    Path file() throws IOException {
        return former != null ? former : DemoPair.former();
    }

    /** Opens the former for an LLM. */
    Digester open(Model model, DigesterOptions options) throws IOException {
        return open(model, file(), options);
    }

    /** Opens another file in the same way. */
    Digester open(Model model, Path file, DigesterOptions options) throws IOException {
        try {
            return model.openDigester(file, options);
        } catch (ModelFileException e) {
            if (e.status() == Status.MISMATCH && former == null) {
                throw new CommandException(e.getMessage() + "; --former names the one of another LLM", e);
            }
            throw e;
        }
    }
}
