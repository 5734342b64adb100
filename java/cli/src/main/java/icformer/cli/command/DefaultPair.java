package icformer.cli.command;

import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;

/**
 * The LLM and the former that commands use where none is named, and questions for them: the pair of a real LLM,
 * {@code models/smollm2}, where its files are there, else the toy pair, {@code models/demo}.
 */
public final class DefaultPair {
    /** The project's folder; the launcher sets it. */
    public static final String ROOT_PROPERTY = "icformer.root";

    private static final String REAL = "smollm2";
    private static final String TOY = "demo";
    private static final String FORMER = "former.gguf";
    private static final List<String> REAL_MODELS = List.of("llm.gguf", "SmolLM2-135M-Instruct.Q4_1.gguf");

    private DefaultPair() {}

    /** Its name in results. */
    public static String name() {
        return isReal() ? REAL : TOY;
    }

    public static Path model() throws NoSuchFileException {
        if (isReal()) {
            for (String name : REAL_MODELS) {
                if (Files.exists(folder(REAL).resolve(name))) {
                    return folder(REAL).resolve(name);
                }
            }
        }
        return file("lm.gguf", "--model");
    }

    public static Path former() throws NoSuchFileException {
        return file(FORMER, "--former");
    }

    public static Path testSplit() throws NoSuchFileException {
        return file("test.jsonl", "--data");
    }

    private static boolean isReal() {
        Path folder = folder(REAL);
        return Files.exists(folder.resolve(FORMER))
                && REAL_MODELS.stream().anyMatch(name -> Files.exists(folder.resolve(name)));
    }

    private static Path folder(String name) {
        String root = System.getProperty(ROOT_PROPERTY);
        return Path.of(root == null ? "" : root, "models", name);
    }

    private static Path file(String name, String option) throws NoSuchFileException {
        Path file = folder(name()).resolve(name);
        if (!Files.exists(file)) {
            throw new NoSuchFileException(file.toString(), null, "no such file; name one with " + option);
        }
        return file;
    }
}
