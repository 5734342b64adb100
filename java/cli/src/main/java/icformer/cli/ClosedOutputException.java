package icformer.cli;

import java.io.Serial;

/** Nobody reads standard output any more: the pipe is broken. */
final class ClosedOutputException extends RuntimeException {
    @Serial
    private static final long serialVersionUID = 1L;

    ClosedOutputException(Throwable cause) {
        super("standard output is closed", cause);
    }
}
