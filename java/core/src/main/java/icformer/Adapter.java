package icformer;

import icformer.internal.base.Checks;
import icformer.internal.ffi.NativeAdapter;
import icformer.internal.ffi.NativeModel;
import icformer.internal.gguf.ModelFiles;
import java.io.IOException;
import java.nio.file.Path;

/**
 * A low-rank adapter of an LLM (LoRA, arXiv 2106.09685): beside a weight W lie A [rank, inputs] and B [outputs, rank], and
 * y = W x becomes y = W x + scale · B (A x). The weights themselves stay as they are: {@link Session#setAdapters} and
 * {@link SessionOptions#withAdapters} say which sessions compute with it.
 *
 * <p>Immutable: any number of sessions and threads may use one at once. A session computes with it on after it is closed.
 */
public final class Adapter implements AutoCloseable {

    /**
     * What an adapter is.
     *
     * @param name {@code general.name} of its file, cut to 127 bytes; empty where the file has none
     * @param pairs matrices of the LLM that it changes
     * @param maxRank the largest of their ranks
     * @param isReader whether it is the reader of an IC-Former, for sessions that read its digests
     * @param parameters number of weights
     * @param weightBytes memory of the weights, in bytes
     * @param fingerprint FNV-1a hash of its tensors and its alpha
     */
    public record Info(
            String name,
            int pairs,
            int maxRank,
            boolean isReader,
            long parameters,
            long weightBytes,
            long fingerprint) {}

    /**
     * An adapter and how strongly it is in use.
     *
     * @param adapter the adapter
     * @param scale multiplies the adapter's own scale; finite
     */
    public record Scaled(Adapter adapter, float scale) {
        public Scaled {
            Checks.argument(Float.isFinite(scale), "scale is %s, but must be finite", scale);
        }
    }

    private final NativeAdapter handle;
    private final Info info;

    private Adapter(NativeAdapter handle) {
        this.handle = handle;
        NativeAdapter.Info read = handle.describe();
        this.info = new Info(
                read.name(),
                read.pairs(),
                read.maxRank(),
                read.isReader(),
                read.parameters(),
                read.weightBytes(),
                read.fingerprint());
    }

    static Adapter open(Path path, NativeModel model) throws IOException {
        return new Adapter(ModelFiles.open(path, () -> NativeAdapter.open(path, model)));
    }

    /** What the adapter is. */
    public Info info() {
        return info;
    }

    /** This adapter with a scale. */
    public Scaled scaled(float scale) {
        return new Scaled(this, scale);
    }

    NativeAdapter handle() {
        return handle;
    }

    /** Closes the adapter, once, from any thread; an exception of status STATE while a call on it is under way. */
    @Override
    public void close() {
        handle.close();
    }
}
