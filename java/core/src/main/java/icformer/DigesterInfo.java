package icformer;

import icformer.internal.ffi.NativeDigester;

/**
 * What an IC-Former is.
 *
 * @param name {@code general.name} of its file, cut to 127 bytes; empty where the file has none
 * @param type the type that holds most of the weights, such as {@code q4_0}
 * @param width embedding width: floats in a row
 * @param layers number of layers
 * @param heads attention heads of a layer
 * @param kvHeads key and value heads of a layer
 * @param feedForwardWidth inner width of the feed-forward network
 * @param digestRows digest rows of a chunk
 * @param chunkLength longest chunk it was trained for, in tokens
 * @param crossInterval every so manieth layer is cross-attention, the others are self-attention over the digest rows
 * @param hasFt whether it has the marker {@link Marker#FT}
 * @param hasAe whether it has the marker {@link Marker#AE}
 * @param threads number of threads that compute
 * @param device index of the {@link Device} that computes
 * @param method how a digest is computed
 * @param parameters number of weights
 * @param weightBytes memory of the weights, in bytes
 * @param tableBytes size of the token table when full, in bytes; 0 where there is none
 * @param fingerprint FNV-1a hash of sizes, digest embeddings and norms: the same for every quantisation
 * @param targetVocabularyHash {@link ModelInfo#vocabularyHash} of the LLM it was made for; 0 where its file does not say
 */
public record DigesterInfo(
        String name,
        String type,
        int width,
        int layers,
        int heads,
        int kvHeads,
        int feedForwardWidth,
        int digestRows,
        int chunkLength,
        int crossInterval,
        boolean hasFt,
        boolean hasAe,
        int threads,
        int device,
        DigesterOptions.Method method,
        long parameters,
        long weightBytes,
        long tableBytes,
        long fingerprint,
        long targetVocabularyHash) {

    static DigesterInfo of(NativeDigester.Info info) {
        return new DigesterInfo(
                info.name(),
                info.type(),
                info.width(),
                info.layers(),
                info.heads(),
                info.kvHeads(),
                info.feedForwardWidth(),
                info.digestRows(),
                info.chunkLength(),
                info.crossInterval(),
                info.hasFt(),
                info.hasAe(),
                info.threads(),
                info.device(),
                info.isPlain() ? DigesterOptions.Method.PLAIN : DigesterOptions.Method.FAST,
                info.parameters(),
                info.weightBytes(),
                info.tableBytes(),
                info.fingerprint(),
                info.targetVocabularyHash());
    }
}
