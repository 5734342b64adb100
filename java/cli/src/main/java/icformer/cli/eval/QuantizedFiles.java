package icformer.cli.eval;

import icformer.cli.command.TypeNames;
import icformer.convert.Quantizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/** A GGUF file in several types, in a folder that closing removes. */
final class QuantizedFiles implements AutoCloseable {
    /** The type that stands for the file as it is. */
    static final String AS_IT_IS = "";

    private final Path source;
    private final Path folder;
    private final Map<String, Path> files = new LinkedHashMap<>();

    QuantizedFiles(Path source) throws IOException {
        this.source = source;
        this.folder = Files.createTempDirectory("icf-eval-");
        folder.toFile().deleteOnExit(); // also when the process is interrupted
    }

    /** The file in a type, made when it is first asked for; the file itself for {@link #AS_IT_IS}. */
    Path in(String type) throws IOException {
        if (type.equals(AS_IT_IS)) {
            return source;
        }
        Path known = files.get(type);
        if (known != null) {
            return known;
        }
        Quantizer.Options options = Quantizer.Options.of(TypeNames.type(type));
        Path file = folder.resolve(options.type() + ".gguf");
        file.toFile().deleteOnExit();
        Quantizer.quantize(source, file, options.withReplace(true));
        files.put(type, file);
        return file;
    }

    /** Removes the file of a type. */
    void remove(String type) throws IOException {
        Path file = files.remove(type);
        if (file != null) {
            Files.deleteIfExists(file);
        }
    }

    @Override
    public void close() throws IOException {
        for (Path file : files.values()) {
            Files.deleteIfExists(file);
        }
        Files.deleteIfExists(folder);
    }
}
