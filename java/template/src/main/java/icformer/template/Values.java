package icformer.template;

import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What can be done with values, as Python does it. Values are {@link String}, {@link Long}, {@link Double}, {@link Boolean},
 * {@link None}, {@link Undefined}, {@link List} (also {@link Tuple}), {@link Map}, {@link Namespace}, {@link Loop} and
 * {@link Callable}; none is ever changed but namespaces.
 */
final class Values {
    private static final int DEEPEST = 100;

    private Values() {}

    // ---- From Java -----------------------------------------------------------------------------------------------------

    /** A value out of JSON-like Java objects, copied. */
    static Object of(@Nullable Object value) {
        return of(value, 0);
    }

    private static Object of(@Nullable Object value, int depth) {
        if (depth > DEEPEST) {
            throw TemplateException.error("a value is nested more than %d times over", DEEPEST);
        }
        return switch (value) {
            case null -> None.NONE;
            case String text -> text;
            case Boolean bool -> bool;
            case Integer number -> number.longValue();
            case Long number -> number;
            case Float number -> number.doubleValue();
            case Double number -> number;
            case List<?> list -> {
                List<Object> copy = new ArrayList<>();
                list.forEach(element -> copy.add(of(element, depth + 1)));
                yield copy;
            }
            case Map<?, ?> map -> {
                Map<Object, Object> copy = new LinkedHashMap<>();
                map.forEach((key, element) -> copy.put(of(key, depth + 1), of(element, depth + 1)));
                yield copy;
            }
            default -> throw TemplateException.error("a template cannot be given a %s", value.getClass().getSimpleName());
        };
    }

    // ---- What a value is -----------------------------------------------------------------------------------------------

    static boolean isTrue(Object value) {
        return switch (value) {
            case Boolean bool -> bool;
            case None _, Undefined _ -> false;
            case String text -> !text.isEmpty();
            case Long number -> number != 0;
            case Double number -> number != 0;
            case List<?> list -> !list.isEmpty();
            case Map<?, ?> map -> !map.isEmpty();
            default -> true;
        };
    }

    static boolean isNumber(Object value) {
        return value instanceof Long || value instanceof Double || value instanceof Boolean;
    }

    /** The type's name in Python, for messages. */
    static String type(Object value) {
        return switch (value) {
            case Boolean _ -> "bool";
            case None _ -> "NoneType";
            case Undefined _ -> "Undefined";
            case String _ -> "str";
            case Long _ -> "int";
            case Double _ -> "float";
            case Tuple _ -> "tuple";
            case List<?> _ -> "list";
            case Map<?, ?> _ -> "dict";
            case Namespace _ -> "Namespace";
            case Loop _ -> "LoopContext";
            default -> "function";
        };
    }

    /** A value that must not be undefined. */
    static Object require(Object value) {
        if (value instanceof Undefined(String reason)) {
            throw TemplateException.error("%s", reason);
        }
        return value;
    }

    static String requireText(Object value) {
        if (require(value) instanceof String text) {
            return text;
        }
        throw TemplateException.error("a str is wanted, not a %s", type(value));
    }

    static long requireInteger(Object value) {
        return switch (require(value)) {
            case Long number -> number;
            case Boolean bool -> bool ? 1 : 0;
            default -> throw TemplateException.error("an int is wanted, not a %s", type(value));
        };
    }

    static double toDouble(Object number) {
        return switch (number) {
            case Long whole -> whole;
            case Double real -> real;
            case Boolean bool -> bool ? 1 : 0;
            default -> throw TemplateException.error("a number is wanted, not a %s", type(number));
        };
    }

    /** What a loop goes over. */
    static List<?> elements(Object value, Budget budget) {
        return switch (value) {
            case List<?> list -> list;
            case Map<?, ?> map -> {
                budget.list(map.size());
                yield new ArrayList<>(map.keySet());
            }
            case String text -> {
                budget.elements(text.length());
                yield Texts.characters(text);
            }
            case Undefined _ -> List.of();
            default -> throw TemplateException.error("a %s cannot be iterated over", type(value));
        };
    }

    static long length(Object value) {
        return switch (value) {
            case String text -> Texts.length(text);
            case List<?> list -> list.size();
            case Map<?, ?> map -> map.size();
            case Undefined _ -> 0;
            default -> throw TemplateException.error("a %s has no length", type(value));
        };
    }

    // ---- Comparisons ---------------------------------------------------------------------------------------------------

    static boolean equal(Object left, Object right, Budget budget) {
        budget.step();
        if (isNumber(left) && isNumber(right)) {
            return left instanceof Double || right instanceof Double
                    ? toDouble(left) == toDouble(right)
                    : requireInteger(left) == requireInteger(right);
        }
        if (left instanceof List<?> a && right instanceof List<?> b) {
            if (a instanceof Tuple != b instanceof Tuple || a.size() != b.size()) {
                return false;
            }
            for (int i = 0; i < a.size(); i++) {
                if (!equal(a.get(i), b.get(i), budget)) {
                    return false;
                }
            }
            return true;
        }
        if (left instanceof Map<?, ?> a && right instanceof Map<?, ?> b) {
            return a.size() == b.size()
                    && a.entrySet().stream()
                            .allMatch(entry -> b.get(entry.getKey()) instanceof Object other
                                    && equal(entry.getValue(), other, budget));
        }
        return left.equals(right);
    }

    /** Less than 0, 0 or more than 0, of values that have an order. */
    static int compare(Object left, Object right, Budget budget) {
        budget.step();
        require(left);
        require(right);
        if (isNumber(left) && isNumber(right)) {
            return left instanceof Double || right instanceof Double
                    ? Double.compare(toDouble(left), toDouble(right))
                    : Long.compare(requireInteger(left), requireInteger(right));
        }
        if (left instanceof String a && right instanceof String b) {
            return Texts.compare(a, b);
        }
        if (left instanceof List<?> a && right instanceof List<?> b && a instanceof Tuple == b instanceof Tuple) {
            for (int i = 0; i < Math.min(a.size(), b.size()); i++) {
                if (!equal(a.get(i), b.get(i), budget)) {
                    return compare(a.get(i), b.get(i), budget);
                }
            }
            return Integer.compare(a.size(), b.size());
        }
        throw TemplateException.error("a %s cannot be compared with a %s", type(left), type(right));
    }

    static boolean contains(Object container, Object element, Budget budget) {
        return switch (container) {
            case String text -> text.contains(requireText(element));
            case Map<?, ?> map -> !(element instanceof Undefined) && map.containsKey(requireKey(element));
            case List<?> list -> list.stream().anyMatch(other -> equal(other, element, budget));
            case Undefined _ -> false;
            default -> throw TemplateException.error("nothing can be in a %s", type(container));
        };
    }

    // ---- Parts ---------------------------------------------------------------------------------------------------------

    /** {@code value.name}: a method of the value or else one of its elements. */
    static Object attribute(Object value, String name) {
        if (require(value) instanceof Namespace namespace) {
            return namespace.get(name);
        }
        if (value instanceof Loop loop) {
            Object attribute = loop.get(name);
            return attribute != null ? attribute : missing(value, name);
        }
        Callable method = Methods.of(value, name);
        if (method != null) {
            return method;
        }
        Object element = value instanceof Map<?, ?> map ? map.get(name) : null;
        return element != null ? element : missing(value, name);
    }

    /** {@code value[key]}: an element of the value or else one of its methods. */
    static Object element(Object value, Object key) {
        require(value);
        require(key);
        if (value instanceof Map<?, ?> map) {
            Object element = map.get(requireKey(key));
            if (element != null) {
                return element;
            }
        }
        if (key instanceof Long index && value instanceof List<?> list) {
            long place = index < 0 ? index + list.size() : index;
            return place >= 0 && place < list.size() ? list.get((int) place) : missing(value, key);
        }
        if (key instanceof Long index && value instanceof String text) {
            int length = Texts.length(text);
            long place = index < 0 ? index + length : index;
            return place >= 0 && place < length ? Texts.part(text, (int) place, (int) place + 1) : missing(value, key);
        }
        Callable method = key instanceof String name ? Methods.of(value, name) : null;
        return method != null ? method : missing(value, key);
    }

    private static Undefined missing(Object value, Object key) {
        return new Undefined("a " + type(value) + " has no element " + (key instanceof String ? "'" + key + "'" : key));
    }

    /** A value that a mapping can have as a key. */
    static Object requireKey(Object value) {
        if (require(value) instanceof String || isNumber(value) || value == None.NONE) {
            return value;
        }
        throw TemplateException.error("a %s cannot be a key", type(value));
    }

    /** {@code value[from:to:step]}, each of them None or an int. */
    static Object slice(Object value, Object from, Object to, Object by, Budget budget) {
        long step = by == None.NONE ? 1 : requireInteger(by);
        if (step == 0) {
            throw TemplateException.error("a slice cannot step by 0");
        }
        if (!(require(value) instanceof List<?> || value instanceof String)) {
            return missing(value, "a slice");
        }
        List<?> all = elements(value, budget);
        long length = all.size();
        long first = from == None.NONE ? step > 0 ? 0 : length - 1 : bound(requireInteger(from), length, step);
        long last = to == None.NONE ? step > 0 ? length : -1 : bound(requireInteger(to), length, step);
        List<Object> part = new ArrayList<>();
        for (long i = first; step > 0 ? i < last : i > last; i += step) {
            part.add(all.get((int) i));
        }
        budget.list(part.size());
        return value instanceof String ? Texts.join(part) : value instanceof Tuple ? new Tuple(part) : part;
    }

    private static long bound(long place, long length, long step) {
        long fromBegin = place < 0 ? place + length : place;
        return step > 0 ? Math.clamp(fromBegin, 0, length) : Math.clamp(fromBegin, -1, length - 1);
    }

    // ---- Arithmetic ----------------------------------------------------------------------------------------------------

    static Object add(Object left, Object right, Budget budget) {
        if (left instanceof String a && right instanceof String b) {
            budget.text((long) a.length() + b.length());
            return a.concat(b);
        }
        if (left instanceof List<?> a && right instanceof List<?> b && a instanceof Tuple == b instanceof Tuple) {
            budget.list((long) a.size() + b.size());
            List<Object> both = new ArrayList<>(a);
            both.addAll(b);
            return a instanceof Tuple ? new Tuple(both) : both;
        }
        return arithmetic("+", left, right);
    }

    static Object multiply(Object left, Object right, Budget budget) {
        if (isNumber(left) && (right instanceof String || right instanceof List<?>)) {
            return multiply(right, left, budget);
        }
        if (left instanceof String text) {
            int count = Math.clamp(requireInteger(right), 0, Integer.MAX_VALUE);
            budget.text((long) count * text.length());
            return text.repeat(count);
        }
        if (left instanceof List<?> list) {
            int count = Math.clamp(requireInteger(right), 0, Integer.MAX_VALUE);
            budget.list((long) count * list.size());
            List<Object> repeated = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                repeated.addAll(list);
            }
            return left instanceof Tuple ? new Tuple(repeated) : repeated;
        }
        return arithmetic("*", left, right);
    }

    static Object arithmetic(String operator, Object left, Object right) {
        require(left);
        require(right);
        if (!isNumber(left) || !isNumber(right)) {
            throw TemplateException.error("%s cannot be applied to a %s and a %s", operator, type(left), type(right));
        }
        try {
            return left instanceof Double || right instanceof Double || operator.equals("/")
                    ? real(operator, toDouble(left), toDouble(right))
                    : whole(operator, requireInteger(left), requireInteger(right));
        } catch (ArithmeticException e) {
            throw TemplateException.error("%s %s %s cannot be computed", left, operator, right);
        }
    }

    private static Object whole(String operator, long left, long right) {
        return switch (operator) {
            case "+" -> Math.addExact(left, right);
            case "-" -> Math.subtractExact(left, right);
            case "*" -> Math.multiplyExact(left, right);
            case "//" -> Math.floorDiv(left, right);
            case "%" -> Math.floorMod(left, right);
            default -> right < 0 ? real(operator, left, right) : (Object) power(left, right);
        };
    }

    private static long power(long base, long exponent) {
        if (exponent > 64 && (base < -1 || base > 1)) {
            throw new ArithmeticException("the power is too large");
        }
        long power = 1;
        for (long i = base == 1 || base == 0 && exponent > 0 ? 1 : base == -1 ? exponent % 2 : exponent; i > 0; i--) {
            power = Math.multiplyExact(power, base);
        }
        return power;
    }

    private static Object real(String operator, double left, double right) {
        boolean divides = operator.equals("/") || operator.equals("//") || operator.equals("%");
        if (divides && right == 0 || operator.equals("**") && left == 0 && right < 0) {
            throw new ArithmeticException("division by zero");
        }
        return switch (operator) {
            case "+" -> left + right;
            case "-" -> left - right;
            case "*" -> left * right;
            case "/" -> left / right;
            case "//" -> Math.floor(left / right);
            case "%" -> left - right * Math.floor(left / right);
            default -> Math.pow(left, right);
        };
    }

    static Object negate(Object value) {
        return arithmetic("-", value instanceof Double ? (Object) (-0.0) : (Object) 0L, value);
    }

    // ---- As text -------------------------------------------------------------------------------------------------------

    /** What a value is printed as: {@code str(value)}. */
    static String text(Object value, Budget budget) {
        if (value instanceof String text) {
            return text;
        }
        StringBuilder text = new StringBuilder();
        if (!(value instanceof Undefined)) {
            repr(value, text, budget, 0);
        }
        return text.toString();
    }

    /** {@code repr(value)}: how a value is printed within a list. */
    private static void repr(Object value, StringBuilder out, Budget budget, int depth) {
        if (depth > DEEPEST) {
            throw TemplateException.error("a value is nested more than %d times over", DEEPEST);
        }
        budget.step();
        switch (value) {
            case String text -> {
                budget.text(text.length());
                Texts.quote(text, out);
            }
            case Boolean bool -> out.append(bool ? "True" : "False");
            case None _ -> out.append("None");
            case Undefined _ -> out.append("Undefined");
            case Long number -> out.append(number);
            case Double number -> out.append(real(number));
            case List<?> list -> {
                boolean tuple = list instanceof Tuple;
                out.append(tuple ? '(' : '[');
                String comma = "";
                for (Object element : list) {
                    out.append(comma);
                    repr(element, out, budget, depth + 1);
                    comma = ", ";
                }
                out.append(tuple ? list.size() == 1 ? ",)" : ")" : "]");
            }
            case Map<?, ?> map -> {
                out.append('{');
                String comma = "";
                for (Map.Entry<?, ?> entry : map.entrySet()) {
                    out.append(comma);
                    repr(entry.getKey(), out, budget, depth + 1);
                    out.append(": ");
                    repr(entry.getValue(), out, budget, depth + 1);
                    comma = ", ";
                }
                out.append('}');
            }
            default -> out.append('<').append(type(value)).append('>');
        }
    }

    /** The shortest text of a float: 16 digits and an exponent where Python writes one. */
    static String real(double number) {
        if (Double.isNaN(number)) {
            return "nan";
        }
        if (Double.isInfinite(number)) {
            return number > 0 ? "inf" : "-inf";
        }
        double size = Math.abs(number);
        if (size == 0 || size >= 1e-4 && size < 1e16) {
            String plain = new BigDecimal(Double.toString(number)).stripTrailingZeros().toPlainString();
            String signed = number == 0 && 1 / number < 0 && !plain.startsWith("-") ? "-" + plain : plain;
            return signed.contains(".") ? signed : signed + ".0";
        }
        String[] parts = Double.toString(number).split("E");
        String digits = parts[0].endsWith(".0") ? parts[0].substring(0, parts[0].length() - 2) : parts[0];
        int exponent = Integer.parseInt(parts[1]);
        return "%se%s%02d".formatted(digits, exponent < 0 ? "-" : "+", Math.abs(exponent));
    }
}
