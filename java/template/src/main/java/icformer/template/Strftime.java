package icformer.template;

import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.time.format.TextStyle;
import java.time.temporal.ChronoField;
import java.time.temporal.IsoFields;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** C's {@code strftime} in English, with the flags of GNU's: of a time without a zone, as Python's {@code now()} is. */
final class Strftime {
    private static final int WIDEST = 1000;

    private Strftime() {}

    static String format(String format, LocalDateTime time, Budget budget) {
        budget.text(32L * format.length());
        StringBuilder out = new StringBuilder();
        int at = 0;
        while (at < format.length()) {
            int begin = at;
            char c = format.charAt(at++);
            if (c != '%') {
                out.append(c);
                continue;
            }
            int flags = at;
            while (at < format.length() && "-_0^#".indexOf(format.charAt(at)) >= 0) {
                at++;
            }
            int digits = at;
            while (at < format.length() && Character.isDigit(format.charAt(at)) && at - digits < 4) {
                at++;
            }
            int width = at == digits ? -1 : Math.min(WIDEST, Integer.parseInt(format.substring(digits, at)));
            if (at < format.length() && "EO".indexOf(format.charAt(at)) >= 0) { // other numerals, which English has not
                at++;
            }
            @Nullable String field = at < format.length() ? field(format.charAt(at), time) : null;
            if (field == null) {
                at = Math.min(at + 1, format.length());
                out.append(format, begin, at);
                continue;
            }
            String flag = format.substring(flags, digits);
            budget.text(Math.max(0, width));
            out.append(adjusted(field, format.charAt(at++), flag, width));
        }
        return out.toString();
    }

    private static String adjusted(String field, char letter, String flags, int width) {
        boolean number = "CdegGHIjklmMsSuUVwWyY".indexOf(letter) >= 0;
        String text = field;
        char fill = number && "ekl".indexOf(letter) < 0 ? '0' : ' ';
        for (char flag : flags.toCharArray()) {
            switch (flag) {
                case '^' -> text = text.toUpperCase(Locale.ROOT);
                case '#' -> text = letter == 'p' ? text.toLowerCase(Locale.ROOT) : text.toUpperCase(Locale.ROOT);
                default -> fill = flag == '_' ? ' ' : flag;
            }
        }
        if (fill == '-') {
            return number ? text.replaceFirst("^[0 ]+(?=.)", "") : text;
        }
        if (number && !flags.isEmpty()) {
            int length = text.length();
            text = text.replaceFirst("^[0 ]+(?=.)", "");
            text = String.valueOf(fill).repeat(length - text.length()) + text;
        }
        return String.valueOf(fill).repeat(Math.max(0, width - text.length())) + text;
    }

    private static String two(int number) {
        return String.format(Locale.ROOT, "%02d", number);
    }

    /** What a letter stands for; null where it stands for nothing. */
    private static @Nullable String field(char letter, LocalDateTime time) {
        return switch (letter) {
            case 'a' ->
                time.getDayOfWeek()
                        .getDisplayName(TextStyle.FULL, Locale.ENGLISH)
                        .substring(0, 3);
            case 'A' -> time.getDayOfWeek().getDisplayName(TextStyle.FULL, Locale.ENGLISH);
            case 'b', 'h' ->
                time.getMonth().getDisplayName(TextStyle.FULL, Locale.ENGLISH).substring(0, 3);
            case 'B' -> time.getMonth().getDisplayName(TextStyle.FULL, Locale.ENGLISH);
            case 'p' -> time.getHour() < 12 ? "AM" : "PM";
            case 'P' -> time.getHour() < 12 ? "am" : "pm";
            case 'z', 'Z' -> "";
            case 'f' -> String.format(Locale.ROOT, "%06d", time.getNano() / 1000);
            case 's' -> Long.toString(time.toEpochSecond(ZoneOffset.UTC));
            case 'n' -> "\n";
            case 't' -> "\t";
            case '%' -> "%";
            default -> "CdegGHIjklmMSuUVwWyY".indexOf(letter) >= 0 ? number(letter, time) : combined(letter, time);
        };
    }

    private static String number(char letter, LocalDateTime time) {
        int day = time.getDayOfWeek().getValue() % 7; // from Sunday
        return switch (letter) {
            case 'C' -> two(time.getYear() / 100);
            case 'd' -> two(time.getDayOfMonth());
            case 'e' -> String.format(Locale.ROOT, "%2d", time.getDayOfMonth());
            case 'g' -> two(time.get(IsoFields.WEEK_BASED_YEAR) % 100);
            case 'G' -> Integer.toString(time.get(IsoFields.WEEK_BASED_YEAR));
            case 'H' -> two(time.getHour());
            case 'I' -> two(time.get(ChronoField.CLOCK_HOUR_OF_AMPM));
            case 'j' -> String.format(Locale.ROOT, "%03d", time.getDayOfYear());
            case 'k' -> String.format(Locale.ROOT, "%2d", time.getHour());
            case 'l' -> String.format(Locale.ROOT, "%2d", time.get(ChronoField.CLOCK_HOUR_OF_AMPM));
            case 'm' -> two(time.getMonthValue());
            case 'M' -> two(time.getMinute());
            case 'S' -> two(time.getSecond());
            case 'u' -> Integer.toString(time.getDayOfWeek().getValue());
            case 'U' -> two((time.getDayOfYear() + 6 - day) / 7);
            case 'V' -> two(time.get(IsoFields.WEEK_OF_WEEK_BASED_YEAR));
            case 'w' -> Integer.toString(day);
            case 'W' -> two((time.getDayOfYear() + 6 - (day + 6) % 7) / 7);
            case 'y' -> two(time.getYear() % 100);
            default -> Integer.toString(time.getYear());
        };
    }

    private static @Nullable String combined(char letter, LocalDateTime time) {
        String form = switch (letter) {
            case 'c' -> "a b e T Y";
            case 'D', 'x' -> "m/d/y";
            case 'F' -> "Y-m-d";
            case 'r' -> "I:M:S p";
            case 'R' -> "H:M";
            case 'T', 'X' -> "H:M:S";
            case '+' -> "a b e T Y";
            default -> "";
        };
        if (form.isEmpty()) {
            return null;
        }
        StringBuilder out = new StringBuilder();
        form.chars().forEach(c -> out.append(Character.isLetter(c) ? field((char) c, time) : Character.toString(c)));
        return out.toString();
    }
}
