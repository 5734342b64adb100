package icformer.cli;

import icformer.cli.answer.AskCommand;
import icformer.cli.answer.CompressCommand;
import icformer.cli.answer.GenerateCommand;
import icformer.cli.bench.BenchCommand;
import icformer.cli.command.Failures;
import icformer.cli.console.ClosedOutputException;
import icformer.cli.console.CommandException;
import icformer.cli.console.Streams;
import icformer.cli.dump.DumpCommand;
import icformer.cli.eval.CompareCommand;
import icformer.cli.eval.EvalCommand;
import icformer.cli.files.ConvertCommand;
import icformer.cli.files.InfoCommand;
import icformer.cli.files.MergeCommand;
import icformer.cli.files.QuantizeCommand;
import icformer.cli.files.TokenizeCommand;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Function;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;

/** Where the process begins. */
public final class Main {
    private static final Map<String, Function<Streams, Object>> COMMANDS = new LinkedHashMap<>();

    static {
        COMMANDS.put("ask", AskCommand::new);
        COMMANDS.put("compress", CompressCommand::new);
        COMMANDS.put("generate", GenerateCommand::new);
        COMMANDS.put("convert", ConvertCommand::new);
        COMMANDS.put("quantize", QuantizeCommand::new);
        COMMANDS.put("merge", MergeCommand::new);
        COMMANDS.put("info", InfoCommand::new);
        COMMANDS.put("tokenize", TokenizeCommand::new);
        COMMANDS.put("compare", CompareCommand::new);
        COMMANDS.put("eval", EvalCommand::of);
        COMMANDS.put("dump", DumpCommand::of);
        COMMANDS.put("bench", BenchCommand::new);
    }

    private Main() {}

    /** Runs a command and ends the process with its exit code. */
    public static void main(String[] args) {
        System.exit(run(Streams.ofProcess(), args));
    }

    /**
     * Runs a command.
     *
     * @return the exit code: 0, 1 for a failure, 2 for wrong usage
     */
    static int run(Streams streams, String... args) {
        try {
            int code = commandLine(streams, args).execute(args);
            if (code == Failures.SUCCEEDED) {
                streams.flush();
            }
            return code;
        } catch (ClosedOutputException e) {
            return Failures.SUCCEEDED;
        } catch (CommandException e) {
            streams.error("icf: " + e.getMessage());
            return Failures.FAILED;
        } catch (OutOfMemoryError e) {
            streams.error("icf: out of memory: " + e.getMessage());
            return Failures.FAILED;
        }
    }

    /**
     * The command line with the command that the arguments name, and with all of them where they name none: describing
     * every command would take longer than starting one.
     */
    static CommandLine commandLine(Streams streams, String... args) {
        CommandLine line = new CommandLine(CommandSpec.forAnnotatedObject(new Icf(streams)));
        Function<Streams, Object> named = args.length == 0 ? null : COMMANDS.get(args[0]);
        if (named != null) {
            line.addSubcommand(args[0], named.apply(streams));
        } else {
            COMMANDS.forEach((name, command) -> line.addSubcommand(name, command.apply(streams)));
        }
        line.setExpandAtFiles(false); // "@" at the beginning of a question is none of our business
        line.setCaseInsensitiveEnumValuesAllowed(true);
        line.setUsageHelpWidth(100);
        line.setOut(streams.writer());
        line.setErr(streams.errorWriter());
        line.setParameterExceptionHandler(Failures::handleUsage);
        line.setExecutionExceptionHandler(Failures::handleFailure);
        return line;
    }
}
