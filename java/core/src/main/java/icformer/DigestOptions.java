package icformer;

import icformer.internal.base.Checks;
import java.lang.foreign.Arena;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * How a context is digested.
 *
 * @param maxChunk longest chunk; {@link #TRAINED_CHUNK} for the length that the former was trained for, {@link #ONE_CHUNK}
 *     for a single chunk whatever its length
 * @param chunkRows digest rows to keep of each chunk, at most {@link DigesterInfo#digestRows}: the first ones, which depend on
 *     no later one and are a digest themselves, of a higher ratio; {@link #ALL_ROWS} for all. A former answers well from few
 *     rows only if it was trained with such prefixes
 * @param batch chunks that one native call digests: more of them use the machine better, fewer tell of progress and heed
 *     cancellation more often
 * @param arena owns the memory of the digest; null leaves it to the garbage collector
 * @param progress is asked after every batch whether to go on
 */
public record DigestOptions(
        int maxChunk, int chunkRows, int batch, @Nullable Arena arena, Progress progress) {

    /** The chunk length that the former was trained for. */
    public static final int TRAINED_CHUNK = -1;

    /** A single chunk, whatever its length. */
    public static final int ONE_CHUNK = 0;

    /** All digest rows of a chunk. */
    public static final int ALL_ROWS = 0;

    /** Is told of progress, and may cancel. */
    @FunctionalInterface
    public interface Progress {
        /**
         * Called on the digesting thread, between native calls.
         *
         * @param done chunks that are digested
         * @param total chunks of the context
         * @return false to cancel: {@code digest} then throws a {@link java.util.concurrent.CancellationException}
         */
        boolean onChunks(int done, int total);
    }

    public DigestOptions {
        Checks.argument(maxChunk >= TRAINED_CHUNK, "maxChunk is %d, but must be -1 or more", maxChunk);
        Checks.argument(chunkRows >= ALL_ROWS, "chunkRows is %d, but must be 0 or more", chunkRows);
        Checks.argument(batch >= 1, "batch is %d, but must be 1 or more", batch);
        Objects.requireNonNull(progress, "progress");
    }

    /** Chunks as the former was trained, with all their rows, one at a time, memory left to the garbage collector. */
    public static DigestOptions defaults() {
        return new DigestOptions(TRAINED_CHUNK, ALL_ROWS, 1, null, (_, _) -> true);
    }

    /** The same with other chunks. */
    public DigestOptions withMaxChunk(int maxChunk) {
        return new DigestOptions(maxChunk, chunkRows, batch, arena, progress);
    }

    /** The same with other digest rows of each chunk. */
    public DigestOptions withChunkRows(int chunkRows) {
        return new DigestOptions(maxChunk, chunkRows, batch, arena, progress);
    }

    /** The same with other batches. */
    public DigestOptions withBatch(int batch) {
        return new DigestOptions(maxChunk, chunkRows, batch, arena, progress);
    }

    /** The same with memory of an arena. */
    public DigestOptions withArena(Arena arena) {
        return new DigestOptions(maxChunk, chunkRows, batch, arena, progress);
    }

    /** The same with another listener. */
    public DigestOptions withProgress(Progress progress) {
        return new DigestOptions(maxChunk, chunkRows, batch, arena, progress);
    }
}
