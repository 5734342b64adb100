package icformer.template;

import icformer.template.TemplateException.Kind;
import java.time.Clock;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** A template that has been read: immutable, for any number of renderings at once. */
public final class Template {
    private static final int LONGEST_SOURCE = 1 << 20;

    private final List<Statement> body;
    private final Map<String, List<Statement>> blocks;

    private Template(List<Statement> body, Map<String, List<Statement>> blocks) {
        this.body = body;
        this.blocks = blocks;
    }

    /**
     * Reads a template.
     *
     * @throws TemplateException if it cannot be read, or is longer than a million characters
     */
    public static Template of(String source) {
        if (source.length() > LONGEST_SOURCE) {
            throw new TemplateException(Kind.LIMIT, "the template has more than " + LONGEST_SOURCE + " characters");
        }
        return guarded(() -> {
            Parser parser = new Parser(Lexer.tokens(source));
            return new Template(parser.template(), parser.blocks());
        });
    }

    /**
     * What the template writes.
     *
     * @param variables JSON-like values by name, such as {@code messages} and {@code tools}: texts, booleans, numbers, lists,
     *     maps and null; maps are seen in their own order
     * @param clock of {@code strftime_now}
     * @throws TemplateException if the template fails, refuses what it is given, or does more than {@link Limits#standard}
     *     allows
     */
    public String render(Map<String, ? extends @Nullable Object> variables, Clock clock) {
        return render(variables, clock, Limits.standard());
    }

    /** The same within other limits. */
    public String render(Map<String, ? extends @Nullable Object> variables, Clock clock, Limits limits) {
        return render(variables, clock, new Budget(limits));
    }

    String render(Map<String, ? extends @Nullable Object> variables, Clock clock, Budget budget) {
        return guarded(() -> {
            Scope globals = Scope.of(new Rendering(budget, clock, blocks));
            Functions.GLOBALS.forEach(globals::set);
            globals.set("self", new Functions.Self(globals));
            variables.forEach((name, value) -> globals.set(name, Values.of(value, budget)));
            return Statement.render(body, globals);
        });
    }

    /** Whatever goes wrong is told in the one way that callers know. */
    private static <T> T guarded(Supplier<T> work) {
        try {
            return work.get();
        } catch (TemplateException e) {
            throw e;
        } catch (StackOverflowError e) {
            throw new TemplateException(Kind.LIMIT, "the template is nested too deeply");
        } catch (OutOfMemoryError e) {
            throw new TemplateException(Kind.LIMIT, "the template needs more memory than there is", e);
        } catch (RuntimeException e) {
            throw new TemplateException(Kind.INVALID, "the template does what is not foreseen: " + e, e);
        }
    }
}
