package icformer.template;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** What values have by name: methods and attributes of Python's types, and nothing that would change a value. */
final class Methods {
    private static final Set<String> LIST_CHANGES =
            Set.of("append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove");
    private static final Set<String> DICT_CHANGES = Set.of("clear", "pop", "popitem", "setdefault", "update");

    private Methods() {}

    /** A method of a value. */
    private interface Method {
        Object call(Arguments arguments, Budget budget);
    }

    private static Callable bound(Method method) {
        return (arguments, scope) -> method.call(arguments, scope.budget());
    }

    /** What a value has by that name, or null. */
    static @Nullable Object of(Object value, String name, Budget budget) {
        if (name.startsWith("__") && name.endsWith("__")) {
            return Undefined.unsafe(value, name);
        }
        return switch (value) {
            case Namespace namespace -> namespace.get(name, budget);
            case Loop loop -> loop.get(name);
            case Macro macro -> macro.get(name);
            case Functions.Cycler cycler -> cycler.get(name);
            case Functions.DictType type -> type.get(name);
            case Functions.Self self -> self.get(name);
            case String text -> TextMethods.of(text, false, name);
            case Markup(String text) -> TextMethods.of(text, true, name);
            case Tuple.Group group when name.equals("grouper") -> group.get(0);
            case Tuple.Group group when name.equals("list") -> group.get(1);
            case List<?> list -> listMethod(list, name);
            case Dict dict -> dictMethod(dict, name);
            case Long _, Boolean _, BigInteger _ -> wholeMethod(Values.requireWhole(value), name);
            case Double real -> realMethod(real, name);
            default -> null;
        };
    }

    private static @Nullable Object listMethod(List<?> list, String name) {
        if (list instanceof Range range && Set.of("start", "stop", "step").contains(name)) {
            return range.get(name);
        }
        if (Values.isList(list) && LIST_CHANGES.contains(name)) {
            return Undefined.unsafe(list, name);
        }
        return switch (name) {
            case "count" -> bound((arguments, budget) -> {
                Object wanted = arguments.bindPositional(name, 1, 1)[0];
                return list.stream().filter(element -> Operators.equal(element, wanted, budget)).count();
            });
            case "index" -> bound((arguments, budget) -> index(list, arguments, budget));
            case "copy" -> Values.isList(list) ? bound((_, budget) -> Values.list(list, budget)) : null;
            default -> null;
        };
    }

    private static Object index(List<?> list, Arguments arguments, Budget budget) {
        @Nullable Object[] given = arguments.bindPositional("index", 1, 3);
        long from = given[1] == null ? 0 : Values.requireIndex(given[1]);
        long to = given[2] == null ? list.size() : Values.requireIndex(given[2]);
        from = Math.clamp(from < 0 ? from + list.size() : from, 0, list.size());
        to = Math.clamp(to < 0 ? to + list.size() : to, 0, list.size());
        for (long i = from; i < to; i++) {
            if (Operators.equal(list.get((int) i), given[0], budget)) {
                return i;
            }
        }
        throw TemplateException.error("the value is not in the list");
    }

    private static @Nullable Object dictMethod(Dict dict, String name) {
        if (DICT_CHANGES.contains(name)) {
            return Undefined.unsafe(dict, name);
        }
        return switch (name) {
            case "get" -> bound((arguments, budget) -> {
                @Nullable Object[] given = arguments.bindPositional(name, 1, 2);
                Object value = dict.get(given[0], budget);
                return value != null ? value : given[1] != null ? given[1] : None.NONE;
            });
            case "keys" -> bound((_, budget) -> new Dict.View(name, dict.keys(budget)));
            case "values" -> bound((_, budget) -> new Dict.View(name, dict.values(budget)));
            case "items" -> bound((_, budget) -> new Dict.View(name, dict.tuples(budget)));
            case "copy" -> bound((_, budget) -> {
                Dict copy = new Dict();
                copy.putAll(dict, budget);
                return copy;
            });
            case "fromkeys" -> bound(Functions::fromKeys);
            default -> null;
        };
    }

    private static @Nullable Object wholeMethod(BigInteger number, String name) {
        return switch (name) {
            case "real", "numerator" -> Numbers.whole(number);
            case "imag" -> 0L;
            case "denominator" -> 1L;
            case "bit_length" -> bound((_, _) -> (long) number.abs().bitLength());
            case "bit_count" -> bound((_, _) -> (long) number.abs().bitCount());
            case "conjugate" -> bound((_, _) -> Numbers.whole(number));
            case "as_integer_ratio" -> bound((_, _) -> Tuple.of(Numbers.whole(number), 1L));
            default -> null;
        };
    }

    private static @Nullable Object realMethod(double number, String name) {
        return switch (name) {
            case "real" -> number;
            case "imag" -> 0.0;
            case "is_integer" -> bound((_, _) -> number == Math.rint(number) && Double.isFinite(number));
            case "conjugate" -> bound((_, _) -> number);
            default -> null;
        };
    }

    /** Texts, or texts and safe texts, joined as {@code separator.join(elements)} does it. */
    static Object join(String separator, boolean safe, List<Object> elements, Budget budget) {
        List<String> parts = new ArrayList<>(elements.size());
        for (Object element : elements) {
            if (safe) {
                parts.add(Markup.escape(element, budget).text());
            } else if (Values.isText(element)) {
                parts.add(Values.requireText(element));
            } else {
                Values.require(element);
                throw TemplateException.error("a str is wanted to join, not a %s", Values.type(element));
            }
        }
        String joined = Texts.join(separator, parts, budget);
        return safe ? new Markup(joined) : joined;
    }
}
