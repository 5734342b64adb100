package icformer.convert;

import icformer.error.ModelFileException;
import icformer.error.Status;
import icformer.files.GgufFile;
import icformer.files.TensorInfo;
import icformer.internal.base.Failures;
import icformer.metadata.Metadata;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * A file with a low-rank adapter that is read to be merged: one of llama.cpp's, or a former that brings a reader. What it adds
 * to a weight W is scale · B A, of the word embeddings scale · A B: there A is [tokens, rank] and B [width, rank].
 */
final class LoraFile implements AutoCloseable {
    private static final String EMBEDDINGS = "token_embd.weight";

    /**
     * What is added to a weight: scale · left right.
     *
     * @param left [rows, rank]
     * @param right [rank, rowLength]
     */
    record Change(float[] left, float[] right, int rank, double scale) {

        /** Adds rows first … first + count - 1 of the change to those rows of the weight. */
        void addTo(float[] rows, long first, int count, int rowLength) {
            for (int i = 0; i < count; i++) {
                for (int r = 0; r < rank; r++) {
                    float factor = (float) (scale * left[Math.toIntExact((first + i) * rank + r)]);
                    int from = r * rowLength;
                    int to = i * rowLength;
                    for (int j = 0; j < rowLength; j++) {
                        rows[to + j] += factor * right[from + j];
                    }
                }
            }
        }
    }

    private final Path path;
    private final GgufFile file;
    private final double alpha; // 0: the scale is 1
    private final double factor;

    private LoraFile(Path path, GgufFile file, double alpha, double factor) {
        this.path = path;
        this.file = file;
        this.alpha = alpha;
        this.factor = factor;
    }

    /**
     * Opens an adapter.
     *
     * @param architecture of the LLM that it is to be merged into
     * @param factor multiplies its own scale
     */
    static LoraFile open(Path path, String architecture, double factor) throws IOException {
        GgufFile file = GgufFile.open(path);
        try {
            Metadata metadata = file.metadata();
            checkKind(path, metadata, architecture);
            double alpha = metadata.number(AdapterNames.ALPHA, 0);
            if (!Double.isFinite(alpha)) {
                throw Failures.format(path, "%s is %s", AdapterNames.ALPHA, alpha);
            }
            LoraFile lora = new LoraFile(path, file, alpha, factor);
            if (lora.weights().isEmpty()) {
                throw Failures.format(path, "the adapter holds no pair of matrices");
            }
            return lora;
        } catch (IOException | RuntimeException e) {
            file.close();
            throw e;
        }
    }

    private static void checkKind(Path path, Metadata metadata, String architecture) throws IOException {
        String own = metadata.text("general.architecture", "");
        boolean former = own.equals("icformer");
        if (!former && !metadata.text("general.type", "").equals("adapter")) {
            throw Failures.format(path, "not an adapter (its general.type is '%s')", metadata.text("general.type", ""));
        }
        String type = metadata.text(AdapterNames.TYPE, "");
        if (former && type.isEmpty()) {
            throw Failures.unsupported(path, "this IC-Former brings no reader");
        }
        if (!type.equals(AdapterNames.LORA)) {
            throw Failures.unsupported(path, "an adapter of type '%s' is not supported, only 'lora'", type);
        }
        String made = former ? metadata.text("icformer.target.architecture", architecture) : own;
        if (!made.equals(architecture)) {
            throw new ModelFileException(
                    Status.MISMATCH,
                    path,
                    "%s: made for architecture '%s', the LLM has '%s'".formatted(path, made, architecture));
        }
    }

    Path path() {
        return path;
    }

    /** Names of the weights that it changes. */
    List<String> weights() {
        return file.tensors().stream()
                .map(TensorInfo::name)
                .filter(AdapterNames::isHalf)
                .map(AdapterNames::weight)
                .distinct()
                .toList();
    }

    /**
     * What it adds to a weight; empty where it leaves it as it is.
     *
     * @param shape elements of the weight per dimension, the fastest first
     */
    Optional<Change> change(String weight, List<Long> shape) throws IOException {
        Optional<TensorInfo> a = find(AdapterNames.a(weight));
        Optional<TensorInfo> b = find(AdapterNames.b(weight));
        if (a.isEmpty() && b.isEmpty()) {
            return Optional.empty();
        }
        if (a.isEmpty() || b.isEmpty() || shape.size() != 2) {
            throw Failures.format(path, "there is no pair of matrices for %s of shape %s", weight, shape);
        }
        boolean embeddings = weight.equals(EMBEDDINGS);
        long rank = b.get().shape().getFirst();
        check(a.get(), embeddings ? List.of(rank, shape.get(1)) : List.of(shape.get(0), rank));
        check(b.get(), embeddings ? List.of(rank, shape.get(0)) : List.of(rank, shape.get(1)));
        float[] first = read(a.get());
        float[] second = read(b.get());
        double scale = factor * (alpha == 0 ? 1 : alpha / rank);
        int ranks = Math.toIntExact(rank);
        return Optional.of(
                embeddings
                        ? new Change(first, transposed(second, ranks), ranks, scale)
                        : new Change(second, first, ranks, scale));
    }

    private Optional<TensorInfo> find(String name) {
        return file.tensors().stream()
                .filter(tensor -> tensor.name().equals(name))
                .findFirst();
    }

    /** Trailing ones are not written where the rank is 1. */
    private void check(TensorInfo tensor, List<Long> expected) throws IOException {
        List<Long> shape = tensor.shape().size() == 1 ? List.of(tensor.shape().getFirst(), 1L) : tensor.shape();
        if (!shape.equals(expected)) {
            throw Failures.format(
                    path, "tensor %s has shape %s, but must have %s", tensor.name(), tensor.shape(), expected);
        }
    }

    private float[] read(TensorInfo tensor) throws IOException {
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment data = scratch.allocate(tensor.bytes(), 64);
            file.read(tensor, 0, data);
            MemorySegment floats = scratch.allocate(tensor.elements() * Float.BYTES, 64);
            long rowLength = tensor.shape().getFirst();
            tensor.type().dequantize(data, tensor.elements() / rowLength, rowLength, floats);
            return floats.toArray(ValueLayout.JAVA_FLOAT);
        }
    }

    /** [rows, columns] → [columns, rows] */
    private static float[] transposed(float[] matrix, int columns) {
        int rows = matrix.length / columns;
        float[] turned = new float[matrix.length];
        for (int i = 0; i < rows; i++) {
            for (int j = 0; j < columns; j++) {
                turned[j * rows + i] = matrix[i * columns + j];
            }
        }
        return turned;
    }

    @Override
    public void close() {
        file.close();
    }
}
