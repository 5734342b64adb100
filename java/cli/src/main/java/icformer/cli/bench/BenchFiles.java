package icformer.cli.bench;

import icformer.files.TensorType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * The pair that is measured; closing removes what was made for it.
 *
 * @param model the LLM
 * @param former the IC-Former; null where only the LLM is measured
 * @param made folder to remove; null where the files stay
 */
record BenchFiles(
        Path model, @Nullable Path former, @Nullable Path made) implements AutoCloseable {
    /** Files of the user. */
    static BenchFiles of(Path model, @Nullable Path former) {
        return new BenchFiles(model, former, null);
    }

    /**
     * A pair with random weights.
     *
     * @param formerType type of the former's matrices; null for no former
     * @param keep folder where the files stay and are found the next time; null for one that is removed
     */
    static BenchFiles make(BenchShape shape, TensorType modelType, @Nullable TensorType formerType, @Nullable Path keep)
            throws IOException {
        Path folder = keep == null ? Files.createTempDirectory("icf-bench-") : Files.createDirectories(keep);
        Path model = folder.resolve("llm-%s-%s.gguf".formatted(shape, modelType));
        Path former = formerType == null ? null : folder.resolve("former-%s-%s.gguf".formatted(shape, formerType));
        BenchFiles files = new BenchFiles(model, former, keep == null ? folder : null);
        if (keep == null) {
            removeAtExit(folder, model, former); // also when the process is interrupted
        }
        try {
            if (!Files.exists(model)) {
                try (RandomWeights weights = new RandomWeights(shape, modelType)) {
                    weights.writeModel(model);
                }
            }
            if (former != null && formerType != null && !Files.exists(former)) {
                try (RandomWeights weights = new RandomWeights(shape, formerType)) {
                    weights.writeFormer(former);
                }
            }
            return files;
        } catch (IOException | RuntimeException e) {
            files.close();
            throw e;
        }
    }

    /** They are removed in reverse order: the folder last. */
    private static void removeAtExit(Path folder, Path model, @Nullable Path former) {
        folder.toFile().deleteOnExit();
        model.toFile().deleteOnExit();
        if (former != null) {
            former.toFile().deleteOnExit();
        }
    }

    @Override
    public void close() throws IOException {
        if (made != null) {
            Files.deleteIfExists(model);
            if (former != null) {
                Files.deleteIfExists(former);
            }
            Files.deleteIfExists(made);
        }
    }
}
