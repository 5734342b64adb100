package icformer.template;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** What {@code macro} defines, and what a call block hands to the macro that it calls: a body with parameters. */
final class Macro implements Callable {
    /**
     * What is written down of a macro.
     *
     * @param defaults by parameter; those without come first
     * @param usesCaller whether the body names {@code caller} and it is no parameter; the others likewise
     */
    record Signature(
            String name,
            List<String> parameters,
            Map<String, Expression> defaults,
            boolean usesCaller,
            boolean usesVarargs,
            boolean usesKwargs) {}

    private final Signature signature;
    private final List<Statement> body;
    private final Scope around;

    Macro(Signature signature, List<Statement> body, Scope around) {
        this.signature = signature;
        this.body = body;
        this.around = around;
    }

    @Nullable Object get(String attribute) {
        return switch (attribute) {
            case "name" -> signature.name().isEmpty() ? None.NONE : signature.name();
            case "arguments" -> new Tuple(new ArrayList<>(signature.parameters()));
            case "caller" -> signature.usesCaller() || signature.parameters().contains("caller");
            case "catch_kwargs" -> signature.usesKwargs();
            case "catch_varargs" -> signature.usesVarargs();
            default -> null;
        };
    }

    @Override
    public Object call(Arguments arguments, Scope scope) {
        Scope inner = around.inner();
        Map<String, Object> named = new LinkedHashMap<>(arguments.named());
        bind(arguments.positional(), named, inner);
        if (signature.usesCaller()) {
            Object caller = named.remove("caller");
            inner.set("caller", caller == null || caller == None.NONE ? new Undefined("No caller defined") : caller);
        }
        if (signature.usesKwargs()) {
            Dict kwargs = new Dict();
            named.forEach((name, value) -> kwargs.put(name, value, scope.budget()));
            inner.set("kwargs", kwargs);
        } else if (!named.isEmpty()) {
            String name = named.keySet().iterator().next();
            throw TemplateException.error("macro '%s' takes no keyword argument '%s'", signature.name(), name);
        }
        int count = signature.parameters().size();
        if (signature.usesVarargs()) {
            inner.set("varargs", new Tuple(arguments.from(count).positional()));
        } else if (arguments.positional().size() > count) {
            throw TemplateException.error(
                    "macro '%s' takes not more than %d argument(s)", signature.name(), count);
        }
        String text = Statement.render(body, inner);
        return scope.autoescape() ? new Markup(text) : text;
    }

    private void bind(List<Object> positional, Map<String, Object> named, Scope inner) {
        List<String> parameters = signature.parameters();
        for (int i = 0; i < parameters.size(); i++) {
            String parameter = parameters.get(i);
            Object value = i < positional.size() ? positional.get(i) : named.remove(parameter);
            if (value == null) {
                Expression fallback = signature.defaults().get(parameter);
                value = fallback == null
                        ? new Undefined("parameter '" + parameter + "' was not provided")
                        : fallback.evaluate(inner);
            }
            inner.set(parameter, value);
        }
    }

    @Override
    public String toString() {
        return signature.name().isEmpty() ? "<Macro anonymous>" : "<Macro '" + signature.name() + "'>";
    }
}
