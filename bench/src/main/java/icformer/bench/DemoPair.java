package icformer.bench;

import icformer.Digester;
import icformer.DigesterOptions;
import icformer.Model;
import icformer.ModelOptions;
import icformer.Session;
import icformer.SessionOptions;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;

/** The demo pair, opened for a benchmark: one thread, since for a model this small a second one only costs. */
public final class DemoPair implements AutoCloseable {
    private static final int THREADS = 1;
    private static final int CONTEXT = 1024;

    private final Model model;
    private final Digester digester;

    /** Opens both files below {@code models/demo} of the project. */
    public DemoPair() {
        try {
            Path folder = folder();
            model = Model.open(folder.resolve("lm.gguf"), ModelOptions.defaults());
            digester = model.openDigester(
                    folder.resolve("former.gguf"), DigesterOptions.defaults().withThreads(THREADS));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The folder of the pair: of the project, or of the current one where no property names it. */
    public static Path folder() {
        return Path.of(System.getProperty("icformer.root", "")).resolve("models/demo");
    }

    /** A text of the demo. */
    public static String text() {
        try {
            return Files.readString(folder().resolve("calder.txt"));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The LLM. */
    public Model model() {
        return model;
    }

    /** The former. */
    public Digester digester() {
        return digester;
    }

    /** An empty session. */
    public Session session() {
        return model.openSession(SessionOptions.defaults().withThreads(THREADS).withContextLength(CONTEXT));
    }

    /** Random tokens of the upper half of the vocabulary, the same for each length. */
    public int[] tokens(int count) {
        int half = model.info().vocabularySize() / 2;
        return new Random(count).ints(count, half, 2 * half).toArray();
    }

    @Override
    public void close() {
        digester.close();
        model.close();
    }
}
