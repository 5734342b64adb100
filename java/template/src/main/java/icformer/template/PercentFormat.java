package icformer.template;

import java.math.BigInteger;
import java.util.List;

/** {@code text % values}: fills in as C's printf does. */
final class PercentFormat {
    private static final int WIDEST = 1 << 25; // more than any text may have

    private final String format;
    private final boolean safe;
    private final Object values;
    private final boolean byName;
    private final Budget budget;
    private final StringBuilder out = new StringBuilder();
    private int at;
    private int used;

    private String flags = "";
    private int width;
    private int precision;

    private PercentFormat(String format, boolean safe, Object values, Budget budget) {
        this.format = format;
        this.safe = safe;
        this.values = values;
        this.budget = budget;
        boolean list = values instanceof List<?> && !(values instanceof Tuple);
        byName = list || values instanceof Dict || values instanceof Undefined;
    }

    static Object format(Object format, Object values, Budget budget) {
        boolean safe = format instanceof Markup;
        PercentFormat percent = new PercentFormat(Values.requireText(format), safe, values, budget);
        percent.run();
        String text = percent.out.toString();
        return safe ? new Markup(text) : text;
    }

    private void run() {
        budget.text(format.length());
        while (at < format.length()) {
            char c = format.charAt(at++);
            if (c == '%') {
                field();
            } else {
                out.append(c);
            }
        }
        boolean all = byName || (values instanceof Tuple tuple ? used >= tuple.size() : used > 0);
        if (!all) {
            throw TemplateException.error("not all arguments converted during string formatting");
        }
    }

    private char peek() {
        if (at >= format.length()) {
            throw TemplateException.error("incomplete format");
        }
        return format.charAt(at);
    }

    private void field() {
        Object named = peek() == '(' ? named() : null;
        int begin = at;
        while ("-+ #0".indexOf(peek()) >= 0) {
            at++;
        }
        flags = format.substring(begin, at);
        width = number();
        if (width < 0) {
            flags += "-";
            width = -width;
        }
        precision = -1;
        if (peek() == '.') {
            at++;
            precision = Math.max(0, number());
        }
        while ("hlL".indexOf(peek()) >= 0) {
            at++;
        }
        char type = format.charAt(at++);
        if (type == '%' && at - begin == 1 && named == null) {
            out.append('%');
            return;
        }
        append(type, named != null ? named : next());
    }

    private Object named() {
        int depth = 1;
        int begin = ++at;
        while (depth > 0) {
            depth += peek() == '(' ? 1 : peek() == ')' ? -1 : 0;
            at++;
        }
        if (!byName) {
            throw TemplateException.error("format requires a mapping");
        }
        String name = format.substring(begin, at - 1);
        Object value = values instanceof Dict dict ? dict.get(name, budget) : null;
        if (value == null) {
            throw TemplateException.error("there is no value '%s' to format", name);
        }
        return value;
    }

    private Object next() {
        int index = used++;
        if (values instanceof Tuple tuple && index < tuple.size()) {
            return tuple.get(index);
        }
        if (values instanceof Tuple || index > 0) {
            throw TemplateException.error("not enough arguments for format string");
        }
        return values;
    }

    /** A width or precision: digits, or a star for the next value. */
    private int number() {
        long number = 0;
        if (peek() == '*') {
            at++;
            number = Values.requireIndex(next());
        } else {
            while (peek() >= '0' && peek() <= '9') {
                number = Math.min(WIDEST, number * 10 + format.charAt(at++) - '0');
            }
        }
        budget.text(Math.abs(Math.clamp(number, -WIDEST, WIDEST)));
        return Math.clamp(number, -WIDEST, WIDEST);
    }

    private void append(char type, Object value) {
        switch (type) {
            case 's' -> text(safe ? Markup.escape(value, budget).text() : Repr.text(value, budget));
            case 'r', 'a' -> text(escaped(type == 'a' ? BraceFormat.ascii(value, budget) : Repr.of(value, budget)));
            case 'c' -> padded("", character(value), false);
            case 'd', 'i', 'u' -> whole('d', wholeOf(value));
            case 'o', 'x', 'X' -> whole(type, Values.requireWhole(value));
            case 'e', 'E', 'f', 'F', 'g', 'G' -> real(type, Numbers.toDouble(value));
            default -> throw TemplateException.error("unsupported format character '%c'", type);
        }
    }

    private String escaped(String text) {
        return safe ? Markup.escape(text, budget).text() : text;
    }

    private static BigInteger wholeOf(Object value) {
        return Values.requireWhole(value instanceof Double real ? Numbers.truncate(real) : value);
    }

    private static String character(Object value) {
        if (!Values.isText(value)) {
            long point = Values.requireIndex(value);
            if (point < 0 || point > Character.MAX_CODE_POINT) {
                throw TemplateException.error("%%c arg not in range(0x110000)");
            }
            return Character.toString((int) point);
        }
        String text = Values.requireText(value);
        if (text.codePointCount(0, text.length()) != 1) {
            throw TemplateException.error("%%c requires int or char");
        }
        return text;
    }

    private boolean has(char flag) {
        return flags.indexOf(flag) >= 0;
    }

    private void text(String text) {
        int length = Texts.length(text, budget);
        int count = precision < 0 ? length : Math.min(precision, length);
        padded("", Texts.slice(text, 0, 1, count, budget), false);
    }

    private void whole(char type, BigInteger number) {
        String digits = NumberFormat.whole(number, type, false);
        digits = "0".repeat(Math.max(0, precision - digits.length())) + digits;
        padded(sign(number.signum() < 0) + (has('#') && type != 'd' ? "0" + type : ""), digits, true);
    }

    private void real(char type, double number) {
        boolean negative = number < 0 || 1 / number < 0;
        padded(sign(negative), NumberFormat.real(number, type, precision < 0 ? 6 : precision, has('#'), budget), true);
    }

    private String sign(boolean negative) {
        return negative ? "-" : has('+') ? "+" : has(' ') ? " " : "";
    }

    private void padded(String prefix, String digits, boolean number) {
        int length = prefix.length() + digits.codePointCount(0, digits.length());
        int margin = Math.max(0, width - length);
        budget.text((long) length + margin);
        if (has('-')) {
            out.append(prefix).append(digits).repeat(" ", margin);
        } else if (has('0') && number) {
            out.append(prefix).repeat("0", margin).append(digits);
        } else {
            out.repeat(" ", margin).append(prefix).append(digits);
        }
    }
}
