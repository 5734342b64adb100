package icformer.template;

import java.math.BigInteger;
import java.util.List;
import java.util.Locale;

/** Values as text, as Python's {@code str} and {@code repr} give them. */
final class Repr {
    private final StringBuilder out = new StringBuilder();
    private final Budget budget;

    private Repr(Budget budget) {
        this.budget = budget;
    }

    /** {@code str(value)}: what a value is printed as. */
    static String text(Object value, Budget budget) {
        return switch (value) {
            case String text -> text;
            case Markup(String text) -> text;
            case Undefined _ -> "";
            case Long number -> Long.toString(number);
            default -> of(value, budget);
        };
    }

    /** {@code repr(value)}: how a value is printed within a list. */
    static String of(Object value, Budget budget) {
        Repr repr = new Repr(budget);
        repr.write(value, 0);
        return repr.out.toString();
    }

    /** A scalar's text, or its type in brackets, for messages. */
    static String brief(Object value) {
        boolean shown = Values.isNumber(value) && !(value instanceof BigInteger);
        return shown ? String.valueOf(value) : "<" + Values.type(value) + ">";
    }

    private void append(String text) {
        budget.text(text.length());
        out.append(text);
    }

    private void write(Object value, int depth) {
        Values.requireShallow(depth);
        budget.step();
        switch (value) {
            case String text -> quote(text);
            case Markup(String text) -> {
                append("Markup(");
                quote(text);
                append(")");
            }
            case Boolean bool -> append(bool ? "True" : "False");
            case None _ -> append("None");
            case Undefined _ -> append("Undefined");
            case BigInteger number -> append(Numbers.text(number));
            case Double number -> append(Numbers.text(number));
            case Range range -> append(range.toString());
            case Tuple tuple -> elements(tuple, "(", tuple.size() == 1 ? ",)" : ")", depth);
            case List<?> list -> elements(list, "[", "]", depth);
            case Dict dict -> items(dict, depth);
            case Dict.View view -> elements(view.elements(), "dict_" + view.kind() + "([", "])", depth);
            case Namespace _ -> append("<Namespace>");
            case Generator _ -> append("<generator object>");
            case Long _, Loop _, Macro _ -> append(value.toString());
            default -> append("<" + Values.type(value) + ">");
        }
    }

    private void elements(List<?> elements, String begin, String end, int depth) {
        append(begin);
        String comma = "";
        for (Object element : elements) {
            append(comma);
            write(element, depth + 1);
            comma = ", ";
        }
        append(end);
    }

    private void items(Dict dict, int depth) {
        append("{");
        String comma = "";
        for (Dict.Item item : dict.items()) {
            append(comma);
            write(item.key(), depth + 1);
            append(": ");
            write(item.value(), depth + 1);
            comma = ", ";
        }
        append("}");
    }

    /** In quotes, with escapes. */
    private void quote(String text) {
        budget.text(text.length());
        char quote = text.indexOf('\'') >= 0 && text.indexOf('"') < 0 ? '"' : '\'';
        out.append(quote);
        text.codePoints().forEach(point -> {
            switch (point) {
                case '\n' -> out.append("\\n");
                case '\r' -> out.append("\\r");
                case '\t' -> out.append("\\t");
                case '\\' -> out.append("\\\\");
                default -> {
                    if (point == quote) {
                        out.append('\\').append(quote);
                    } else if (Texts.isPrintable(point)) {
                        out.appendCodePoint(point);
                    } else {
                        String form = point < 0x100 ? "\\x%02x" : point < 0x10000 ? "\\u%04x" : "\\U%08x";
                        out.append(String.format(Locale.ROOT, form, point));
                    }
                }
            }
        });
        out.append(quote);
    }
}
