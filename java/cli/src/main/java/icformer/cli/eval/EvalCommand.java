package icformer.cli.eval;

import icformer.cli.console.Streams;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Measures quality. */
@Command(
        name = "eval",
        description = "Measure the quality of an LLM, or of an LLM and its former.",
        synopsisSubcommandLabel = "COMMAND",
        commandListHeading = "%nCommands:%n")
public final class EvalCommand implements Runnable {
    @Spec
    private CommandSpec spec;

    @Option(
            names = {"-h", "--help"},
            usageHelp = true,
            description = "Show this help and exit.")
    private boolean help;

    private EvalCommand() {}

    /** The command with its own commands. */
    public static CommandLine of(Streams streams) {
        return new CommandLine(new EvalCommand())
                .addSubcommand(new EvalAnswersCommand(streams))
                .addSubcommand(new EvalPerplexityCommand(streams));
    }

    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), "say what to measure: answers or perplexity");
    }
}
