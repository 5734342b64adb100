package icformer;

import icformer.internal.base.Checks;
import java.util.List;
import java.util.Objects;

/**
 * How a session is opened.
 *
 * @param threads number of threads that compute; 0 for the number of physical cores
 * @param contextLength positions the KV cache holds; 0 for what the model was trained for, at most 4096
 * @param batchLength most rows that one native call appends; 0 for 512
 * @param kvType type of the KV cache's elements
 * @param adapters those the session computes with, opened for its model: see {@link Session#setAdapters(List)}
 */
public record SessionOptions(
        int threads, int contextLength, int batchLength, KvType kvType, List<Adapter.Scaled> adapters) {

    public SessionOptions {
        Checks.argument(threads >= 0, "threads is %d, but must be 0 or more", threads);
        Checks.argument(contextLength >= 0, "contextLength is %d, but must be 0 or more", contextLength);
        Checks.argument(batchLength >= 0, "batchLength is %d, but must be 0 or more", batchLength);
        Objects.requireNonNull(kvType, "kvType");
        adapters = List.copyOf(adapters);
    }

    /** Options of a session of the LLM as it is. */
    public SessionOptions(int threads, int contextLength, int batchLength, KvType kvType) {
        this(threads, contextLength, batchLength, kvType, List.of());
    }

    /** All physical cores, the model's context up to 4096 positions, batches of 512 rows, a cache of F16. */
    public static SessionOptions defaults() {
        return new SessionOptions(0, 0, 0, KvType.F16);
    }

    /** The same with another number of threads. */
    public SessionOptions withThreads(int threads) {
        return new SessionOptions(threads, contextLength, batchLength, kvType, adapters);
    }

    /** The same with a KV cache of another length. */
    public SessionOptions withContextLength(int contextLength) {
        return new SessionOptions(threads, contextLength, batchLength, kvType, adapters);
    }

    /** The same with other batches. */
    public SessionOptions withBatchLength(int batchLength) {
        return new SessionOptions(threads, contextLength, batchLength, kvType, adapters);
    }

    /** The same with another type of KV cache. */
    public SessionOptions withKvType(KvType kvType) {
        return new SessionOptions(threads, contextLength, batchLength, kvType, adapters);
    }

    /** The same with other adapters. */
    public SessionOptions withAdapters(List<Adapter.Scaled> adapters) {
        return new SessionOptions(threads, contextLength, batchLength, kvType, adapters);
    }
}
