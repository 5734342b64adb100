package icformer.template;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Values as JSON, spaced as Python's {@code json.dumps} does it. */
final class Json {
    private static final int DEEPEST = 100;

    private final StringBuilder out = new StringBuilder();
    private final Budget budget;
    private final boolean ascii;
    private final @Nullable String margin;
    private final String comma;
    private final String colon;
    private final boolean sorted;

    private Json(@Nullable Object[] given, Budget budget) {
        this.budget = budget;
        ascii = Arguments.flag(given[0], false);
        Object indent = given[1] == null ? None.NONE : given[1];
        margin = switch (indent) {
            case None _ -> null;
            case String own -> own;
            default -> " ".repeat(Math.toIntExact(Math.clamp(Values.requireInteger(indent), 0, 64)));
        };
        sorted = Arguments.flag(given[3], false);
        if (given[2] == null || given[2] == None.NONE) {
            comma = margin == null ? ", " : ",";
            colon = ": ";
        } else if (given[2] instanceof List<?> separators && separators.size() == 2) {
            comma = Values.requireText(separators.getFirst());
            colon = Values.requireText(separators.getLast());
        } else {
            throw TemplateException.error("the separators of tojson are two texts");
        }
    }

    static String text(Object value, Arguments arguments, Budget budget) {
        Json json = new Json(arguments.bind("tojson", "ensure_ascii", "indent", "separators", "sort_keys"), budget);
        json.write(value, 0);
        return json.out.toString();
    }

    private void write(Object value, int depth) {
        if (depth > DEEPEST) {
            throw TemplateException.error("a value is nested more than %d times over", DEEPEST);
        }
        budget.step();
        switch (value) {
            case None _ -> out.append("null");
            case Boolean bool -> out.append(bool ? "true" : "false");
            case Long number -> out.append(number);
            case Double number -> out.append(number(number));
            case String text -> quote(text);
            case List<?> list -> list(list, depth);
            case Map<?, ?> map -> map(map, depth);
            default -> throw TemplateException.error("a %s cannot be written as JSON", Values.type(value));
        }
    }

    private static String number(double number) {
        if (Double.isNaN(number)) {
            return "NaN";
        }
        return Double.isInfinite(number) ? number > 0 ? "Infinity" : "-Infinity" : Values.real(number);
    }

    private void list(List<?> list, int depth) {
        if (list.isEmpty()) {
            out.append("[]");
            return;
        }
        out.append('[');
        String between = "";
        for (Object element : list) {
            out.append(between);
            line(depth + 1);
            write(element, depth + 1);
            between = comma;
        }
        line(depth);
        out.append(']');
    }

    private void map(Map<?, ?> map, int depth) {
        if (map.isEmpty()) {
            out.append("{}");
            return;
        }
        List<Map.Entry<?, ?>> entries = new ArrayList<>(map.entrySet());
        if (sorted) {
            entries.sort((a, b) -> Values.compare(a.getKey(), b.getKey(), budget));
        }
        out.append('{');
        String between = "";
        for (Map.Entry<?, ?> entry : entries) {
            out.append(between);
            line(depth + 1);
            quote(key(entry.getKey()));
            out.append(colon);
            write(entry.getValue(), depth + 1);
            between = comma;
        }
        line(depth);
        out.append('}');
    }

    private static String key(Object key) {
        return switch (key) {
            case String text -> text;
            case Boolean bool -> bool ? "true" : "false";
            case None _ -> "null";
            case Double number -> number(number);
            default -> key.toString();
        };
    }

    private void line(int depth) {
        if (margin != null) {
            budget.text((long) depth * margin.length());
            out.append('\n').repeat(margin, depth);
        }
    }

    private void quote(String text) {
        budget.text(text.length());
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
                        out.append("\\u%04x".formatted((int) c));
                    } else {
                        out.append(c);
                    }
                }
            }
        }
        out.append('"');
    }
}
