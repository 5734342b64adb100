package icformer.bench;

import static org.assertj.core.api.Assertions.assertThat;

import icformer.Digest;
import icformer.DigesterInfo;
import icformer.Outputs;
import icformer.Sampling;
import icformer.Session;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

/** What the benchmarks time does what its name says: each method against another way to the same result. */
class BenchmarksTest {
    @Test
    void callsTellWhatTheySay() {
        CallBenchmark benchmark = new CallBenchmark();
        benchmark.open();
        try (DemoPair pair = new DemoPair();
                Session session = pair.session()) {
            assertThat(benchmark.sessionLength()).isEqualTo(8);
            assertThat(benchmark.chunkLength()).isEqualTo(512);
            assertThat(benchmark.describe()).isPositive();
            DigesterInfo info = benchmark.info();
            assertThat(info.fingerprint()).isEqualTo(pair.digester().info().fingerprint());
            session.append(pair.tokens(8), Outputs.LAST);
            assertThat(benchmark.sample()).isEqualTo(argmax(session, pair));
        } finally {
            benchmark.close();
        }
    }

    @Test
    void allWaysOfReadingGiveTheSame() {
        ReadBenchmark benchmark = new ReadBenchmark();
        benchmark.open();
        try {
            float[] logits = benchmark.logitsIntoArray();
            assertThat(benchmark.logitsIntoNewArray()).isNotSameAs(logits).isEqualTo(logits);
            assertThat(benchmark.logitsIntoSegment().toArray(ValueLayout.JAVA_FLOAT))
                    .isEqualTo(logits);
            assertThat(logits).doesNotContain(Float.NaN);
            float[] digest = benchmark.digestIntoNewArray();
            assertThat(benchmark.digestIntoArray()).isEqualTo(digest);
            Arrays.fill(benchmark.digestIntoArray(), 0);
            assertThat(benchmark.digestByElement()).isEqualTo(digest);
        } finally {
            benchmark.close();
        }
    }

    @Test
    void tokensGiveTheTextBack() {
        TokenizerBenchmark benchmark = new TokenizerBenchmark();
        benchmark.open();
        try (DemoPair pair = new DemoPair()) {
            assertThat(benchmark.decode().strip())
                    .isEqualTo(DemoPair.text().repeat(64).strip());
            assertThat(pair.model().tokenizer().decode(benchmark.encode())).isEqualTo(benchmark.decode());
        } finally {
            benchmark.close();
        }
    }

    @Test
    void batchesOfChunksGiveTheSameDigest() {
        CompressBenchmark one = compress(1);
        CompressBenchmark eight = compress(8);
        try {
            Digest digest = one.compress();
            assertThat(digest.chunks()).hasSize(4);
            assertThat(floats(eight.compress())).isEqualTo(floats(digest));
        } finally {
            one.close();
            eight.close();
        }
    }

    private static CompressBenchmark compress(int batch) {
        CompressBenchmark benchmark = new CompressBenchmark();
        benchmark.length = 256;
        benchmark.batch = batch;
        benchmark.open();
        return benchmark;
    }

    private static float[] floats(Digest digest) {
        MemorySegment rows = digest.rows();
        return rows.toArray(ValueLayout.JAVA_FLOAT);
    }

    @Test
    void decodingGoesOnFromTheRestoredState() {
        DecodeBenchmark benchmark = new DecodeBenchmark();
        benchmark.open();
        try (DemoPair pair = new DemoPair();
                Session session = pair.session()) {
            assertThat(benchmark.prefill()).isEqualTo(256);
            assertThat(benchmark.saveState()).isPositive();
            assertThat(benchmark.restoreState()).isEqualTo(256);
            session.append(pair.tokens(256), Outputs.LAST);
            for (int i = 0; i < 300; i++) { // once beyond the point where the session is shortened again
                int expected = session.sample(Sampling.greedy());
                if (session.length() >= 512) {
                    session.truncate(255);
                    session.append(pair.tokens(256)[255]);
                    expected = session.sample(Sampling.greedy());
                }
                assertThat(benchmark.decode()).isEqualTo(expected);
                session.append(expected);
            }
        } finally {
            benchmark.close();
        }
    }

    private static int argmax(Session session, DemoPair pair) {
        float[] logits = new float[pair.model().info().vocabularySize()];
        session.logits(logits);
        int best = 0;
        for (int i = 1; i < logits.length; i++) {
            if (logits[i] > logits[best]) {
                best = i;
            }
        }
        return best;
    }
}
