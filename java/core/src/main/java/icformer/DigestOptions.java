package icformer;

import java.lang.foreign.Arena;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * How a context is digested.
 *
 * @param maxChunk longest chunk; {@link #TRAINED_CHUNK} for the length that the former was trained for, {@link #ONE_CHUNK}
 *     for a single chunk whatever its length
 * @param batch chunks that one native call digests: more of them use the machine better, fewer tell of progress and heed
 *     cancellation more often
 * @param arena owns the memory of the digest; null leaves it to the garbage collector
 * @param progress is asked after every batch whether to go on
 */
public record DigestOptions(int maxChunk, int batch, @Nullable Arena arena, Progress progress) {

    /** The chunk length that the former was trained for. */
    public static final int TRAINED_CHUNK = -1;

    /** A single chunk, whatever its length. */
    public static final int ONE_CHUNK = 0;

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
        Checks.argument(batch >= 1, "batch is %d, but must be 1 or more", batch);
        Objects.requireNonNull(progress, "progress");
    }

    /** Chunks as the former was trained, one at a time, memory left to the garbage collector. */
    public static DigestOptions defaults() {
        return new DigestOptions(TRAINED_CHUNK, 1, null, (_, _) -> true);
    }

    /** The same with other chunks. */
    public DigestOptions withMaxChunk(int maxChunk) {
        return new DigestOptions(maxChunk, batch, arena, progress);
    }

    /** The same with other batches. */
    public DigestOptions withBatch(int batch) {
        return new DigestOptions(maxChunk, batch, arena, progress);
    }

    /** The same with memory of an arena. */
    public DigestOptions withArena(Arena arena) {
        return new DigestOptions(maxChunk, batch, arena, progress);
    }

    /** The same with another listener. */
    public DigestOptions withProgress(Progress progress) {
        return new DigestOptions(maxChunk, batch, arena, progress);
    }
}
