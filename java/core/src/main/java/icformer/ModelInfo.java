package icformer;

import icformer.internal.ffi.NativeModel;

/**
 * What a model is.
 *
 * @param name {@code general.name} of its file, cut to 127 bytes; empty where the file has none
 * @param architecture such as {@code llama}
 * @param type the type that holds most of the weights, such as {@code q4_K}
 * @param vocabularySize number of token ids
 * @param width embedding width: floats in a row
 * @param layers number of layers
 * @param heads attention heads of a layer
 * @param kvHeads key and value heads of a layer
 * @param feedForwardWidth inner width of the feed-forward network
 * @param trainedContext positions the model was trained for
 * @param device index of the {@link Device} that computes
 * @param gpuLayers layers it computes where it is not the CPU, the last ones; those before them are the CPU's
 * @param parameters number of weights
 * @param weightBytes memory of the weights, in bytes
 * @param vocabularyHash FNV-1a hash of the vocabulary; 0 where the file has none
 * @param fingerprint FNV-1a hash of architecture, sizes, vocabulary and norms: the same for every quantisation
 */
public record ModelInfo(
        String name,
        String architecture,
        String type,
        int vocabularySize,
        int width,
        int layers,
        int heads,
        int kvHeads,
        int feedForwardWidth,
        int trainedContext,
        int device,
        int gpuLayers,
        long parameters,
        long weightBytes,
        long vocabularyHash,
        long fingerprint) {

    static ModelInfo of(NativeModel.Info info) {
        return new ModelInfo(
                info.name(),
                info.architecture(),
                info.type(),
                info.vocabularySize(),
                info.width(),
                info.layers(),
                info.heads(),
                info.kvHeads(),
                info.feedForwardWidth(),
                info.trainedContext(),
                info.device(),
                info.gpuLayers(),
                info.parameters(),
                info.weightBytes(),
                info.vocabularyHash(),
                info.fingerprint());
    }
}
