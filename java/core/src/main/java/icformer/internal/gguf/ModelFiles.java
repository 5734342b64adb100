package icformer.internal.gguf;

import icformer.error.IcfException;
import icformer.error.ModelFileException;
import icformer.error.Status;
import icformer.internal.base.Checks;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.function.Supplier;

/** Opening of files: what is wrong with a file becomes an {@link IOException}. */
public final class ModelFiles {
    private ModelFiles() {}

    /** What {@code open} gives, once the file is known to be there. */
    public static <T> T open(Path path, Supplier<T> open) throws IOException {
        check(path);
        return read(path, open);
    }

    /** What a call gives that reads an open file. */
    public static <T> T read(Path path, Supplier<T> read) throws IOException {
        try {
            return read.get();
        } catch (IcfException e) {
            switch (e.status()) {
                case IO, FORMAT, UNSUPPORTED, MISMATCH ->
                    throw new ModelFileException(e.status(), path, e.getMessage(), e);
                default -> throw e;
            }
        }
    }

    private static void check(Path path) throws IOException {
        Checks.argument(
                path.getFileSystem() == FileSystems.getDefault(),
                "%s: the native library reads files of the default file system only",
                path);
        if (!Files.exists(path)) {
            throw new NoSuchFileException(path.toString());
        }
        if (!Files.isRegularFile(path)) {
            throw new ModelFileException(Status.IO, path, path + " is not a regular file");
        }
        if (!Files.isReadable(path)) {
            throw new AccessDeniedException(path.toString());
        }
    }
}
