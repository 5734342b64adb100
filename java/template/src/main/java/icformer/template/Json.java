package icformer.template;

import icformer.template.TemplateException.Kind;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** Values as JSON, spaced as Python's {@code json.dumps} does it. */
final class Json {
    private final StringBuilder out = new StringBuilder();
    private final Budget budget;
    private final boolean ascii;
    private final @Nullable String margin;
    private final String comma;
    private final String colon;
    private final boolean sorted;

    private Json(@Nullable Object[] given, Budget budget) {
        this.budget = budget;
        ascii = Arguments.flag(given[1], false);
        Object indent = Arguments.orNothing(given[2]);
        margin = switch (indent) {
            case null -> null;
            case String own -> own;
            case Markup(String own) -> own;
            default -> {
                long width = Math.max(0, Values.requireIndex(indent));
                budget.text(width);
                yield " ".repeat((int) width);
            }
        };
        sorted = Arguments.flag(given[4], false);
        Object separators = Arguments.orNothing(given[3]);
        if (separators == null) {
            comma = margin == null ? ", " : ",";
            colon = ": ";
        } else {
            List<Object> both = Values.list(separators, budget);
            if (both.size() != 2) {
                throw TemplateException.error("the separators of tojson are two texts");
            }
            comma = Values.requireText(both.getFirst());
            colon = Values.requireText(both.getLast());
        }
    }

    static String text(Arguments arguments, Budget budget) {
        @Nullable Object[] given =
                arguments.bind("tojson", 1, "x", "ensure_ascii", "indent", "separators", "sort_keys");
        Json json = new Json(given, budget);
        json.write(arguments.first("tojson"), 0);
        return json.out.toString();
    }

    private void append(String text) {
        budget.text(text.length());
        out.append(text);
    }

    private void write(Object value, int depth) {
        if (depth > Values.DEEPEST) {
            throw new TemplateException(Kind.LIMIT, "a value is nested more than " + Values.DEEPEST + " times over");
        }
        budget.step();
        switch (value) {
            case String text -> quote(text);
            case Markup(String text) -> quote(text);
            case Range _ -> throw unfit(value);
            case List<?> list -> list(list, depth);
            case Dict dict -> dict(dict, depth);
            default -> append(scalar(value));
        }
    }

    private static TemplateException unfit(Object value) {
        return TemplateException.error("Object of type %s is not JSON serializable", Values.type(value));
    }

    private static String scalar(Object value) {
        return switch (value) {
            case None _ -> "null";
            case Boolean bool -> bool ? "true" : "false";
            case Long number -> Long.toString(number);
            case BigInteger number -> Numbers.text(number);
            case Double number when Double.isNaN(number) -> "NaN";
            case Double number when Double.isInfinite(number) -> number > 0 ? "Infinity" : "-Infinity";
            case Double number -> Numbers.text(number);
            default -> throw unfit(value);
        };
    }

    private void list(List<?> list, int depth) {
        if (list.isEmpty()) {
            append("[]");
            return;
        }
        append("[");
        String between = "";
        for (Object element : list) {
            append(between);
            line(depth + 1);
            write(element, depth + 1);
            between = comma;
        }
        line(depth);
        append("]");
    }

    private void dict(Dict dict, int depth) {
        if (dict.size() == 0) {
            append("{}");
            return;
        }
        List<Dict.Item> items = new ArrayList<>();
        dict.items().forEach(items::add);
        if (sorted) {
            items.sort((a, b) -> Operators.compare(a.key(), b.key(), budget));
        }
        append("{");
        String between = "";
        for (Dict.Item item : items) {
            append(between);
            line(depth + 1);
            quote(Values.isText(item.key()) ? Values.requireText(item.key()) : key(item.key()));
            append(colon);
            write(item.value(), depth + 1);
            between = comma;
        }
        line(depth);
        append("}");
    }

    private static String key(Object key) {
        if (Values.isNumber(key) || key == None.NONE) {
            return scalar(key);
        }
        throw TemplateException.error("keys must be str, int, float, bool or None, not %s", Values.type(key));
    }

    private void line(int depth) {
        if (margin != null) {
            budget.text(1 + (long) depth * margin.length());
            out.append('\n').repeat(margin, depth);
        }
    }

    private void quote(String text) {
        budget.text(text.length() + 2L);
        int begin = out.length();
        out.append('"');
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            switch (c) {
                case '"' -> out.append("\\\"");
                case '\\' -> out.append("\\\\");
                case '\n' -> out.append("\\n");
                case '\r' -> out.append("\\r");
                case '\t' -> out.append("\\t");
                case '\b' -> out.append("\\b");
                case '\f' -> out.append("\\f");
                default -> {
                    if (c < ' ' || ascii && c > '~') {
                        out.append(String.format(Locale.ROOT, "\\u%04x", (int) c));
                    } else {
                        out.append(c);
                    }
                }
            }
        }
        out.append('"');
        budget.text(out.length() - begin);
    }
}
