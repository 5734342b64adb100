package icformer.template;

import java.util.List;
import java.util.Objects;
import java.util.Set;

/** What can stand behind {@code is}. */
final class Tests {
    private static final Set<String> NAMES = Set.of(
            "odd", "even", "divisibleby", "defined", "undefined", "filter", "test", "none", "boolean", "false", "true",
            "integer", "float", "lower", "upper", "string", "mapping", "number", "sequence", "iterable", "callable", "sameas",
            "escaped", "in", "==", "eq", "equalto", "!=", "ne", ">", "gt", "greaterthan", "ge", ">=", "<", "lt", "lessthan",
            "<=", "le");

    private Tests() {}

    static boolean isKnown(String name) {
        return NAMES.contains(name);
    }

    static boolean holds(String name, Object value, Arguments arguments, Budget budget) {
        if (!arguments.named().isEmpty()) {
            throw TemplateException.error("the test '%s' takes no argument by name here", name);
        }
        return switch (name) {
            case "divisibleby", "sameas", "in", "==", "eq", "equalto", "!=", "ne", ">", "gt", "greaterthan", "ge", ">=", "<",
                    "lt", "lessthan", "<=", "le" -> compares(
                    name, value, Objects.requireNonNull(arguments.bindPositional(name, 1, 1)[0]), budget);
            default -> {
                arguments.bindPositional(name, 0, 0);
                yield is(name, value, budget);
            }
        };
    }

    private static boolean is(String name, Object value, Budget budget) {
        return switch (name) {
            case "defined" -> !(value instanceof Undefined);
            case "undefined" -> value instanceof Undefined;
            case "none" -> value == None.NONE;
            case "true" -> Boolean.TRUE.equals(value);
            case "false" -> Boolean.FALSE.equals(value);
            case "boolean" -> value instanceof Boolean;
            case "integer" -> Values.isWhole(value) && !(value instanceof Boolean);
            case "float" -> value instanceof Double;
            case "number" -> Values.isNumber(value);
            case "string" -> Values.isText(value);
            case "mapping" -> value instanceof Dict;
            case "sequence" -> Values.isText(value) || value instanceof List<?> || value instanceof Dict
                    || value instanceof Undefined;
            case "iterable" -> isIterable(value);
            case "callable" -> value instanceof Callable || value instanceof Undefined;
            case "odd" -> remainder(value, 2L, budget, 1L);
            case "even" -> remainder(value, 2L, budget, 0L);
            case "lower" -> Texts.isLower(Repr.text(value, budget));
            case "upper" -> Texts.isUpper(Repr.text(value, budget));
            case "escaped" -> value instanceof Markup;
            case "filter" -> Filters.isKnown(String.valueOf(Dict.hashable(value, budget)));
            case "test" -> isKnown(String.valueOf(Dict.hashable(value, budget)));
            default -> throw TemplateException.unsupported("No test named '%s'.", name);
        };
    }

    private static boolean isIterable(Object value) {
        return Values.isText(value)
                || value instanceof List<?>
                || value instanceof Dict
                || value instanceof Dict.View
                || value instanceof Generator
                || value instanceof Loop
                || value instanceof Undefined;
    }

    private static boolean remainder(Object value, Object divisor, Budget budget, Object wanted) {
        return Operators.equal(Operators.apply("%", value, divisor, budget), wanted, budget);
    }

    private static boolean compares(String name, Object value, Object other, Budget budget) {
        return switch (name) {
            case "divisibleby" -> remainder(value, other, budget, 0L);
            case "in" -> Operators.contains(other, value, budget);
            case "sameas" -> isSame(value, other);
            case "eq", "equalto", "==" -> Operators.equal(value, other, budget);
            case "ne", "!=" -> !Operators.equal(value, other, budget);
            case "lt", "lessthan", "<" -> Operators.ordered("<", value, other, budget);
            case "le", "<=" -> Operators.ordered("<=", value, other, budget);
            case "gt", "greaterthan", ">" -> Operators.ordered(">", value, other, budget);
            default -> Operators.ordered(">=", value, other, budget);
        };
    }

    private static boolean isSame(Object value, Object other) {
        boolean scalar = value instanceof String || Values.isNumber(value);
        return scalar ? value.equals(other) : value == other;
    }
}
