package icformer.cli.command;

import icformer.Adapter;
import icformer.KvType;
import icformer.Model;
import icformer.Session;
import icformer.SessionOptions;
import icformer.cli.console.CommandException;
import java.util.List;
import picocli.CommandLine.Option;

/** How a session is opened. */
public final class SessionArguments {
    /** Contexts grow in steps, so that a few tokens more or less give the same computation. */
    private static final int STEP = 256;

    @Option(
            names = "--ctx",
            paramLabel = "N",
            description =
                    "Positions the session holds (default: as many as are needed, up to what the LLM was trained for).")
    private int contextLength;

    @Option(
            names = "--kv-type",
            paramLabel = "TYPE",
            description = "Type of the KV cache: F16, Q8_0 or F32 (default: F16).")
    private KvType kvType = KvType.F16;

    /** A session, and how many tokens it can generate behind a prompt. */
    public record Room(Session session, int tokens) {}

    /**
     * Opens a session for a prompt and an answer.
     *
     * @param adapters those it computes with
     * @param prompt positions of the prompt
     * @param tokens most tokens of the answer
     * @param tokensAreWanted whether the user named that number; otherwise less will do
     */
    public Room open(
            Model model, List<Adapter.Scaled> adapters, int threads, long prompt, int tokens, boolean tokensAreWanted) {
        if (contextLength < 0) {
            throw new CommandException("--ctx is %d, but must be 1 or more".formatted(contextLength));
        }
        int trained = model.info().trainedContext();
        int most = contextLength > 0 ? contextLength : trained;
        long needed = prompt + tokens;
        if (prompt >= most || needed > most && tokensAreWanted) {
            throw new CommandException(tooLong(prompt, prompt >= most ? 1 : tokens, most, trained));
        }
        int length = contextLength > 0 ? contextLength : (int) Math.min(most, Math.ceilDiv(needed, STEP) * STEP);
        SessionOptions options = SessionOptions.defaults()
                .withThreads(threads)
                .withContextLength(length)
                .withKvType(kvType)
                .withAdapters(adapters);
        return new Room(model.openSession(options), (int) Math.min(tokens, most - prompt));
    }

    private String tooLong(long prompt, int tokens, int most, int trained) {
        String limit =
                contextLength > 0 ? "--ctx is %d".formatted(most) : "the LLM was trained for %d".formatted(trained);
        return "the prompt takes %d positions and the answer %s, but %s"
                .formatted(prompt, tokens == 1 ? "at least one" : "up to " + tokens, limit);
    }
}
