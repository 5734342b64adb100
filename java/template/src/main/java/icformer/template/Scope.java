package icformer.template;

import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The variables of a template, a loop's round, a macro's call, within those around it. */
final class Scope {
    private final @Nullable Scope outer;
    private final Rendering rendering;
    private final Map<String, Object> variables = new HashMap<>();
    private final boolean autoescape;

    private Scope(@Nullable Scope outer, Rendering rendering, boolean autoescape) {
        this.outer = outer;
        this.rendering = rendering;
        this.autoescape = autoescape;
    }

    /** The outermost scope of a rendering. */
    static Scope of(Rendering rendering) {
        return new Scope(null, rendering, false);
    }

    Scope inner() {
        return inner(autoescape);
    }

    Scope inner(boolean escaping) {
        budget().elements(1);
        return new Scope(this, rendering, escaping);
    }

    /** The scope of the template itself. */
    Scope outermost() {
        Scope scope = this;
        while (scope.outer != null) {
            scope = scope.outer;
        }
        return scope;
    }

    Rendering rendering() {
        return rendering;
    }

    Budget budget() {
        return rendering.budget();
    }

    /** Whether what is printed here is escaped. */
    boolean autoescape() {
        return autoescape;
    }

    void set(String name, Object value) {
        variables.put(name, value);
    }

    Object get(String name) {
        for (Scope scope = this; scope != null; scope = scope.outer) {
            Object value = scope.variables.get(name);
            if (value != null) {
                return value;
            }
        }
        return new Undefined("'" + name + "' is undefined");
    }

    /** A text that this scope has written, marked as safe where it escapes. */
    Object written(String text) {
        return autoescape ? new Markup(text) : text;
    }
}
