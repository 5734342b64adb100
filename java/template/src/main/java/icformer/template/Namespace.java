package icformer.template;

import org.jspecify.annotations.Nullable;

/** What {@code namespace()} makes: values that can be set from within loops. */
final class Namespace {
    private final Dict values;

    Namespace(Dict values) {
        this.values = values;
        values.items().forEach(item -> check(item.key()));
    }

    @Nullable Object get(String name, Budget budget) {
        return values.get(name, budget);
    }

    void set(String name, Object value, Budget budget) {
        check(name);
        values.put(name, value, budget);
    }

    private static void check(Object name) {
        if (name instanceof String text && text.startsWith("_")) {
            throw TemplateException.error("a namespace cannot have an attribute '%s': it begins with an underscore", text);
        }
    }
}
