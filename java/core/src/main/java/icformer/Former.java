package icformer;

import icformer.error.IcfException;
import icformer.error.ModelFileException;
import icformer.error.Status;
import icformer.files.TensorType;
import icformer.internal.base.Segments;
import icformer.internal.ffi.GgufReader;
import icformer.internal.ffi.NativeGguf;
import icformer.internal.ffi.NativeLibrary;
import icformer.internal.ffi.NativeModel;
import icformer.internal.gguf.GgufMetadata;
import icformer.internal.gguf.ModelFiles;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;

/**
 * What a former is, without the matrices it computes with: enough to answer from digests that are stored. A value, which
 * holds nothing of its file open; a {@link Digester} is what computes. Where it brings a reader, that is read from the file
 * when it is needed first.
 */
public final class Former {
    private final Path file;
    private final GgufReader.Former info;
    private final Optional<PromptTexts> promptTexts;
    private final Map<Marker, MemorySegment> markers; // read-only

    private Former(
            Path file, GgufReader.Former info, Optional<PromptTexts> promptTexts, Map<Marker, MemorySegment> markers) {
        this.file = file;
        this.info = info;
        this.promptTexts = promptTexts;
        this.markers = markers;
    }

    /**
     * Reads what a former is; {@link Model#openFormer} also looks whether it was made for that model.
     *
     * @throws IOException if the file is missing or is no former: see {@link ModelFileException}
     */
    public static Former open(Path path) throws IOException {
        return open(path, null);
    }

    static Former open(Path path, @Nullable NativeModel model) throws IOException {
        NativeLibrary.load();
        try (NativeGguf file = ModelFiles.open(path, () -> NativeGguf.open(path))) {
            return ModelFiles.read(path, () -> of(path, file.reader(), model));
        }
    }

    /** The former of a file that another handle holds open. */
    static Former of(Path path, GgufReader file, @Nullable NativeModel model) {
        GgufReader.Former info = file.former(model);
        return new Former(path, info, PromptTexts.in(new GgufMetadata(file)), markers(file, info.width()));
    }

    private static Map<Marker, MemorySegment> markers(GgufReader file, int width) {
        Map<Marker, MemorySegment> markers = new EnumMap<>(Marker.class);
        List<GgufReader.Tensor> tensors = file.tensors();
        for (int i = 0; i < tensors.size(); i++) {
            for (Marker marker : Marker.values()) {
                if (tensors.get(i).name().equals(marker.tensorName())) {
                    markers.put(marker, row(file, i, tensors.get(i), width));
                }
            }
        }
        return markers;
    }

    private static MemorySegment row(GgufReader file, int index, GgufReader.Tensor tensor, int width) {
        TensorType type = TensorType.of(tensor.type());
        if (LongStream.of(tensor.shape()).reduce(1, (a, b) -> a * b) != width || width % type.blockLength() != 0) {
            throw new IcfException(Status.FORMAT, "tensor %s is no row of width %d".formatted(tensor.name(), width));
        }
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment data = scratch.allocate(tensor.bytes(), Float.BYTES);
            file.readTensor(index, 0, data);
            MemorySegment row = Segments.allocate(Arena.ofAuto(), (long) width * Float.BYTES);
            type.dequantize(data, 1, width, row);
            return row.asReadOnly();
        }
    }

    /** {@code general.name} of its file, cut to 127 bytes; empty where the file has none. */
    public String name() {
        return info.name();
    }

    /** The type that holds most of the weights, such as {@code q4_0}. */
    public String type() {
        return info.type();
    }

    /** Embedding width: floats in a row. */
    public int width() {
        return info.width();
    }

    /** Digest rows of a chunk. */
    public int digestRows() {
        return info.digestRows();
    }

    /** Longest chunk it was trained for, in tokens. */
    public int chunkLength() {
        return info.chunkLength();
    }

    /**
     * Whether it brings a reader: an {@link Adapter} of its LLM for sessions that read its digests. A {@link Prompt} of its
     * {@link ContextPrompt} puts it on by itself; {@link Model#openReader} opens it for other uses.
     */
    public boolean hasReader() {
        return info.hasReader();
    }

    /** {@link DigesterInfo#fingerprint}, which digests bear as {@link Digest.Origin#formerFingerprint}. */
    public long fingerprint() {
        return info.fingerprint();
    }

    /** {@link ModelInfo#vocabularyHash} of the LLM it was made for; 0 where its file does not say. */
    public long targetVocabularyHash() {
        return info.targetVocabularyHash();
    }

    /** A learned row [width] of floats, read-only; empty where the former has none. */
    public Optional<MemorySegment> marker(Marker marker) {
        return Optional.ofNullable(markers.get(marker));
    }

    /** Where it was read from. */
    Path file() {
        return file;
    }

    Optional<PromptTexts> promptTexts() {
        return promptTexts;
    }
}
