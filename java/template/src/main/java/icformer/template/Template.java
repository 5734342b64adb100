package icformer.template;

import java.time.Clock;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** A template that has been read: immutable, for any number of renderings at once. */
public final class Template {
    /** Characters that a rendering may write. */
    static final int LONGEST_OUTPUT = 16 << 20;

    private static final int LONGEST_SOURCE = 1 << 20;

    private final List<Statement> body;

    private Template(List<Statement> body) {
        this.body = body;
    }

    /** Reads a template; throws a {@link TemplateException} if it cannot be read. */
    public static Template of(String source) {
        if (source.length() > LONGEST_SOURCE) {
            throw new TemplateException(TemplateException.Kind.LIMIT, "the template has more than " + LONGEST_SOURCE + " characters");
        }
        try {
            return new Template(new Parser(Lexer.tokens(source)).template());
        } catch (StackOverflowError e) {
            throw new TemplateException(TemplateException.Kind.LIMIT, "the template is nested too deeply");
        }
    }

    /**
     * What the template writes, given JSON-like values by name: texts, booleans, numbers, lists, maps and null.
     *
     * @param clock of {@code strftime_now}
     * @throws TemplateException if the template fails, or does more than a {@link Budget} allows
     */
    public String render(Map<String, ? extends @Nullable Object> variables, Clock clock) {
        Scope scope = new Scope(Functions.all(clock), new Budget()).inner();
        variables.forEach((name, value) -> scope.set(name, Values.of(value)));
        try {
            return Statement.render(body, scope);
        } catch (StackOverflowError e) {
            throw new TemplateException(TemplateException.Kind.LIMIT, "the template is nested too deeply");
        }
    }
}
