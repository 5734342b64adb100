package icformer.eval;

import icformer.Model;
import icformer.Outputs;
import icformer.Session;
import icformer.SessionOptions;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/** Goes over a text in windows and hands out the logits, batch by batch, of the rows that are asked for. */
final class LogitRows implements AutoCloseable {
    /** Takes a row of logits. */
    @FunctionalInterface
    interface Sink {
        /**
         * @param logits [vocabulary], valid during the call
         * @param next the token that follows in the text
         */
        void accept(float[] logits, int next);
    }

    /** Rows of a batch: enough for matrix products, and 128 MiB of logits for a vocabulary of 128 Ki tokens. */
    private static final int BATCH = 256;

    private final Session session;
    private final Arena arena;
    private final MemorySegment batch; // [batchLength, vocabulary]
    private final float[] row;

    /** A session of {@code context} positions, and memory for the logits of a batch. For one thread. */
    LogitRows(Model model, int context, SessionOptions options) {
        int length = Math.min(BATCH, context);
        this.session = model.openSession(options.withContextLength(context).withBatchLength(length));
        this.arena = Arena.ofConfined();
        this.row = new float[model.info().vocabularySize()];
        this.batch = arena.allocate((long) length * row.length * Float.BYTES, 64);
    }

    /**
     * Computes one window from an empty cache on.
     *
     * @param window the tokens, of which the last is not computed: it only follows
     * @param first first row that is handed out
     */
    void run(int[] window, int first, Sink sink) {
        session.truncate(0);
        int rows = window.length - 1;
        int length = Math.min(BATCH, rows);
        for (int start = 0; start < rows; start += length) {
            int end = Math.min(start + length, rows);
            int kept = Math.max(end - Math.max(start, first), 0);
            session.append(Arrays.copyOfRange(window, start, end), kept == 0 ? Outputs.NONE : Outputs.logits(kept));
            if (kept > 0) {
                session.logits(0, kept, batch);
            }
            for (int i = 0; i < kept; i++) {
                MemorySegment.copy(
                        batch, ValueLayout.JAVA_FLOAT, (long) i * row.length * Float.BYTES, row, 0, row.length);
                sink.accept(row, window[end - kept + i + 1]);
            }
        }
    }

    @Override
    public void close() {
        session.close();
        arena.close();
    }
}
