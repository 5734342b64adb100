package icformer.cli;

import icformer.Icformer;
import icformer.cli.console.Streams;
import picocli.CommandLine.Command;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The command line without a command. */
@Command(
        name = "icf",
        description = "Long contexts become short digests in front of a frozen, quantised LLM.",
        synopsisSubcommandLabel = "COMMAND",
        commandListHeading = "%nCommands:%n",
        optionListHeading = "%nOptions:%n",
        footer = {"", "icf COMMAND --help describes a command."},
        versionProvider = Icf.Version.class)
final class Icf implements Runnable {
    @Spec
    private CommandSpec spec;

    @Option(
            names = {"-h", "--help"},
            usageHelp = true,
            description = "Show this help and exit.")
    private boolean help;

    @Option(
            names = {"-V", "--version"},
            versionHelp = true,
            description = "Show the version and exit.")
    private boolean version;

    private final Streams streams;

    Icf(Streams streams) {
        this.streams = streams;
    }

    @Override
    public void run() {
        spec.commandLine().usage(streams.errorWriter());
        throw new ParameterException(spec.commandLine(), "a command is missing");
    }

    /** The version of the library. */
    static final class Version implements IVersionProvider {
        @Override
        public String[] getVersion() {
            return new String[] {"icf " + Icformer.version() + " (ggml " + Icformer.ggmlVersion() + ")"};
        }
    }
}
