package icformer.cli.dump;

import icformer.cli.console.Streams;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Writes intermediate results to files. */
@Command(
        name = "dump",
        description =
                "Write digests, logits or embeddings to a safetensors file, to compare them with other implementations.",
        synopsisSubcommandLabel = "digest|logits|embeddings",
        commandListHeading = "%nCommands:%n")
public final class DumpCommand implements Runnable {
    @Spec
    private CommandSpec spec;

    @Option(
            names = {"-h", "--help"},
            usageHelp = true,
            description = "Show this help and exit.")
    private boolean help;

    private DumpCommand() {}

    /** The command with its own commands. */
    public static CommandLine of(Streams streams) {
        return new CommandLine(new DumpCommand())
                .addSubcommand(new DumpDigestCommand(streams))
                .addSubcommand(new DumpLogitsCommand(streams))
                .addSubcommand(new DumpEmbeddingsCommand(streams));
    }

    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), "say what to dump: digest, logits or embeddings");
    }
}
