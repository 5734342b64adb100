package icformer.template;

import java.math.BigInteger;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** How {@code format} writes a value: Python's mini-language, such as {@code >10}, {@code 05.1f} or {@code ,}. */
final class FormatSpec {
    private static final Pattern SPEC = Pattern.compile(
            "(?:(.)?([<>=^]))?([-+ ])?(z)?(#)?(0)?(\\d{0,9})([,_])?(?:\\.(\\d{1,9}))?([a-zA-Z%])?", Pattern.DOTALL);

    private final Budget budget;
    private final String fill;
    private final char align;
    private final boolean signed;
    private final String sign;
    private final boolean noNegativeZero;
    private final boolean marked;
    private final int width;
    private final String grouping;
    private final int precision;
    private final char type;

    private FormatSpec(String spec, boolean text, Budget budget) {
        this.budget = budget;
        Matcher parts = SPEC.matcher(spec);
        if (!parts.matches()) {
            throw TemplateException.error("invalid format specifier");
        }
        boolean zero = parts.group(6) != null;
        fill = parts.group(1) != null ? parts.group(1) : zero ? "0" : " ";
        align = parts.group(2) != null ? parts.group(2).charAt(0) : zero && !text ? '=' : text ? '<' : '>';
        signed = parts.group(3) != null;
        sign = !signed ? "-" : parts.group(3);
        noNegativeZero = parts.group(4) != null;
        marked = parts.group(5) != null;
        width = parts.group(7).isEmpty() ? 0 : Integer.parseInt(parts.group(7));
        grouping = parts.group(8) == null ? "" : parts.group(8);
        precision = parts.group(9) == null ? -1 : Integer.parseInt(parts.group(9));
        type = parts.group(10) == null ? 0 : parts.group(10).charAt(0);
        budget.text(width);
        budget.text(Math.max(0, precision));
        boolean forNumbers = parts.group(3) != null || noNegativeZero || marked || !grouping.isEmpty() || align == '=';
        if (text && (forNumbers || type != 0 && type != 's')) {
            throw TemplateException.error("invalid format specifier for a str");
        }
    }

    /** {@code format(value, spec)} */
    static String format(Object value, String spec, Budget budget) {
        if (spec.isEmpty()) {
            return Repr.text(value, budget);
        }
        budget.text(spec.length());
        if (Values.isText(value)) {
            return new FormatSpec(spec, true, budget).text(Values.requireText(value));
        }
        if (value instanceof Double real) {
            return new FormatSpec(spec, false, budget).real(real);
        }
        if (Values.isWhole(value)) {
            return new FormatSpec(spec, false, budget).whole(Values.requireWhole(value));
        }
        throw TemplateException.error("unsupported format string passed to %s.__format__", Values.type(value));
    }

    private String text(String text) {
        int length = Texts.length(text, budget);
        int count = precision < 0 ? length : Math.min(length, precision);
        return aligned("", Texts.slice(text, 0, 1, count, budget), count);
    }

    private String whole(BigInteger number) {
        if ("eEfFgG%".indexOf(type) >= 0 && type != 0) {
            return real(Numbers.toDouble(Numbers.whole(number)));
        }
        if (precision >= 0 || noNegativeZero || type == 'n' && !grouping.isEmpty() || "\0bcdnoxX".indexOf(type) < 0) {
            throw TemplateException.error("invalid format specifier for an int");
        }
        if (type == 'c') {
            return character(number);
        }
        char base = type == 0 || type == 'n' ? 'd' : type;
        String digits = NumberFormat.whole(number, base, false);
        if (grouping.equals(",") && base != 'd') {
            throw TemplateException.error("Cannot specify ',' with '%c'.", base);
        }
        int group = base == 'd' ? 3 : 4;
        String prefix = sign(number.signum() < 0) + (marked && base != 'd' ? "0" + base : "");
        return number(prefix, digits, "", group);
    }

    private String character(BigInteger number) {
        if (signed || marked || !grouping.isEmpty()) {
            throw TemplateException.error("Sign, '#' and grouping not allowed with integer format specifier 'c'");
        }
        if (number.signum() < 0 || number.compareTo(BigInteger.valueOf(Character.MAX_CODE_POINT)) > 0) {
            throw TemplateException.error("%%c arg not in range(0x110000)");
        }
        return aligned("", Character.toString(number.intValue()), 1);
    }

    private String real(double given) {
        if ("\0eEfFgGn%".indexOf(type) < 0 || type == 'n' && !grouping.isEmpty()) {
            throw TemplateException.error("invalid format specifier for a float");
        }
        double number = type == '%' ? given * 100 : given;
        String text;
        if (type == 0 && precision < 0) {
            text = Numbers.text(Math.abs(number));
            text = marked && !text.contains(".") ? text.replace("e", ".e") : text;
        } else {
            char form = type == '%' ? 'f' : type == 'n' ? 'g' : type == 0 ? 'r' : type;
            text = NumberFormat.real(number, form, precision < 0 ? 6 : precision, marked, budget);
        }
        boolean negative = number < 0 || 1 / number < 0;
        if (noNegativeZero && text.chars().noneMatch(c -> c >= '1' && c <= '9')) {
            negative = false;
        }
        int digits = 0;
        while (digits < text.length() && Character.isDigit(text.charAt(digits))) {
            digits++;
        }
        return number(sign(negative), text.substring(0, digits), text.substring(digits) + (type == '%' ? "%" : ""), 3);
    }

    private String sign(boolean negative) {
        return negative ? "-" : sign.equals("-") ? "" : sign;
    }

    /** A number with its digits in groups, which zeros that fill it up are in as well. */
    private String number(String prefix, String digits, String rest, int group) {
        String all = digits;
        if (!grouping.isEmpty()) {
            int wanted = fill.equals("0") && align == '=' ? width - prefix.length() - rest.length() : 0;
            all = grouped(digits, group);
            while (all.length() < wanted) {
                String more = grouped("0" + all.replace(grouping, ""), group);
                all = more;
                budget.text(all.length());
            }
        }
        return aligned(prefix, all + rest, all.length() + rest.length());
    }

    private String grouped(String digits, int group) {
        StringBuilder out = new StringBuilder(digits);
        for (int at = digits.length() - group; at > 0; at -= group) {
            out.insert(at, grouping);
        }
        return out.toString();
    }

    private String aligned(String prefix, String text, int length) {
        int margin = Math.max(0, width - length - prefix.length());
        budget.text((long) text.length() + margin);
        return switch (align) {
            case '<' -> prefix + text + fill.repeat(margin);
            case '=' -> prefix + fill.repeat(margin) + text;
            case '^' -> fill.repeat(margin / 2) + prefix + text + fill.repeat(margin - margin / 2);
            default -> fill.repeat(margin) + prefix + text;
        };
    }
}
