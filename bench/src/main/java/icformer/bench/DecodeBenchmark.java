package icformer.bench;

import icformer.Outputs;
import icformer.Sampling;
import icformer.Session;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/** A prompt, a token, and the state of a session. */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
// The work is native: the warm-up builds the graphs, and compiles the few lines of Java around them.
@Warmup(iterations = 2, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
public class DecodeBenchmark {
    private static final int PROMPT = 256;
    private static final Sampling GREEDY = Sampling.greedy();

    private DemoPair pair;
    private Session prefilled;
    private Session session;
    private int[] prompt;
    private Arena arena;
    private MemorySegment state;

    /** A session that holds a prompt, and its state. */
    @Setup
    public void open() {
        pair = new DemoPair();
        arena = Arena.ofShared();
        prompt = pair.tokens(PROMPT);
        session = pair.session();
        prefilled = pair.session();
        prefilled.append(prompt, Outputs.LAST);
        state = prefilled.saveState(arena);
    }

    /** Closes all. */
    @TearDown
    public void close() {
        session.close();
        prefilled.close();
        pair.close();
        arena.close();
    }

    /** 256 tokens with the logits of the last one. */
    @Benchmark
    public long prefill() {
        session.truncate(0);
        session.append(prompt, Outputs.LAST);
        return session.length();
    }

    /** One greedy token behind 256 to 511 others. */
    @Benchmark
    public int decode() {
        if (prefilled.length() >= 2 * PROMPT) {
            prefilled.truncate(PROMPT - 1);
            prefilled.append(prompt[PROMPT - 1]);
        }
        int token = prefilled.sample(GREEDY);
        prefilled.append(token);
        return token;
    }

    /** The state of 256 positions, into memory of its own. */
    @Benchmark
    public long saveState() {
        try (Arena own = Arena.ofConfined()) {
            return prefilled.saveState(own).byteSize();
        }
    }

    /** The state of 256 positions, back into a session. */
    @Benchmark
    public long restoreState() {
        session.restoreState(state);
        return session.length();
    }
}
