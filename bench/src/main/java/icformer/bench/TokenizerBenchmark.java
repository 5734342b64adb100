package icformer.bench;

import icformer.text.Tokenizer;
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

/** Texts of the demo to tokens and back: pure Java. */
@State(Scope.Thread)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
// Java code with many branches: the second compiler needs some seconds, and its profile differs from JVM to JVM.
@Warmup(iterations = 5, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(2)
public class TokenizerBenchmark {
    private static final int REPEATED = 64;

    private DemoPair pair;
    private Tokenizer tokenizer;
    private String text;
    private int[] tokens;

    /** A text of some kilobytes. */
    @Setup
    public void open() {
        pair = new DemoPair();
        tokenizer = pair.model().tokenizer();
        text = DemoPair.text().repeat(REPEATED);
        tokens = tokenizer.encode(text);
    }

    /** Closes the pair. */
    @TearDown
    public void close() {
        pair.close();
    }

    /** Texts per second. */
    @Benchmark
    public int[] encode() {
        return tokenizer.encode(text);
    }

    /** Texts per second. */
    @Benchmark
    public String decode() {
        return tokenizer.decode(tokens);
    }
}
