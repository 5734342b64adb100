package icformer;

import icformer.internal.ffi.NativeSession;

/**
 * What a session holds.
 *
 * @param contextLength positions the KV cache holds
 * @param batchLength most rows that one native call appends; longer appends are divided
 * @param threads number of threads that compute
 * @param kvType type of the KV cache's elements
 * @param kvBytes memory of the KV cache, in bytes
 */
public record SessionInfo(int contextLength, int batchLength, int threads, KvType kvType, long kvBytes) {

    static SessionInfo of(NativeSession.Info info) {
        return new SessionInfo(
                info.contextLength(), info.batchLength(), info.threads(), KvType.of(info.kvType()), info.kvBytes());
    }
}
