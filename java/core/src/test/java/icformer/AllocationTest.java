package icformer;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import org.junit.jupiter.api.Test;

/** The decode path leaves the garbage collector nothing to do. */
class AllocationTest {
    private static final int TOKENS = 1000;
    /** Of a thousand tokens; one object for each of them would be 16,000 bytes. */
    private static final long TOLERANCE = 2000;

    private final ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    @Test
    void decodingAllocatesNothing() throws IOException {
        Sampling sampling = Sampling.of(0.8f).withTopK(40).withSeed(1);
        float[] logits = new float[512];
        try (Model model = Model.open(TestData.LLM);
                Session session = model.openSession(new SessionOptions(1, 2048, 0, KvType.F16))) {
            decode(session, sampling, logits, TOKENS);
            session.truncate(0);

            long before = threads.getCurrentThreadAllocatedBytes();
            decode(session, sampling, logits, TOKENS);
            long allocated = threads.getCurrentThreadAllocatedBytes() - before;

            assertThat(allocated).isLessThan(TOLERANCE);
        }
    }

    private static void decode(Session session, Sampling sampling, float[] logits, int count) {
        session.append(5);
        for (int i = 0; i < count; i++) {
            session.append(session.sample(sampling));
            session.logits(logits);
        }
    }
}
