package icformer.template;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.RoundingMode;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Filters that make numbers, or texts of them. */
final class NumberFilters {
    private static final String UNITS = "kMGTPEZY";

    private NumberFilters() {}

    static void register(Map<String, Filters.Filter> filters) {
        filters.put("abs", (value, arguments, scope) -> absolute(value, arguments, scope.budget()));
        filters.put("float", NumberFilters::real);
        filters.put("int", NumberFilters::whole);
        filters.put("round", (value, arguments, scope) -> round(value, arguments, scope.budget()));
        filters.put("filesizeformat", NumberFilters::fileSize);
    }

    private static Object absolute(Object value, Arguments arguments, Budget budget) {
        arguments.bind("abs", 0);
        if (!Values.isNumber(value)) {
            throw TemplateException.error("bad operand type for abs(): '%s'", Values.type(value));
        }
        if (value instanceof Double number) {
            return Math.abs(number);
        }
        return Numbers.whole(Values.requireWhole(value).abs());
    }

    private static @Nullable Double parse(Object value, Budget budget) {
        Values.require(value);
        if (Values.isText(value)) {
            budget.read(Values.requireText(value).length());
            return Numbers.parseReal(Values.requireText(value));
        }
        return Values.isNumber(value) ? (Double) Numbers.toDouble(value) : null;
    }

    private static Object real(Object value, Arguments arguments, Scope scope) {
        @Nullable Object[] given = arguments.bind("float", 0, "default");
        Double number = parse(value, scope.budget());
        return number != null ? number : given[0] == null ? 0.0 : given[0];
    }

    private static Object whole(Object value, Arguments arguments, Scope scope) {
        @Nullable Object[] given = arguments.bind("int", 0, "default", "base");
        Object fallback = given[0] == null ? 0L : given[0];
        if (value instanceof Double number) {
            return number.isNaN() ? fallback : Numbers.truncate(number);
        }
        if (Values.isWhole(Values.require(value))) {
            return Numbers.whole(Values.requireWhole(value));
        }
        if (Values.isText(value)) {
            int base = Arguments.integer(given[1], 10);
            scope.budget().read(Values.requireText(value).length());
            Object number = Numbers.parseWhole(Values.requireText(value), base);
            if (number != null) {
                return number;
            }
        }
        Double number = parse(value, scope.budget());
        return number == null || !Double.isFinite(number) ? fallback : Numbers.truncate(number);
    }

    private static Object round(Object value, Arguments arguments, Budget budget) {
        @Nullable Object[] given = arguments.bind("round", 0, "precision", "method");
        String method = given[1] == null ? "common" : Values.requireText(given[1]);
        long precision = given[0] == null ? 0 : Values.requireIndex(given[0]);
        if (!Values.isNumber(Values.require(value))) {
            throw TemplateException.error("type %s doesn't define __round__ method", Values.type(value));
        }
        if (method.equals("common")) {
            return Numbers.round(value, precision);
        }
        RoundingMode mode = switch (method) {
            case "ceil" -> RoundingMode.CEILING;
            case "floor" -> RoundingMode.FLOOR;
            default -> throw TemplateException.error("method must be common, ceil or floor");
        };
        Object scale = Numbers.arithmetic("**", 10L, precision, budget);
        Object scaled = Numbers.arithmetic("*", value, scale, budget);
        Object edge = scaled;
        if (scaled instanceof Double number) {
            if (!Double.isFinite(number)) {
                throw TemplateException.error("cannot convert float %s to integer", Numbers.text(number));
            }
            BigInteger whole = new BigDecimal(number).setScale(0, mode).toBigInteger();
            edge = Numbers.whole(whole);
        }
        return Numbers.arithmetic("/", edge, scale, budget);
    }

    private static Object fileSize(Object value, Arguments arguments, Scope scope) {
        boolean binary = Arguments.flag(arguments.bind("filesizeformat", 0, "binary")[0], false);
        Double size = parse(value, scope.budget());
        if (size == null || Double.isNaN(size)) {
            throw TemplateException.error("could not convert to float: '%s'", Values.type(value));
        }
        double base = binary ? 1024 : 1000;
        if (size == 1) {
            return "1 Byte";
        }
        if (size < base) {
            return Repr.text(Numbers.truncate(size), scope.budget()) + " Bytes";
        }
        int power = 0;
        while (power < UNITS.length() - 1 && size >= Math.pow(base, power + 2)) {
            power++;
        }
        String unit = (binary ? UNITS.substring(power, power + 1).toUpperCase(Locale.ROOT) : UNITS.substring(power, power + 1))
                + (binary ? "iB" : "B");
        double shown = base * size / Math.pow(base, power + 2);
        return NumberFormat.real(shown, 'f', 1, false, scope.budget()) + " " + unit;
    }
}
