package icformer.bench;

import icformer.Digester;
import icformer.DigesterInfo;
import icformer.Outputs;
import icformer.Sampling;
import icformer.Session;
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

/** What a call into the native library costs that does next to nothing there. */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
// A downcall is linked by its first call and compiled within a second; what it costs differs from JVM to JVM by how its
// caller was inlined, so there are several.
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(3)
public class CallBenchmark {
    private static final Sampling GREEDY = Sampling.greedy();

    private DemoPair pair;
    private Session session;

    /** A session that has logits. */
    @Setup
    public void open() {
        pair = new DemoPair();
        session = pair.session();
        session.append(pair.tokens(8), Outputs.LAST);
    }

    /** Closes both. */
    @TearDown
    public void close() {
        session.close();
        pair.close();
    }

    /** A handle's state, and nothing else. */
    @Benchmark
    public long sessionLength() {
        return session.length();
    }

    /** Numbers alone: no handle. */
    @Benchmark
    public long chunkLength() {
        return Digester.chunkLength(2048, 512);
    }

    /** A struct that the native side fills. */
    @Benchmark
    public long describe() {
        return pair.digester().scratchBytes();
    }

    /** What is read once when a digester is opened. */
    @Benchmark
    public DigesterInfo info() {
        return pair.digester().info();
    }

    /** The largest of 1184 logits. */
    @Benchmark
    public int sample() {
        return session.sample(GREEDY);
    }
}
