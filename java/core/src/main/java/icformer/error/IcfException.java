package icformer.error;

import java.io.Serial;
import java.util.Objects;

/**
 * A call that failed. Whatever it was called on is as it was before the call.
 *
 * <p>What is wrong with a file is told by a {@link ModelFileException} instead.
 */
public final class IcfException extends RuntimeException {
    @Serial
    private static final long serialVersionUID = 1L;

    private final Status status;

    /** A failure with a sentence that names the value, tensor or file at fault. */
    public IcfException(Status status, String message) {
        super(Objects.requireNonNull(message, "message"));
        this.status = Objects.requireNonNull(status, "status");
    }

    /** A failure that another exception brought about. */
    public IcfException(Status status, String message, Throwable cause) {
        super(Objects.requireNonNull(message, "message"), cause);
        this.status = Objects.requireNonNull(status, "status");
    }

    /** A sentence that names the value, tensor or file at fault. */
    @Override
    public String getMessage() {
        return Objects.requireNonNull(super.getMessage());
    }

    /** What kind of failure it was. */
    public Status status() {
        return status;
    }
}
