package icformer.error;

import java.io.IOException;
import java.io.Serial;
import java.nio.file.Path;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A GGUF or digest file that cannot be used. Its status says why:
 *
 * <ul>
 *   <li>{@link Status#IO}: it cannot be read;
 *   <li>{@link Status#FORMAT}: it is damaged, or is not what it claims to be;
 *   <li>{@link Status#UNSUPPORTED}: it is valid, and this library does not implement what it holds;
 *   <li>{@link Status#MISMATCH}: it does not belong to the model it was opened with.
 * </ul>
 *
 * <p>A file that does not exist or may not be read is the {@link java.nio.file.NoSuchFileException} or
 * {@link java.nio.file.AccessDeniedException} of the JDK. All of them are an {@link IOException}.
 */
public final class ModelFileException extends IOException {
    @Serial
    private static final long serialVersionUID = 1L;

    private final Status status;
    private final String path;

    /** A failure with a sentence that says what is wrong with the file. */
    public ModelFileException(Status status, Path path, String message) {
        this(status, path, message, null);
    }

    /** A failure that another exception brought about. */
    public ModelFileException(Status status, Path path, String message, @Nullable Throwable cause) {
        super(Objects.requireNonNull(message, "message"), cause);
        this.status = Objects.requireNonNull(status, "status");
        this.path = path.toString();
    }

    /** What is wrong with the file: IO, FORMAT, UNSUPPORTED or MISMATCH. */
    public Status status() {
        return status;
    }

    /** The file. */
    public Path path() {
        return Path.of(path);
    }
}
