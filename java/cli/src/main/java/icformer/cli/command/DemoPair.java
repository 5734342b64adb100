package icformer.cli.command;

import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;

/** The LLM and the former that come with the project, and questions for them. */
public final class DemoPair {
    /** The project's folder; the launcher sets it. */
    public static final String ROOT_PROPERTY = "icformer.root";

    private DemoPair() {}

    public static Path model() throws NoSuchFileException {
        return file("lm.gguf", "--model");
    }

    public static Path former() throws NoSuchFileException {
        return file("former.gguf", "--former");
    }

    public static Path testSplit() throws NoSuchFileException {
        return file("test.jsonl", "--data");
    }

    private static Path file(String name, String option) throws NoSuchFileException {
        String root = System.getProperty(ROOT_PROPERTY);
        Path file = Path.of(root == null ? "" : root, "models", "demo", name);
        if (!Files.exists(file)) {
            throw new NoSuchFileException(file.toString(), null, "no such file; name one with " + option);
        }
        return file;
    }
}
