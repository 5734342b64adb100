package icformer.template;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.MathContext;
import java.math.RoundingMode;
import java.util.Locale;

/** Numbers in the forms of C's printf, as Python writes them. */
final class NumberFormat {
    /** A double has no more digits than this behind the point. */
    private static final int MOST_DIGITS = 1100;

    private NumberFormat() {}

    /** The digits of a number without its sign in a base, with {@code 0x} or its like before them if they are marked. */
    static String whole(BigInteger number, char type, boolean marked) {
        String digits = switch (type) {
            case 'b' -> number.abs().toString(2);
            case 'o' -> number.abs().toString(8);
            case 'x', 'X' -> number.abs().toString(16);
            default -> Numbers.text(number.abs());
        };
        String mark = marked && type != 'd' ? "0" + type : "";
        return mark + (type == 'X' ? digits.toUpperCase(Locale.ROOT) : digits);
    }

    /**
     * A float without its sign.
     *
     * @param type one of {@code e f g} in either case, or {@code r}: general, with a point in any case
     * @param pointed whether there is a point, and {@code g} keeps zeros
     */
    static String real(double number, char type, int precision, boolean pointed, Budget budget) {
        budget.text(precision + 400L);
        double size = Math.abs(number);
        String text;
        if (!Double.isFinite(size)) {
            text = Double.isNaN(size) ? "nan" : "inf";
        } else {
            BigDecimal exact = new BigDecimal(size);
            text = switch (Character.toLowerCase(type)) {
                case 'f' -> pointed(fixed(exact, precision), pointed);
                case 'e' -> scientific(exact, precision, pointed, true);
                default -> general(exact, Math.max(1, precision), pointed, type == 'r');
            };
        }
        return Character.isUpperCase(type) ? text.toUpperCase(Locale.ROOT) : text;
    }

    private static String pointed(String text, boolean pointed) {
        return pointed && !text.contains(".") ? text + "." : text;
    }

    private static String fixed(BigDecimal exact, int precision) {
        int digits = Math.min(precision, MOST_DIGITS);
        String text = exact.setScale(digits, RoundingMode.HALF_EVEN).toPlainString();
        return text + "0".repeat(precision - digits);
    }

    private static String scientific(BigDecimal exact, int precision, boolean pointed, boolean zeros) {
        int digits = Math.min(precision, MOST_DIGITS);
        BigDecimal rounded = exact.round(new MathContext(digits + 1, RoundingMode.HALF_EVEN));
        int exponent = rounded.signum() == 0 ? 0 : rounded.precision() - rounded.scale() - 1;
        String unscaled = rounded.unscaledValue().toString();
        String all = unscaled + "0".repeat(Math.max(0, precision + 1 - unscaled.length()));
        String fraction = zeros ? all.substring(1, precision + 1) : all.substring(1).replaceFirst("0+$", "");
        return all.charAt(0) + (fraction.isEmpty() ? pointed ? "." : "" : "." + fraction) + Numbers.exponent(exponent);
    }

    private static String general(BigDecimal exact, int precision, boolean pointed, boolean shown) {
        int digits = Math.min(precision, MOST_DIGITS);
        BigDecimal rounded = exact.round(new MathContext(digits, RoundingMode.HALF_EVEN));
        int exponent = rounded.signum() == 0 ? 0 : rounded.precision() - rounded.scale() - 1;
        if (exponent < -4 || exponent >= precision - (shown ? 1 : 0)) {
            return scientific(exact, precision - 1, pointed, pointed);
        }
        String text = fixed(exact, precision - 1 - exponent);
        if (!pointed && text.contains(".")) {
            text = text.replaceFirst("\\.?0+$", "");
        }
        return shown && !text.contains(".") ? text + ".0" : pointed(text, pointed);
    }
}
