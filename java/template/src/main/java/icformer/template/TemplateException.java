package icformer.template;

import java.io.Serial;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** A template that cannot be read or rendered. Its message is one line without control characters. */
public final class TemplateException extends RuntimeException {
    @Serial
    private static final long serialVersionUID = 1L;

    private static final int LONGEST_MESSAGE = 2000;

    /** Why a template failed. */
    public enum Kind {
        /** It cannot be read, or does something that makes no sense with the values it was given. */
        INVALID,
        /** It uses something that is not implemented. */
        UNSUPPORTED,
        /** It refuses what it was given, in its own words. */
        REFUSED,
        /** It computes, nests or writes too much. */
        LIMIT
    }

    private final Kind kind;

    TemplateException(Kind kind, String message) {
        this(kind, message, null);
    }

    TemplateException(Kind kind, String message, @Nullable Throwable cause) {
        super(ControlCharacters.escape(shortened(message)), cause);
        this.kind = kind;
    }

    private static String shortened(String message) {
        return message.length() <= LONGEST_MESSAGE ? message : message.substring(0, LONGEST_MESSAGE) + "…";
    }

    /** The template does something that makes no sense with the values it was given, or none at all. */
    static TemplateException error(String message, Object... values) {
        return new TemplateException(Kind.INVALID, String.format(Locale.ROOT, message, values));
    }

    /** The template uses something that is not implemented. */
    static TemplateException unsupported(String message, Object... values) {
        return new TemplateException(Kind.UNSUPPORTED, String.format(Locale.ROOT, message, values));
    }

    /** The same failure with the line it happened in, the innermost one; what a template says itself stays as it is. */
    TemplateException in(int line) {
        return kind == Kind.REFUSED || getMessage().startsWith("line ")
                ? this
                : new TemplateException(kind, "line " + line + ": " + getMessage(), getCause());
    }

    public Kind kind() {
        return kind;
    }
}
