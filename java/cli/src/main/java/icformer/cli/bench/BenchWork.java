package icformer.cli.bench;

import icformer.DigesterInfo;
import icformer.ModelInfo;
import icformer.metadata.Metadata;

/**
 * Multiply-adds of what is measured, in closed form; native/test/test_flops.cpp counts the same from the graphs. Products
 * with weights and the two products of attention count, also where its mask hides a score; norms, RoPE and softmax do not.
 */
final class BenchWork {
    private final long width;
    private final long queryWidth;
    private final long kvWidth;
    private final long feedForwardWidth;
    private final long layers;
    private final long vocabularySize;

    private BenchWork(
            long width, long queryWidth, long kvWidth, long feedForwardWidth, long layers, long vocabularySize) {
        this.width = width;
        this.queryWidth = queryWidth;
        this.kvWidth = kvWidth;
        this.feedForwardWidth = feedForwardWidth;
        this.layers = layers;
        this.vocabularySize = vocabularySize;
    }

    // ---- The LLM ----

    static BenchWork of(ModelInfo info, Metadata metadata) {
        String key = info.architecture() + ".attention.key_length"; // where a head is not width / heads
        long head = metadata.contains(key) ? metadata.integer(key) : info.width() / info.heads();
        return new BenchWork(
                info.width(),
                head * info.heads(),
                head * info.kvHeads(),
                info.feedForwardWidth(),
                info.layers(),
                info.vocabularySize());
    }

    /**
     * One batch through the LLM. In the last layer only rows with outputs go beyond keys and values.
     *
     * @param rows of the batch
     * @param past positions before it
     * @param outputs rows whose outputs are wanted
     * @param logits whether these are logits
     */
    long batch(long rows, long past, long outputs, boolean logits) {
        long row = 2 * width * queryWidth + 3 * width * feedForwardWidth + 2 * queryWidth * (past + rows);
        return layers * rows * 2 * width * kvWidth
                + ((layers - 1) * rows + outputs) * row
                + (logits ? outputs * width * vocabularySize : 0);
    }

    /** A prompt in batches, with the outputs of its last row. */
    long prompt(long rows, long past, long batchLength) {
        long work = 0;
        for (long first = 0; first < rows; first += batchLength) {
            long count = Math.min(batchLength, rows - first);
            work += batch(count, past + first, first + count == rows ? 1 : 0, true);
        }
        return work;
    }

    // ---- The IC-Former ----

    /** One chunk, step by step as in the reference: keys and values of n + k rows in every cross-attention layer. */
    static long plainChunk(DigesterInfo former, long n) {
        long k = former.digestRows();
        long cross = crossLayers(former);
        return layerRows(former, former.layers(), cross, n)
                + former.layers() * k * former.width() * former.width()
                + cross * (n + k) * 2 * former.width() * kvWidth(former)
                + cross * 2 * k * k * former.width();
    }

    /**
     * One chunk with the exact savings and a full token table: queries of the later layers, O and the MLP over k rows, and
     * attention to n context rows and, causally, to k digest rows.
     */
    static long fastChunk(DigesterInfo former, long n) {
        long k = former.digestRows();
        long cross = crossLayers(former);
        return layerRows(former, former.layers(), cross, n)
                + (former.layers() - 1) * k * former.width() * former.width()
                + cross * k * (k + 1) * former.width();
    }

    /** What an empty token table adds: keys and values of so many different tokens. */
    static long contributions(DigesterInfo former, long tokens) {
        return crossLayers(former) * tokens * 2 * former.width() * kvWidth(former);
    }

    /** O and the MLP of k rows in all layers, attention to the context, and what self-attention layers have of their own. */
    private static long layerRows(DigesterInfo former, long layers, long cross, long n) {
        long k = former.digestRows();
        long width = former.width();
        return layers * k * (width * width + 3 * width * former.feedForwardWidth())
                + cross * 2 * k * n * width
                + (layers - cross) * (2 * k * width * kvWidth(former) + 2 * k * k * width);
    }

    private static long crossLayers(DigesterInfo former) {
        return Math.ceilDiv(former.layers(), former.crossInterval());
    }

    private static long kvWidth(DigesterInfo former) {
        return (long) former.width() / former.heads() * former.kvHeads();
    }
}
