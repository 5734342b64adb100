package icformer.cli;

import icformer.Icformer;
import icformer.LogLevel;
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
abstract class IcfCommand implements Callable<Integer> {
    /** A command with this option prints one JSON object. */
    static final String JSON = "Print the result as one JSON object.";

    @Spec
    private CommandSpec spec;

    @Option(names = {"-h", "--help"}, order = 1000, usageHelp = true, description = "Show this help and exit.")
    private boolean help;

    @Option(
            names = "--verbose",
            order = 999,
            description = "Show messages of the native library, and stack traces of failures.")
    private boolean verbose;

    private final Streams streams;

    IcfCommand(Streams streams) {
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
    abstract void run() throws IOException;

    /** Standard input, output and error. */
    final Streams streams() {
        return streams;
    }

    /** Wrong usage that the parser cannot see. */
    final ParameterException usage(String message) {
        return new ParameterException(spec.commandLine(), message);
    }
}
