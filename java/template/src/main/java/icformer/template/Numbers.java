package icformer.template;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.MathContext;
import java.math.RoundingMode;
import java.util.Locale;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** Python's ints, which have no bounds, and its floats. */
final class Numbers {
    private static final BigInteger SMALLEST = BigInteger.valueOf(Long.MIN_VALUE);
    private static final BigInteger LARGEST = BigInteger.valueOf(Long.MAX_VALUE);

    /** As many digits as Python converts to and from text, and so many bits. */
    private static final int MOST_DIGITS = 4300;

    private static final int MOST_BITS = 14_284;

    private static final Pattern REAL =
            Pattern.compile("[-+]?(\\d+(_\\d+)*\\.?(\\d+(_\\d+)*)?|\\.\\d+(_\\d+)*)([eE][-+]?\\d+(_\\d+)*)?");
    private static final Pattern DIGITS = Pattern.compile("[\\p{Nd}a-zA-Z]+(_[\\p{Nd}a-zA-Z]+)*");

    private Numbers() {}

    /** An int: a long if it fits. */
    static Object whole(BigInteger number) {
        return number.compareTo(SMALLEST) >= 0 && number.compareTo(LARGEST) <= 0 ? (Object) number.longValue() : number;
    }

    static double toDouble(Object number) {
        return switch (Values.require(number)) {
            case Long whole -> whole;
            case Double real -> real;
            case Boolean bool -> bool ? 1 : 0;
            case BigInteger whole -> finite(whole.doubleValue());
            default -> throw TemplateException.error("a number is wanted, not a %s", Values.type(number));
        };
    }

    private static double finite(double number) {
        if (Double.isInfinite(number)) {
            throw TemplateException.error("an int is too large for a float");
        }
        return number;
    }

    /** An int or float without its sign, or with the other one. */
    static Object negate(Object number) {
        return switch (Values.require(number)) {
            case Double real -> -real;
            default -> whole(Values.requireWhole(number).negate());
        };
    }

    static int compare(Object left, Object right) {
        if (left instanceof Long a && right instanceof Long b) {
            return Long.compare(a, b);
        }
        boolean exact = left instanceof Double != right instanceof Double;
        if (exact && Double.isFinite(left instanceof Double a ? a : (Double) right)) {
            return decimal(left).compareTo(decimal(right));
        }
        if (left instanceof Double || right instanceof Double) {
            double a = left instanceof Double real ? real : 0;
            double b = right instanceof Double real ? real : 0;
            return a < b ? -1 : a == b ? 0 : 1;
        }
        return Values.requireWhole(left).compareTo(Values.requireWhole(right));
    }

    private static BigDecimal decimal(Object number) {
        return number instanceof Double real ? new BigDecimal(real) : new BigDecimal(Values.requireWhole(number));
    }

    // ---- Arithmetic
    // ----------------------------------------------------------------------------------------------------

    static Object arithmetic(String operator, Object left, Object right, Budget budget) {
        if (left instanceof Double || right instanceof Double) {
            return real(operator, toDouble(left), toDouble(right));
        }
        BigInteger a = Values.requireWhole(left);
        BigInteger b = Values.requireWhole(right);
        budget.number(a.bitLength(), b.bitLength());
        return switch (operator) {
            case "+" -> whole(a.add(b));
            case "-" -> whole(a.subtract(b));
            case "*" -> whole(a.multiply(b));
            case "/" -> quotient(a, b);
            case "//" -> whole(floor(a, b)[0]);
            case "%" -> whole(floor(a, b)[1]);
            default -> power(a, b, budget);
        };
    }

    private static TemplateException byZero() {
        return TemplateException.error("division by zero");
    }

    /** The quotient, rounded down, and the remainder, of the divisor's sign. */
    private static BigInteger[] floor(BigInteger a, BigInteger b) {
        if (b.signum() == 0) {
            throw byZero();
        }
        BigInteger[] parts = a.divideAndRemainder(b);
        if (parts[1].signum() != 0 && parts[1].signum() != b.signum()) {
            parts[0] = parts[0].subtract(BigInteger.ONE);
            parts[1] = parts[1].add(b);
        }
        return parts;
    }

    private static Object quotient(BigInteger a, BigInteger b) {
        if (b.signum() == 0) {
            throw byZero();
        }
        if (a.bitLength() <= 53 && b.bitLength() <= 53) {
            return a.doubleValue() / b.doubleValue();
        }
        return finite(
                new BigDecimal(a).divide(new BigDecimal(b), new MathContext(60)).doubleValue());
    }

    private static Object power(BigInteger base, BigInteger exponent, Budget budget) {
        if (exponent.signum() < 0) {
            return real("**", finite(base.doubleValue()), finite(exponent.doubleValue()));
        }
        if (base.bitLength() <= 1 && base.compareTo(BigInteger.TWO) < 0 && !base.equals(BigInteger.TWO.negate())) {
            boolean odd = exponent.testBit(0);
            return exponent.signum() == 0 ? 1L : base.signum() < 0 && !odd ? 1L : whole(base);
        }
        double bits = exponent.doubleValue() * base.bitLength();
        budget.number((long) Math.min(bits, 1e15), 64);
        if (bits > 1 << 20) {
            throw new TemplateException(TemplateException.Kind.LIMIT, "the template makes a number of too many digits");
        }
        budget.number((long) bits / 2, (long) bits / 2);
        return whole(base.pow(exponent.intValue()));
    }

    private static Object real(String operator, double a, double b) {
        boolean divides = operator.equals("/") || operator.equals("//") || operator.equals("%");
        if (divides && b == 0 || operator.equals("**") && a == 0 && b < 0) {
            throw byZero();
        }
        return switch (operator) {
            case "+" -> a + b;
            case "-" -> a - b;
            case "*" -> a * b;
            case "/" -> a / b;
            case "//" -> floorDivision(a, b);
            case "%" -> remainder(a, b);
            default -> power(a, b);
        };
    }

    /** Of the divisor's sign. */
    private static double remainder(double a, double b) {
        double remainder = a % b;
        if (remainder == 0) {
            return Math.copySign(0.0, b);
        }
        return remainder < 0 != b < 0 ? remainder + b : remainder;
    }

    private static double floorDivision(double a, double b) {
        double remainder = a % b;
        double quotient = (a - remainder) / b;
        if (remainder != 0 && remainder < 0 != b < 0) {
            quotient -= 1;
        }
        if (quotient == 0) {
            return Math.copySign(0.0, a / b);
        }
        double floor = Math.floor(quotient);
        return quotient - floor > 0.5 ? floor + 1 : floor;
    }

    private static double power(double a, double b) {
        if (a < 0 && b != Math.rint(b) && Double.isFinite(a) && Double.isFinite(b)) {
            throw TemplateException.unsupported("complex numbers are not implemented");
        }
        if (a == 1 || b == 0) {
            return 1;
        }
        double power = Math.abs(a) == 1 && Double.isInfinite(b) ? 1 : Math.pow(a, b);
        if (Double.isInfinite(power) && Double.isFinite(a) && Double.isFinite(b)) {
            throw TemplateException.error("a power is too large for a float");
        }
        return power;
    }

    // ---- To text and from it
    // -------------------------------------------------------------------------------------------

    static String text(BigInteger number) {
        if (number.bitLength() > MOST_BITS) {
            throw TemplateException.error("an int of more than %d digits has no text", MOST_DIGITS);
        }
        return number.toString();
    }

    /** The shortest text of a float: up to 17 digits, and an exponent where Python writes one. */
    static String text(double number) {
        if (!Double.isFinite(number)) {
            return Double.isNaN(number) ? "nan" : number > 0 ? "inf" : "-inf";
        }
        if (number == 0) {
            return 1 / number < 0 ? "-0.0" : "0.0";
        }
        BigDecimal decimal = new BigDecimal(Double.toString(number)).stripTrailingZeros();
        int exponent = decimal.precision() - decimal.scale() - 1;
        if (exponent >= -4 && exponent < 16) {
            String plain = decimal.toPlainString();
            return plain.contains(".") ? plain : plain + ".0";
        }
        String digits = decimal.unscaledValue().abs().toString();
        return (number < 0 ? "-" : "")
                + digits.charAt(0)
                + (digits.length() > 1 ? "." + digits.substring(1) : "")
                + exponent(exponent);
    }

    /** {@code e+05} */
    static String exponent(int exponent) {
        return String.format(Locale.ROOT, "e%s%02d", exponent < 0 ? "-" : "+", Math.abs(exponent));
    }

    /** {@code float(text)}, or nothing where the text is no number. */
    static @Nullable Double parseReal(String text) {
        String stripped = Texts.strip(text, null, true, true);
        return switch (stripped.toLowerCase(Locale.ROOT)) {
            case "inf", "+inf", "infinity", "+infinity" -> Double.POSITIVE_INFINITY;
            case "-inf", "-infinity" -> Double.NEGATIVE_INFINITY;
            case "nan", "+nan", "-nan" -> Double.NaN;
            default -> REAL.matcher(stripped).matches() ? Double.valueOf(stripped.replace("_", "")) : null;
        };
    }

    /** {@code int(text, base)}, or nothing where the text is no such number. */
    static @Nullable Object parseWhole(String text, int base) {
        String digits = Texts.strip(text, null, true, true);
        boolean negative = digits.startsWith("-");
        if (negative || digits.startsWith("+")) {
            digits = digits.substring(1);
        }
        int radix = base;
        int marked = digits.length() > 1 && digits.charAt(0) == '0'
                ? switch (digits.charAt(1)) {
                    case 'x', 'X' -> 16;
                    case 'o', 'O' -> 8;
                    case 'b', 'B' -> 2;
                    default -> 0;
                }
                : 0;
        if (marked != 0 && (base == 0 || base == marked)) {
            radix = marked;
            digits = digits.substring(2);
            digits = digits.startsWith("_") ? digits.substring(1) : digits;
        } else if (base == 0) {
            radix = 10;
            if (digits.length() > 1 && digits.startsWith("0") && !digits.matches("0(_?0)*")) {
                return null;
            }
        }
        boolean possible = digits.length() <= MOST_DIGITS && radix >= 2 && radix <= 36;
        if (!possible || !DIGITS.matcher(digits).matches()) {
            return null;
        }
        try {
            BigInteger number = new BigInteger(digits.replace("_", ""), radix);
            return whole(negative ? number.negate() : number);
        } catch (NumberFormatException e) {
            return null;
        }
    }

    /** {@code int(number)}: without what is behind the point. */
    static Object truncate(double number) {
        if (!Double.isFinite(number)) {
            throw TemplateException.error("cannot convert float %s to integer", text(number));
        }
        return whole(new BigDecimal(number).toBigInteger());
    }

    // ---- Rounding
    // ------------------------------------------------------------------------------------------------------

    /** {@code round(number, digits)}: half to even, of the exact value. */
    static Object round(Object number, long digits) {
        if (!(Values.require(number) instanceof Double real)) {
            BigInteger whole = Values.requireWhole(number);
            if (digits >= 0) {
                return whole(whole);
            }
            int scale = (int) Math.max(digits, -MOST_DIGITS);
            return whole(new BigDecimal(whole)
                    .setScale(scale, RoundingMode.HALF_EVEN)
                    .toBigInteger());
        }
        if (!Double.isFinite(real) || real == 0 || digits > 330) {
            return real;
        }
        if (digits < -330) {
            return Math.copySign(0.0, real);
        }
        double rounded = new BigDecimal(real)
                .setScale((int) digits, RoundingMode.HALF_EVEN)
                .doubleValue();
        return Math.copySign(finite(rounded), real);
    }
}
