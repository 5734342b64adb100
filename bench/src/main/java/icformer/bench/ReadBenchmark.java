package icformer.bench;

import icformer.Digest;
import icformer.Outputs;
import icformer.Session;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
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

/** Reading results from Java: logits of a row, and the rows of a digest, in different ways. */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
// Copies of a few kilobytes: compiled within a second, and alike in every JVM but for where its memory lies.
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(2)
public class ReadBenchmark {
    private DemoPair pair;
    private Session session;
    private Arena arena;
    private float[] logits;
    private MemorySegment logitsSegment;
    private MemorySegment rows;
    private float[] digest;

    /** A session that has logits, and a digest. */
    @Setup
    public void open() {
        pair = new DemoPair();
        arena = Arena.ofConfined();
        session = pair.session();
        session.append(pair.tokens(8), Outputs.LAST);
        int vocabulary = pair.model().info().vocabularySize();
        logits = new float[vocabulary];
        logitsSegment = arena.allocate((long) vocabulary * Float.BYTES, Float.BYTES);
        Digest computed = pair.digester().digest(pair.tokens(64));
        rows = computed.rows();
        digest = new float[(int) (rows.byteSize() / Float.BYTES)];
    }

    /** Closes all. */
    @TearDown
    public void close() {
        session.close();
        pair.close();
        arena.close();
    }

    /** Into an array that is used again. */
    @Benchmark
    public float[] logitsIntoArray() {
        session.logits(logits);
        return logits;
    }

    /** Into a new array. */
    @Benchmark
    public float[] logitsIntoNewArray() {
        float[] target = new float[logits.length];
        session.logits(target);
        return target;
    }

    /** Into off-heap memory that is used again. */
    @Benchmark
    public MemorySegment logitsIntoSegment() {
        session.logits(0, 1, logitsSegment);
        return logitsSegment;
    }

    /** One bulk copy into an array that is used again. */
    @Benchmark
    public float[] digestIntoArray() {
        MemorySegment.copy(rows, ValueLayout.JAVA_FLOAT, 0, digest, 0, digest.length);
        return digest;
    }

    /** Element by element. */
    @Benchmark
    public float[] digestByElement() {
        for (int i = 0; i < digest.length; i++) {
            digest[i] = rows.getAtIndex(ValueLayout.JAVA_FLOAT, i);
        }
        return digest;
    }

    /** Into a new array. */
    @Benchmark
    public float[] digestIntoNewArray() {
        return rows.toArray(ValueLayout.JAVA_FLOAT);
    }
}
