package icformer.template;

import java.util.List;
import java.util.Map;
import java.util.Set;

/** What can stand behind {@code is}. */
final class Tests {
    private static final Set<String> NAMES = Set.of(
            "defined", "undefined", "none", "true", "false", "boolean", "integer", "float", "number", "string", "mapping",
            "sequence", "iterable", "callable", "odd", "even", "divisibleby", "eq", "equalto", "==", "ne", "!=", "lt",
            "lessthan", "<", "le", "<=", "gt", "greaterthan", ">", "ge", ">=", "in", "sameas", "lower", "upper");

    private Tests() {}

    static boolean isKnown(String name) {
        return NAMES.contains(name);
    }

    static boolean holds(String name, Object value, Arguments arguments, Budget budget) {
        return switch (name) {
            case "defined" -> !(value instanceof Undefined);
            case "undefined" -> value instanceof Undefined;
            case "none" -> value == None.NONE;
            case "true" -> Boolean.TRUE.equals(value);
            case "false" -> Boolean.FALSE.equals(value);
            case "boolean" -> value instanceof Boolean;
            case "integer" -> value instanceof Long;
            case "float" -> value instanceof Double;
            case "number" -> Values.isNumber(value);
            case "string" -> value instanceof String;
            case "mapping" -> value instanceof Map<?, ?>;
            case "sequence" -> value instanceof String || value instanceof List<?> || value instanceof Map<?, ?>
                    || value instanceof Undefined;
            case "iterable" -> value instanceof String || value instanceof List<?> || value instanceof Map<?, ?>
                    || value instanceof Undefined;
            case "callable" -> value instanceof Callable;
            case "odd" -> Values.equal(Values.arithmetic("%", value, 2L), 1L, budget);
            case "even" -> Values.equal(Values.arithmetic("%", value, 2L), 0L, budget);
            case "divisibleby" -> Values.equal(Values.arithmetic("%", value, arguments.first(name)), 0L, budget);
            case "in" -> Values.contains(arguments.first(name), value, budget);
            case "sameas" -> isSame(value, arguments.first(name));
            case "lower" -> isLower(Values.text(value, budget));
            case "upper" -> isUpper(Values.text(value, budget));
            default -> compares(name, value, arguments.first(name), budget);
        };
    }

    /** Whether a text has cased letters, and all of them are lower case. */
    static boolean isLower(String text) {
        return text.equals(Texts.lower(text)) && !text.equals(Texts.upper(text));
    }

    /** Whether a text has cased letters, and all of them are upper case. */
    static boolean isUpper(String text) {
        return text.equals(Texts.upper(text)) && !text.equals(Texts.lower(text));
    }

    private static boolean isSame(Object value, Object other) {
        boolean scalar = value instanceof String || Values.isNumber(value);
        return scalar ? value.equals(other) : value == other;
    }

    private static boolean compares(String name, Object value, Object other, Budget budget) {
        return switch (name) {
            case "eq", "equalto", "==" -> Values.equal(value, other, budget);
            case "ne", "!=" -> !Values.equal(value, other, budget);
            case "lt", "lessthan", "<" -> Values.compare(value, other, budget) < 0;
            case "le", "<=" -> Values.compare(value, other, budget) <= 0;
            case "gt", "greaterthan", ">" -> Values.compare(value, other, budget) > 0;
            case "ge", ">=" -> Values.compare(value, other, budget) >= 0;
            default -> throw TemplateException.unsupported("the test '%s' is not known", name);
        };
    }
}
