package icformer.template;

import icformer.template.TemplateException.Kind;
import java.time.LocalDateTime;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The functions that every template can call. */
final class Functions {
    /** As many numbers as jinja2 allows a range to have. */
    private static final long LONGEST_RANGE = 100_000;

    private Functions() {}

    static final Map<String, Callable> GLOBALS = Map.of(
            "range", Functions::range,
            "namespace", (arguments, scope) -> new Namespace(dict(arguments, scope.budget())),
            "dict", new DictType(),
            "cycler", (arguments, _) -> new Cycler(arguments.positional()),
            "joiner", (arguments, _) -> new Joiner(arguments.bind("joiner", 0, "sep")[0]),
            "lipsum", (_, _) -> {
                throw TemplateException.unsupported("lipsum is not implemented: it writes random words");
            },
            "raise_exception", (arguments, scope) -> {
                Object message = arguments.bind("raise_exception", 1, "message")[0];
                throw new TemplateException(Kind.REFUSED, Repr.text(message, scope.budget()));
            },
            "strftime_now", (arguments, scope) -> Strftime.format(
                    Values.requireText(arguments.bind("strftime_now", 1, "format")[0]),
                    LocalDateTime.now(scope.rendering().clock()),
                    scope.budget()));

    /** {@code dict(...)} */
    private static Dict dict(Arguments arguments, Budget budget) {
        Dict dict = new Dict();
        if (arguments.positional().size() > 1) {
            throw TemplateException.error("dict expected at most 1 argument, got %d", arguments.positional().size());
        }
        if (!arguments.positional().isEmpty()) {
            Object given = Values.require(arguments.positional().getFirst());
            if (given instanceof Dict other) {
                dict.putAll(other, budget);
            } else {
                for (Object element : Values.list(given, budget)) {
                    List<Object> pair = Values.list(element, budget);
                    if (pair.size() != 2) {
                        throw TemplateException.error("a dict is made of pairs, not of %d values", pair.size());
                    }
                    dict.put(pair.getFirst(), pair.getLast(), budget);
                }
            }
        }
        arguments.named().forEach((name, value) -> dict.put(name, value, budget));
        return dict;
    }

    static Dict fromKeys(Arguments arguments, Budget budget) {
        @Nullable Object[] given = arguments.bindPositional("fromkeys", 1, 2);
        Dict dict = new Dict();
        for (Object key : Values.list(Values.require(given[0]), budget)) {
            dict.put(key, given[1] == null ? None.NONE : given[1], budget);
        }
        return dict;
    }

    private static Object range(Arguments arguments, Scope scope) {
        @Nullable Object[] given = arguments.bindPositional("range", 1, 3);
        long first = given[1] == null ? 0 : Values.requireIndex(given[0]);
        long end = Values.requireIndex(given[1] == null ? given[0] : given[1]);
        long step = given[2] == null ? 1 : Values.requireIndex(given[2]);
        if (step == 0) {
            throw TemplateException.error("range() arg 3 must not be zero");
        }
        double count = Range.count(first, end, step);
        if (count > LONGEST_RANGE) {
            throw new TemplateException(
                    Kind.LIMIT, "Range too big. The sandbox blocks ranges larger than MAX_RANGE (" + LONGEST_RANGE + ").");
        }
        scope.budget().step();
        return new Range(first, end, step, (int) count);
    }

    /** The type {@code dict}. */
    static final class DictType implements Callable {
        @Override
        public Object call(Arguments arguments, Scope scope) {
            return dict(arguments, scope.budget());
        }

        @Nullable Object get(String name) {
            return name.equals("fromkeys")
                    ? (Callable) (arguments, scope) -> fromKeys(arguments, scope.budget())
                    : null;
        }
    }

    /** Gives its values in turn. */
    static final class Cycler {
        private final List<Object> values;
        private int at;

        Cycler(List<Object> values) {
            if (values.isEmpty()) {
                throw TemplateException.error("at least one item has to be provided");
            }
            this.values = values;
        }

        @Nullable Object get(String name) {
            return switch (name) {
                case "current" -> values.get(at);
                case "items" -> new Tuple(values);
                case "pos" -> (long) at;
                case "next" -> (Callable) (_, _) -> {
                    Object value = values.get(at);
                    at = (at + 1) % values.size();
                    return value;
                };
                case "reset" -> (Callable) (_, _) -> {
                    at = 0;
                    return None.NONE;
                };
                default -> null;
            };
        }
    }

    /** Gives nothing when it is called first, and then a separator. */
    private static final class Joiner implements Callable {
        private final Object separator;
        private boolean used;

        Joiner(@Nullable Object separator) {
            this.separator = separator == null ? ", " : separator;
        }

        @Override
        public Object call(Arguments arguments, Scope scope) {
            arguments.bind("joiner", 0);
            Object text = used ? separator : "";
            used = true;
            return text;
        }
    }

    /** The variable {@code self}: the blocks of a template. */
    record Self(Scope scope) {
        @Nullable Object get(String name) {
            List<Statement> block = scope.rendering().blocks().get(name);
            return block == null ? null : (Callable) (_, caller) -> {
                String text = Statement.render(block, scope.inner());
                return caller.autoescape() ? new Markup(text) : text;
            };
        }
    }
}
