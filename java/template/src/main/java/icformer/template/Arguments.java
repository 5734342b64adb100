package icformer.template;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The arguments of a call, by position and by name. */
record Arguments(List<Object> positional, Map<String, Object> named) {
    static final Arguments NONE = new Arguments(List.of(), Map.of());

    /**
     * The arguments of a function of these parameters, by parameter; null for those that were not given.
     *
     * @param what the function, for messages
     */
    @Nullable Object[] bind(String what, String... parameters) {
        if (positional.size() > parameters.length) {
            throw TemplateException.error(
                    "%s takes at most %d arguments, not %d", what, parameters.length, positional.size());
        }
        @Nullable Object[] values = positional.toArray(new Object[parameters.length]);
        named.forEach((name, value) -> {
            int index = Arrays.asList(parameters).indexOf(name);
            if (index < 0 || values[index] != null) {
                throw TemplateException.error("%s takes no argument '%s' here", what, name);
            }
            values[index] = value;
        });
        return values;
    }

    /** The first argument, which must be there. */
    Object first(String what) {
        if (positional.isEmpty()) {
            throw TemplateException.error("%s lacks an argument", what);
        }
        return positional.getFirst();
    }

    /** Without the first argument by position. */
    Arguments rest() {
        return positional.isEmpty() ? this : new Arguments(positional.subList(1, positional.size()), named);
    }

    static boolean flag(@Nullable Object value, boolean fallback) {
        return value == null ? fallback : Values.isTrue(value);
    }

    static String text(@Nullable Object value, String fallback) {
        return value == null ? fallback : Values.requireText(value);
    }

    static int integer(@Nullable Object value, int fallback) {
        return value == null ? fallback : Math.clamp(Values.requireInteger(value), Integer.MIN_VALUE, Integer.MAX_VALUE);
    }
}
