package icformer.template;

import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** What can stand behind {@code |}. */
final class Filters {
    private static final Set<String> NAMES = Set.of(
            "abs", "attr", "capitalize", "count", "d", "default", "dictsort", "e", "escape", "first", "float", "indent", "int",
            "items", "join", "last", "length", "list", "lower", "map", "max", "min", "reject", "rejectattr", "replace",
            "reverse", "round", "safe", "select", "selectattr", "sort", "string", "sum", "title", "tojson", "trim", "unique",
            "upper", "wordcount");

    private static final Pattern WORD = Pattern.compile("\\w+", Pattern.UNICODE_CHARACTER_CLASS);

    private Filters() {}

    static boolean isKnown(String name) {
        return NAMES.contains(name);
    }

    static Object apply(String name, Object value, Arguments arguments, Budget budget) {
        return switch (name) {
            case "abs" -> Values.compare(value, 0L, budget) < 0 ? Values.negate(value) : value;
            case "attr" -> Values.attribute(value, Values.requireText(arguments.first(name)));
            case "capitalize" -> Texts.capitalize(Values.text(value, budget));
            case "count", "length" -> Values.length(value);
            case "d", "default" -> orElse(value, arguments);
            case "dictsort" -> sortedItems(value, arguments, budget);
            case "e", "escape" -> escape(Values.text(value, budget), budget);
            case "first" -> edge(Values.elements(value, budget), true);
            case "last" -> edge(Values.elements(value, budget), false);
            case "float" -> real(value, arguments);
            case "int" -> whole(value, arguments);
            case "indent" -> indent(Values.text(value, budget), arguments, budget);
            case "items" -> value instanceof Undefined ? List.of() : Methods.items(map(value), budget);
            case "join" -> join(value, arguments, budget);
            case "list" -> new ArrayList<Object>(Values.elements(value, budget));
            case "lower" -> Texts.lower(Values.text(value, budget));
            case "upper" -> Texts.upper(Values.text(value, budget));
            case "title" -> titled(Values.text(value, budget));
            case "map" -> mapped(value, arguments, budget);
            case "max", "min" -> extreme(name, value, arguments, budget);
            case "select", "reject" -> selected(value, arguments, name.equals("select"), null, budget);
            case "selectattr", "rejectattr" -> selected(
                    value, arguments.rest(), name.equals("selectattr"), Values.requireText(arguments.first(name)), budget);
            case "replace" -> replaced(Values.text(value, budget), arguments, budget);
            case "reverse" -> reversed(value, budget);
            case "round" -> rounded(value, arguments);
            case "safe", "string" -> Values.text(value, budget);
            case "sort" -> sorted(value, arguments, budget);
            case "sum" -> sum(value, arguments, budget);
            case "tojson" -> Json.text(value, arguments, budget);
            case "trim" -> trimmed(Values.text(value, budget), arguments);
            case "unique" -> unique(value, arguments, budget);
            case "wordcount" -> WORD.matcher(Values.text(value, budget)).results().count();
            default -> throw TemplateException.unsupported("the filter '%s' is not known", name);
        };
    }

    private static Map<?, ?> map(Object value) {
        if (Values.require(value) instanceof Map<?, ?> map) {
            return map;
        }
        throw TemplateException.error("a dict is wanted, not a %s", Values.type(value));
    }

    private static Object orElse(Object value, Arguments arguments) {
        @Nullable Object[] given = arguments.bind("default", "default_value", "boolean");
        Object fallback = given[0] == null ? "" : given[0];
        boolean lacks = value instanceof Undefined || Arguments.flag(given[1], false) && !Values.isTrue(value);
        return lacks ? fallback : value;
    }

    private static Object edge(List<?> elements, boolean first) {
        if (elements.isEmpty()) {
            return new Undefined("the sequence is empty");
        }
        return first ? elements.getFirst() : elements.getLast();
    }

    // ---- Numbers -------------------------------------------------------------------------------------------------------

    private static Object real(Object value, Arguments arguments) {
        @Nullable Object[] given = arguments.bind("float", "default");
        Values.require(value);
        try {
            return value instanceof String text ? Double.parseDouble(text.strip()) : Values.toDouble(value);
        } catch (NumberFormatException | TemplateException e) {
            return given[0] == null ? 0.0 : given[0];
        }
    }

    private static Object whole(Object value, Arguments arguments) {
        @Nullable Object[] given = arguments.bind("int", "default", "base");
        Values.require(value);
        int base = Arguments.integer(given[1], 10);
        Object fallback = given[0] == null ? 0L : given[0];
        if (value instanceof Double real && Math.abs(real) >= 0x1p63) {
            throw TemplateException.error("%s is too large for an int", Values.real(real));
        }
        try {
            return switch (value) {
                case String text when base != 10 || text.strip().matches("[-+]?\\d+") -> Long.parseLong(text.strip(), base);
                case String text -> truncated(Double.parseDouble(text.strip()));
                case Double real -> truncated(real);
                default -> Values.requireInteger(value);
            };
        } catch (NumberFormatException | TemplateException e) {
            return fallback;
        }
    }

    private static long truncated(double value) {
        if (Double.isNaN(value) || Math.abs(value) >= 0x1p63) {
            throw new NumberFormatException("no int");
        }
        return (long) value;
    }

    private static Object rounded(Object value, Arguments arguments) {
        @Nullable Object[] given = arguments.bind("round", "precision", "method");
        String method = Arguments.text(given[1], "common");
        int precision = Math.clamp(Arguments.integer(given[0], 0), -300, 300);
        if (!(value instanceof Double) && method.equals("common")) {
            BigDecimal whole = BigDecimal.valueOf(Values.requireInteger(value));
            return whole.setScale(Math.min(precision, 0), RoundingMode.HALF_EVEN).longValueExact();
        }
        RoundingMode mode = switch (method) {
            case "common" -> RoundingMode.HALF_EVEN;
            case "ceil" -> RoundingMode.CEILING;
            case "floor" -> RoundingMode.FLOOR;
            default -> throw TemplateException.error("numbers are rounded common, ceil or floor");
        };
        double number = Values.toDouble(Values.require(value));
        boolean exact = Double.isNaN(number) || Double.isInfinite(number);
        return exact ? number : new BigDecimal(number).setScale(precision, mode).doubleValue();
    }

    private static Object sum(Object value, Arguments arguments, Budget budget) {
        @Nullable Object[] given = arguments.bind("sum", "attribute", "start");
        Object sum = given[1] == null ? 0L : given[1];
        for (Object element : Values.elements(value, budget)) {
            sum = Values.add(sum, attribute(element, given[0]), budget);
        }
        return sum;
    }

    // ---- Texts ---------------------------------------------------------------------------------------------------------

    private static String escape(String text, Budget budget) {
        budget.text(5L * text.length());
        return text.replace("&", "&amp;")
                .replace(">", "&gt;")
                .replace("<", "&lt;")
                .replace("'", "&#39;")
                .replace("\"", "&#34;");
    }

    /** Words begin behind white space, a hyphen and an opening bracket; what follows is in lower case. */
    private static String titled(String text) {
        StringBuilder titled = new StringBuilder();
        boolean begins = true;
        for (int at = 0; at < text.length(); ) {
            int point = text.codePointAt(at);
            String character = Character.toString(point);
            titled.append(begins ? Texts.upper(character) : Texts.lower(character));
            begins = Lexer.isSpace(point) || "-([{<".indexOf(point) >= 0;
            at += Character.charCount(point);
        }
        return titled.toString();
    }

    private static String replaced(String text, Arguments arguments, Budget budget) {
        @Nullable Object[] given = arguments.bind("replace", "old", "new", "count");
        int limit = given[2] == None.NONE ? -1 : Arguments.integer(given[2], -1);
        return Texts.replace(text, textOf(given[0], budget), textOf(given[1], budget), limit, budget);
    }

    private static String textOf(@Nullable Object given, Budget budget) {
        return given == null ? "" : Values.text(given, budget);
    }

    private static String trimmed(String text, Arguments arguments) {
        @Nullable Object[] given = arguments.bind("trim", "chars");
        return Texts.strip(text, given[0] == None.NONE ? "" : Arguments.text(given[0], ""), true, true);
    }

    private static String indent(String text, Arguments arguments, Budget budget) {
        @Nullable Object[] given = arguments.bind("indent", "width", "first", "blank");
        Object width = given[0] == null ? 4L : given[0];
        String margin = width instanceof String own ? own : Values.text(Values.multiply(" ", width, budget), budget);
        boolean blank = Arguments.flag(given[2], false);
        StringBuilder indented = new StringBuilder();
        String[] lines = text.split("\n", -1);
        for (int i = 0; i < lines.length; i++) {
            boolean deeper = i == 0 ? Arguments.flag(given[1], false) : blank || !lines[i].isEmpty();
            budget.text(lines[i].length() + (long) margin.length());
            indented.append(i == 0 ? "" : "\n").append(deeper ? margin : "").append(lines[i]);
        }
        return indented.toString();
    }

    private static String join(Object value, Arguments arguments, Budget budget) {
        @Nullable Object[] given = arguments.bind("join", "d", "attribute");
        List<Object> elements = new ArrayList<>();
        Values.elements(value, budget).forEach(element -> elements.add(attribute(element, given[1])));
        return Methods.join(textOf(given[0], budget), elements, budget);
    }

    // ---- Lists ---------------------------------------------------------------------------------------------------------

    private static Object reversed(Object value, Budget budget) {
        List<Object> elements = new ArrayList<>(Values.elements(value, budget));
        Collections.reverse(elements);
        return value instanceof String ? Texts.join(elements) : elements;
    }

    /** {@code element.a.b.0}, or the element itself where there is no path. */
    private static Object attribute(Object element, @Nullable Object path) {
        if (path == null || path == None.NONE) {
            return element;
        }
        if (path instanceof Long) {
            return Values.element(element, path);
        }
        Object value = element;
        for (String name : Values.requireText(path).split("\\.")) {
            boolean index = !name.isEmpty() && name.chars().allMatch(c -> c >= '0' && c <= '9') && name.length() < 10;
            value = Values.element(value, index ? (Object) Long.valueOf(name) : name);
        }
        return value;
    }

    /** The elements of a value; none of one that is false, whatever it is. */
    private static List<?> orNone(Object value, Budget budget) {
        return Values.isTrue(value) ? Values.elements(value, budget) : List.of();
    }

    private static List<Object> mapped(Object value, Arguments arguments, Budget budget) {
        List<Object> mapped = new ArrayList<>();
        boolean byName = arguments.positional().isEmpty();
        @Nullable Object[] given = byName ? arguments.bind("map", "attribute", "default") : new Object[2];
        for (Object element : orNone(value, budget)) {
            budget.step();
            if (byName) {
                Object part = attribute(element, given[0] == null ? arguments.first("map") : given[0]);
                mapped.add(part instanceof Undefined && given[1] != null ? given[1] : part);
            } else {
                mapped.add(apply(Values.requireText(arguments.first("map")), element, arguments.rest(), budget));
            }
        }
        return mapped;
    }

    /** The elements that, or an attribute of which, a test holds of, or is true of where no test is given. */
    private static List<Object> selected(
            Object value, Arguments arguments, boolean wanted, @Nullable String attribute, Budget budget) {
        List<Object> selected = new ArrayList<>();
        for (Object element : orNone(value, budget)) {
            budget.step();
            Object examined = attribute(element, attribute);
            boolean holds = arguments.positional().isEmpty()
                    ? Values.isTrue(examined)
                    : Tests.holds(Values.requireText(arguments.first("select")), examined, arguments.rest(), budget);
            if (holds == wanted) {
                selected.add(element);
            }
        }
        return selected;
    }

    private static Object foldCase(Object value, boolean caseSensitive) {
        return value instanceof String text && !caseSensitive ? Texts.lower(text) : value;
    }

    private static List<Object> sorted(Object value, Arguments arguments, Budget budget) {
        @Nullable Object[] given = arguments.bind("sort", "reverse", "case_sensitive", "attribute");
        boolean caseSensitive = Arguments.flag(given[1], false);
        Comparator<Object> order = (a, b) -> Values.compare(
                foldCase(attribute(a, given[2]), caseSensitive), foldCase(attribute(b, given[2]), caseSensitive), budget);
        List<Object> sorted = new ArrayList<>(Values.elements(value, budget));
        sorted.sort(Arguments.flag(given[0], false) ? order.reversed() : order);
        return sorted;
    }

    private static List<Object> sortedItems(Object value, Arguments arguments, Budget budget) {
        @Nullable Object[] given = arguments.bind("dictsort", "case_sensitive", "by", "reverse");
        boolean caseSensitive = Arguments.flag(given[0], false);
        int by = Arguments.text(given[1], "key").equals("key") ? 0 : 1;
        Comparator<Object> order = (a, b) -> Values.compare(
                foldCase(((Tuple) a).get(by), caseSensitive), foldCase(((Tuple) b).get(by), caseSensitive), budget);
        List<Object> items = Methods.items(map(value), budget);
        items.sort(Arguments.flag(given[2], false) ? order.reversed() : order);
        return items;
    }

    private static Object extreme(String name, Object value, Arguments arguments, Budget budget) {
        @Nullable Object[] given = arguments.bind(name, "case_sensitive", "attribute");
        boolean caseSensitive = Arguments.flag(given[0], false);
        Comparator<Object> order = (a, b) -> Values.compare(
                foldCase(attribute(a, given[1]), caseSensitive), foldCase(attribute(b, given[1]), caseSensitive), budget);
        List<Object> elements = new ArrayList<>(Values.elements(value, budget));
        if (elements.isEmpty()) {
            return new Undefined("the sequence is empty");
        }
        Object extreme = elements.getFirst();
        for (Object element : elements.subList(1, elements.size())) {
            int comparison = order.compare(element, extreme);
            extreme = name.equals("max") && comparison > 0 || name.equals("min") && comparison < 0 ? element : extreme;
        }
        return extreme;
    }

    private static List<Object> unique(Object value, Arguments arguments, Budget budget) {
        @Nullable Object[] given = arguments.bind("unique", "case_sensitive", "attribute");
        boolean caseSensitive = Arguments.flag(given[0], false);
        List<Object> seen = new ArrayList<>();
        List<Object> unique = new ArrayList<>();
        for (Object element : Values.elements(value, budget)) {
            Object key = foldCase(attribute(element, given[1]), caseSensitive);
            if (seen.stream().noneMatch(other -> Values.equal(key, other, budget))) {
                seen.add(key);
                unique.add(element);
            }
        }
        return unique;
    }
}
