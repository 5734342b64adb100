package icformer.template;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** What can stand behind {@code |}: those of jinja2, with the {@code tojson} of transformers. */
final class Filters {
    /** What a filter makes of a value. */
    interface Filter {
        Object apply(Object value, Arguments arguments, Scope scope);
    }

    private static final Map<String, Filter> FILTERS = new HashMap<>();

    static {
        TextFilters.register(FILTERS);
        ListFilters.register(FILTERS);
        NumberFilters.register(FILTERS);
        FILTERS.put("attr", (value, arguments, scope) -> attribute(value, arguments, scope.budget()));
        FILTERS.put("default", Filters::orElse);
        FILTERS.put("d", Filters::orElse);
        FILTERS.put("tojson", (value, arguments, scope) -> Json.text(withFirst(value, arguments), scope.budget()));
        FILTERS.put("pprint", (value, _, scope) -> Pretty.text(value, scope.budget()));
    }

    private Filters() {}

    static boolean isKnown(String name) {
        return FILTERS.containsKey(name);
    }

    static Object apply(String name, Object value, Arguments arguments, Scope scope) {
        Filter filter = FILTERS.get(name);
        if (filter == null) {
            throw TemplateException.unsupported("No filter named '%s'.", name);
        }
        scope.budget().step();
        return filter.apply(value, arguments, scope);
    }

    private static Arguments withFirst(Object value, Arguments arguments) {
        List<Object> all = new ArrayList<>();
        all.add(value);
        all.addAll(arguments.positional());
        return new Arguments(all, arguments.named());
    }

    private static Object attribute(Object value, Arguments arguments, Budget budget) {
        String name = Values.requireText(arguments.bind("attr", 1, "name")[0]);
        Object attribute = Methods.of(Values.require(value), name, budget);
        return attribute != null ? attribute : Undefined.missing(value, name);
    }

    private static Object orElse(Object value, Arguments arguments, Scope scope) {
        @Nullable Object[] given = arguments.bind("default", 0, "default_value", "boolean");
        boolean lacks = value instanceof Undefined || Arguments.flag(given[1], false) && !Values.isTrue(value);
        return !lacks ? value : given[0] == null ? "" : given[0];
    }
}
