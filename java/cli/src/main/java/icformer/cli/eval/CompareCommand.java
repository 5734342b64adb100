package icformer.cli.eval;

import icformer.Model;
import icformer.cli.command.IcfCommand;
import icformer.cli.console.CommandException;
import icformer.cli.console.Progress;
import icformer.cli.console.Streams;
import icformer.eval.LogitComparison;
import icformer.eval.TextWindows;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Compares the predictions of two LLMs. */
@Command(
        name = "compare",
        description = {
            "Compare the predictions of two LLMs with the same vocabulary over a text, such as two quantisations of a model.",
            "The Kullback-Leibler divergence is that of B from A, in nats."
        })
public final class CompareCommand extends IcfCommand {
    @Parameters(index = "0", paramLabel = "A", description = "GGUF file of the LLM that is the measure.")
    private Path first = Path.of("");

    @Parameters(index = "1", paramLabel = "B", description = "GGUF file of the LLM that is measured.")
    private Path second = Path.of("");

    @Mixin
    private TextArguments text = new TextArguments();

    @Option(
            names = "--threads",
            paramLabel = "N",
            description = "Threads that compute (default: one per physical core).")
    private int threads;

    @Option(names = "--json", description = JSON)
    private boolean json;

    public CompareCommand(Streams streams) {
        super(streams);
    }

    @Override
    protected void run() throws IOException {
        if (threads < 0) {
            throw new CommandException("--threads is %d, but must be 0 or more".formatted(threads));
        }
        try (Model a = Model.open(first);
                Model b = Model.open(second);
                Progress progress = new Progress(streams(), "comparing", "", 1)) {
            TextWindows windows = text.windows(a);
            int[] tokens = text.tokens(a, streams());
            LogitComparison result = LogitComparison.of(a, b, tokens, windows, text.session(threads), progress::update);
            if (json) {
                streams().json(describe(result, windows));
            } else {
                print(result);
            }
        }
    }

    private static Map<String, Object> describe(LogitComparison result, TextWindows windows) {
        Map<String, Object> divergence = new LinkedHashMap<>();
        divergence.put("mean", result.meanDivergence());
        divergence.put("error", result.divergenceError());
        divergence.put("median", result.medianDivergence());
        divergence.put("max", result.maxDivergence());
        Map<String, Object> object = new LinkedHashMap<>();
        object.put("kl_divergence", divergence);
        object.put("same_top", result.sameTop());
        object.put("a", EvalPerplexityCommand.describe(result.first()));
        object.put("b", EvalPerplexityCommand.describe(result.second()));
        object.put("context", windows.context());
        object.put("stride", windows.stride());
        return object;
    }

    private void print(LogitComparison result) {
        streams()
                .println("KL divergence  mean %.6f +/- %.6f, median %.6f, max %.6f"
                        .formatted(
                                result.meanDivergence(),
                                result.divergenceError(),
                                result.medianDivergence(),
                                result.maxDivergence()));
        streams().println("same top token %.3f %%".formatted(100 * result.sameTop()));
        streams().println("A  " + EvalPerplexityCommand.text(result.first()));
        streams().println("B  " + EvalPerplexityCommand.text(result.second()));
    }
}
