package icformer.bench;

import icformer.Digest;
import icformer.DigestOptions;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/** Contexts to digests, by the length of a context and by the number of chunks in a call. */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
// The work is native: the warm-up fills the token table and builds the graphs, which takes a few calls.
@Warmup(iterations = 2, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
public class CompressBenchmark {
    /** Tokens of the context. */
    @Param({"16", "64", "256", "1024"})
    public int length;

    /** Chunks of a native call. */
    @Param({"1", "8"})
    public int batch;

    private DemoPair pair;
    private int[] tokens;
    private DigestOptions options;

    /** A context whose tokens are in the token table. */
    @Setup
    public void open() {
        pair = new DemoPair();
        tokens = pair.tokens(length);
        pair.digester().prepare(tokens);
        options = DigestOptions.defaults().withBatch(batch);
    }

    /** Closes the pair. */
    @TearDown
    public void close() {
        pair.close();
    }

    /** One context, as a user digests it: the rows' memory is collected with the digest. */
    @Benchmark
    public Digest compress() {
        return pair.digester().digest(tokens, options);
    }
}
