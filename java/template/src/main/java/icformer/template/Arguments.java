package icformer.template;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
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
     * @param required how many parameters must be given
     */
    @Nullable Object[] bind(String what, int required, String... parameters) {
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
        for (int i = 0; i < required; i++) {
            if (values[i] == null) {
                throw TemplateException.error("%s lacks the argument '%s'", what, parameters[i]);
            }
        }
        return values;
    }

    /** The same for a function that knows its arguments by position alone. */
    @Nullable Object[] bindPositional(String what, int required, int most) {
        if (!named.isEmpty()) {
            throw TemplateException.error("%s takes no argument by name", what);
        }
        if (positional.size() < required || positional.size() > most) {
            throw TemplateException.error("%s does not take %d arguments", what, positional.size());
        }
        return positional.toArray(new Object[most]);
    }

    /** The first argument, which must be there. */
    Object first(String what) {
        if (positional.isEmpty()) {
            throw TemplateException.error("%s lacks an argument", what);
        }
        return positional.getFirst();
    }

    /** Without the first arguments by position. */
    Arguments from(int index) {
        return new Arguments(positional.subList(Math.min(index, positional.size()), positional.size()), named);
    }

    /** With one argument more, by name. */
    Arguments with(String name, Object value) {
        Map<String, Object> more = new LinkedHashMap<>(named);
        more.put(name, value);
        return new Arguments(new ArrayList<>(positional), more);
    }

    static boolean flag(@Nullable Object value, boolean fallback) {
        return value == null ? fallback : Values.isTrue(value);
    }

    /** The argument, or nothing where it was not given or is None. */
    static @Nullable Object orNothing(@Nullable Object value) {
        return value == None.NONE ? null : value;
    }

    static String text(@Nullable Object value, String fallback) {
        return value == null ? fallback : Values.requireText(value);
    }

    static int integer(@Nullable Object value, int fallback) {
        return value == null ? fallback : Math.clamp(Values.requireIndex(value), Integer.MIN_VALUE, Integer.MAX_VALUE);
    }
}
