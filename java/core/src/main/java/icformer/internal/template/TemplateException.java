package icformer.internal.template;

import icformer.error.Status;
import java.io.Serial;

/** A template that cannot be read or rendered. */
public final class TemplateException extends RuntimeException {
    @Serial
    private static final long serialVersionUID = 1L;

    private final Status status;

    TemplateException(Status status, String message) {
        super(message);
        this.status = status;
    }

    /** The template does something that makes no sense with the values it was given, or none at all. */
    static TemplateException error(String message, Object... values) {
        return new TemplateException(Status.FORMAT, message.formatted(values));
    }

    /** The template uses something that is not implemented. */
    static TemplateException unsupported(String message, Object... values) {
        return new TemplateException(Status.UNSUPPORTED, message.formatted(values));
    }

    /** The same failure with the line it happened in, the innermost one; what a template says itself stays as it is. */
    TemplateException in(int line) {
        return status == Status.ARGUMENT || String.valueOf(getMessage()).startsWith("line ")
                ? this
                : new TemplateException(status, "line " + line + ": " + getMessage());
    }

    public Status status() {
        return status;
    }
}
