package icformer.template;

import java.io.Serial;

/** A template that cannot be read or rendered. */
public final class TemplateException extends RuntimeException {
    @Serial
    private static final long serialVersionUID = 1L;

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
        super(message);
        this.kind = kind;
    }

    /** The template does something that makes no sense with the values it was given, or none at all. */
    static TemplateException error(String message, Object... values) {
        return new TemplateException(Kind.INVALID, message.formatted(values));
    }

    /** The template uses something that is not implemented. */
    static TemplateException unsupported(String message, Object... values) {
        return new TemplateException(Kind.UNSUPPORTED, message.formatted(values));
    }

    /** The same failure with the line it happened in, the innermost one; what a template says itself stays as it is. */
    TemplateException in(int line) {
        return kind == Kind.REFUSED || getMessage().startsWith("line ")
                ? this
                : new TemplateException(kind, "line " + line + ": " + getMessage());
    }

    public Kind kind() {
        return kind;
    }
}
