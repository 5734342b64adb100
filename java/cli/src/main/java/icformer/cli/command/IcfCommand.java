package icformer.cli.command;

import icformer.Icformer;
import icformer.LogLevel;
import icformer.cli.console.Streams;
import java.io.IOException;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** What all commands have. */
@Command(
        sortOptions = false,
        usageHelpAutoWidth = true,
        descriptionHeading = "%n",
        parameterListHeading = "%n",
        optionListHeading = "%nOptions:%n",
        synopsisHeading = "Usage: ")
public abstract class IcfCommand implements Callable<Integer> {
    /** A command with this option prints one JSON object. */
    public static final String JSON = "Print the result as one JSON object.";

    @Spec
    private CommandSpec spec;

    @Option(
            names = {"-h", "--help"},
            order = 1000,
            usageHelp = true,
            description = "Show this help and exit.")
    private boolean help;

    @Option(
            names = "--verbose",
            order = 999,
            description = "Show messages of the native library, and stack traces of failures.")
    private boolean verbose;

    private final Streams streams;

    protected IcfCommand(Streams streams) {
        this.streams = streams;
    }

    @Override
    public final Integer call() throws IOException {
        if (verbose) {
            Icformer.setLogLevel(LogLevel.INFO);
        }
        run();
        return Failures.SUCCEEDED;
    }

    /** Does what the command does. */
    protected abstract void run() throws IOException;

    /** Standard input, output and error. */
    protected final Streams streams() {
        return streams;
    }

    /** Wrong usage that the parser cannot see. */
    protected final ParameterException usage(String message) {
        return new ParameterException(spec.commandLine(), message);
    }
}
