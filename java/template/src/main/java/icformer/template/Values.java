package icformer.template;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What values are and what they consist of, as in Python. Values are {@link String} and {@link Markup}, {@link Long} and
 * {@link BigInteger} (never one that a long can hold), {@link Double}, {@link Boolean}, {@link None}, {@link Undefined},
 * {@link List} (also {@link Tuple} and {@link Range}), {@link Dict}, {@link Dict.View}, {@link Generator},
 * {@link Namespace}, {@link Loop} and {@link Callable}.
 */
final class Values {
    static final int DEEPEST = 100;

    /** What even an undefined value has, and templates must not touch. */
    private static final Set<String> UNDEFINED_HAS = Set.of(
            "__bool__", "__call__", "__class__", "__doc__", "__eq__", "__getitem__", "__hash__", "__init__", "__iter__",
            "__len__", "__module__", "__repr__", "__str__");

    private Values() {}

    // ---- From Java -----------------------------------------------------------------------------------------------------

    /** A value out of JSON-like Java objects, copied. */
    static Object of(@Nullable Object value, Budget budget) {
        return of(value, 0, budget);
    }

    private static Object of(@Nullable Object value, int depth, Budget budget) {
        requireShallow(depth);
        budget.given(16);
        return switch (value) {
            case null -> None.NONE;
            case String text -> {
                budget.given(text.length());
                yield text;
            }
            case Boolean bool -> bool;
            case Integer number -> number.longValue();
            case Long number -> number;
            case BigInteger number -> Numbers.whole(number);
            case Float number -> number.doubleValue();
            case Double number -> number;
            case List<?> list -> {
                List<Object> copy = new ArrayList<>();
                list.forEach(element -> copy.add(of(element, depth + 1, budget)));
                yield copy;
            }
            case Map<?, ?> map -> {
                Dict copy = new Dict();
                map.forEach((key, element) ->
                        copy.put(of(key, depth + 1, budget), of(element, depth + 1, budget), budget));
                yield copy;
            }
            default -> throw TemplateException.error("a template cannot be given a %s", value.getClass().getSimpleName());
        };
    }

    static void requireShallow(int depth) {
        if (depth > DEEPEST) {
            throw new TemplateException(
                    TemplateException.Kind.LIMIT, "a value is nested more than " + DEEPEST + " times over");
        }
    }

    // ---- What a value is -----------------------------------------------------------------------------------------------

    static boolean isTrue(Object value) {
        return switch (value) {
            case Boolean bool -> bool;
            case None _, Undefined _ -> false;
            case String text -> !text.isEmpty();
            case Markup(String text) -> !text.isEmpty();
            case Long number -> number != 0;
            case Double number -> number != 0;
            case List<?> list -> !list.isEmpty();
            case Dict dict -> dict.size() > 0;
            case Dict.View view -> !view.elements().isEmpty();
            default -> true;
        };
    }

    static boolean isNumber(Object value) {
        return value instanceof Double || isWhole(value);
    }

    /** An int, of which Python's bool is a kind. */
    static boolean isWhole(Object value) {
        return value instanceof Long || value instanceof BigInteger || value instanceof Boolean;
    }

    static boolean isText(Object value) {
        return value instanceof String || value instanceof Markup;
    }

    /** A list, and neither a tuple nor a range. */
    static boolean isList(Object value) {
        return value instanceof List<?> && !(value instanceof Tuple) && !(value instanceof Range);
    }

    /** The type's name in Python, for messages. */
    static String type(Object value) {
        return switch (value) {
            case Boolean _ -> "bool";
            case None _ -> "NoneType";
            case Undefined _ -> "Undefined";
            case String _ -> "str";
            case Markup _ -> "Markup";
            case Long _, BigInteger _ -> "int";
            case Double _ -> "float";
            case Tuple _ -> "tuple";
            case Range _ -> "range";
            case List<?> _ -> "list";
            case Dict _ -> "dict";
            case Dict.View view -> "dict_" + view.kind();
            case Generator _ -> "generator";
            case Namespace _ -> "Namespace";
            case Loop _ -> "LoopContext";
            default -> "function";
        };
    }

    /** A value that must not be undefined. */
    static Object require(Object value) {
        if (value instanceof Undefined undefined) {
            throw undefined.failure();
        }
        return value;
    }

    static String requireText(Object value) {
        return switch (require(value)) {
            case String text -> text;
            case Markup(String text) -> text;
            default -> throw TemplateException.error("a str is wanted, not a %s", type(value));
        };
    }

    static BigInteger requireWhole(Object value) {
        return switch (require(value)) {
            case Long number -> BigInteger.valueOf(number);
            case BigInteger number -> number;
            case Boolean bool -> bool ? BigInteger.ONE : BigInteger.ZERO;
            default -> throw TemplateException.error("an int is wanted, not a %s", type(value));
        };
    }

    /** An int that is a place or a count: the nearest long. */
    static long requireIndex(Object value) {
        if (value instanceof Long number) {
            return number;
        }
        BigInteger number = requireWhole(value);
        return number.bitLength() < 64 ? number.longValue() : number.signum() < 0 ? -Long.MAX_VALUE : Long.MAX_VALUE;
    }

    // ---- Elements ------------------------------------------------------------------------------------------------------

    /** What a loop goes over. */
    static Iterator<Object> iterate(Object value, Budget budget) {
        return switch (value) {
            case String text -> Texts.characters(text, budget);
            case Markup(String text) -> Texts.characters(text, budget);
            case List<?> list -> counted(list.iterator(), budget);
            case Dict dict -> dict.keys(budget).iterator();
            case Dict.View view -> counted(view.elements().iterator(), budget);
            case Generator generator -> generator.elements();
            case Undefined _ -> Collections.emptyIterator();
            default -> throw TemplateException.error("'%s' object is not iterable", type(value));
        };
    }

    private static Iterator<Object> counted(Iterator<?> elements, Budget budget) {
        return new Iterator<>() {
            @Override
            public boolean hasNext() {
                return elements.hasNext();
            }

            @Override
            public Object next() {
                budget.step();
                return elements.next();
            }
        };
    }

    /** All that a loop would go over. */
    static List<Object> list(Object value, Budget budget) {
        if (value instanceof List<?> list) {
            budget.list(list.size());
            return new ArrayList<>(list);
        }
        List<Object> list = new ArrayList<>();
        iterate(value, budget).forEachRemaining(element -> {
            budget.list(1);
            list.add(element);
        });
        return list;
    }

    static long length(Object value, Budget budget) {
        return switch (value) {
            case String text -> Texts.length(text, budget);
            case Markup(String text) -> Texts.length(text, budget);
            case List<?> list -> list.size();
            case Dict dict -> dict.size();
            case Dict.View view -> view.elements().size();
            case Loop loop -> loop.length();
            case Undefined _ -> 0;
            default -> throw TemplateException.error("object of type '%s' has no len()", type(value));
        };
    }

    /** {@code value.name}: what the value has by that name, or else its element. */
    static Object attribute(Object value, String name, Budget budget) {
        budget.step();
        if (value instanceof Undefined && UNDEFINED_HAS.contains(name)) {
            return Undefined.unsafe(value, name);
        }
        Object own = Methods.of(require(value), name, budget);
        if (own != null) {
            return own;
        }
        Object element = value instanceof Dict dict ? dict.get(name, budget) : null;
        return element != null ? element : Undefined.missing(value, name);
    }

    /** {@code value[key]}: an element of the value, or else what it has by that name. */
    static Object element(Object value, Object key, Budget budget) {
        budget.step();
        require(value);
        Object element = switch (value) {
            case Dict dict when isHashable(key) -> dict.get(key, budget);
            case List<?> list when isWhole(key) -> elementAt(list, requireIndex(key));
            case String text when isWhole(key) -> Texts.characterAt(text, requireIndex(key), budget);
            case Markup(String text) when isWhole(key) -> {
                String character = Texts.characterAt(text, requireIndex(key), budget);
                yield character == null ? null : new Markup(character);
            }
            default -> null;
        };
        if (element == null && isText(key)) {
            element = Methods.of(value, requireText(key), budget);
        }
        return element != null ? element : Undefined.missing(value, key);
    }

    private static boolean isHashable(Object key) {
        return switch (key) {
            case Tuple tuple -> tuple.stream().allMatch(Values::isHashable);
            case Range _ -> true;
            case List<?> _, Dict _, Dict.View _ -> false;
            default -> true;
        };
    }

    private static @Nullable Object elementAt(List<?> list, long index) {
        long place = index < 0 ? index + list.size() : index;
        return place >= 0 && place < list.size() ? list.get((int) place) : null;
    }
}
