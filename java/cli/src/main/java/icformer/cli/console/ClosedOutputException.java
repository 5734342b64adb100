package icformer.cli.console;

import java.io.Serial;

/** Nobody reads standard output any more: the pipe is broken. */
public final class ClosedOutputException extends RuntimeException {
    @Serial
    private static final long serialVersionUID = 1L;

    public ClosedOutputException(Throwable cause) {
        super("standard output is closed", cause);
    }
}
