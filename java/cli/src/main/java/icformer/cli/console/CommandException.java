package icformer.cli.console;

import java.io.Serial;

/** A failure of a command, in one sentence for whoever called it. */
public final class CommandException extends RuntimeException {
    @Serial
    private static final long serialVersionUID = 1L;

    public CommandException(String message) {
        super(message);
    }

    public CommandException(String message, Throwable cause) {
        super(message, cause);
    }
}
