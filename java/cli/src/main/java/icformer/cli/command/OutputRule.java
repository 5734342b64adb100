package icformer.cli.command;

import icformer.files.AtomicFile;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Collection;
import picocli.CommandLine.Option;

/** What every command does where its output exists already: nothing, unless it is told to, and never to an input. */
public final class OutputRule {
    @Option(names = "--force", description = "Replace the output if it exists.")
    private boolean force;

    /** What becomes of an existing output. */
    public AtomicFile.Existing existing() {
        return force ? AtomicFile.Existing.REPLACE : AtomicFile.Existing.KEEP;
    }

    /**
     * To be called before any work is done.
     *
     * @throws java.nio.file.FileAlreadyExistsException if the output exists and is to be kept
     * @throws IOException if it is an input, or cannot be replaced
     */
    public void check(Path output, Collection<Path> inputs) throws IOException {
        AtomicFile.checkTarget(output, existing(), inputs);
    }
}
