package icformer.cli.command;

import icformer.Sampling;
import icformer.cli.console.CommandException;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** How tokens are chosen, and how many. */
public final class SamplingArguments {
    private static final int DEFAULT_MAX_TOKENS = 256;

    @Option(
            names = "--max-tokens",
            paramLabel = "N",
            description = "Most tokens of the answer (default: " + DEFAULT_MAX_TOKENS
                    + ", or what the context has room for).")
    private @Nullable Integer maxTokens;

    @Option(
            names = "--temperature",
            paramLabel = "T",
            description = "0, the default, always takes the most likely token; 1 draws as the LLM says.")
    private float temperature;

    @Option(names = "--top-k", paramLabel = "K", description = "Draw from the K most likely tokens (default: 0, all).")
    private int topK;

    @Option(
            names = "--top-p",
            paramLabel = "P",
            description = "Draw from the fewest tokens whose probabilities reach P (default: 1, all).")
    private float topP = 1;

    @Option(
            names = "--min-p",
            paramLabel = "P",
            description = "Drop tokens less likely than P times the most likely one (default: 0, none).")
    private float minP;

    @Option(
            names = "--repetition-penalty",
            paramLabel = "X",
            description = "Divide positive logits of tokens that stand there already (default: 1, off).")
    private float repetitionPenalty = 1;

    @Option(names = "--seed", paramLabel = "N", description = "Seed of the draw (default: another one for every run).")
    private @Nullable Long seed;

    /** Most tokens of the answer. */
    public int maxTokens() {
        if (maxTokens != null && maxTokens < 0) {
            throw new CommandException("--max-tokens is %d, but must be 0 or more".formatted(maxTokens));
        }
        return maxTokens == null ? DEFAULT_MAX_TOKENS : maxTokens;
    }

    /** Whether the user named their number. */
    public boolean maxTokensAreGiven() {
        return maxTokens != null;
    }

    public Sampling sampling() {
        return Sampling.of(temperature)
                .withTopK(topK)
                .withTopP(topP)
                .withMinP(minP)
                .withRepetitionPenalty(repetitionPenalty, -1)
                .withSeed(seed != null ? seed : RandomGenerator.getDefault().nextLong());
    }
}
