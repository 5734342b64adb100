package icformer.template;

import java.time.Clock;
import java.time.LocalDateTime;
import java.time.format.TextStyle;
import java.time.temporal.ChronoField;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The functions that every template can call. */
final class Functions {
    /** As many numbers as jinja2 allows a range to have. */
    private static final long LONGEST_RANGE = 100_000;

    private Functions() {}

    /** By name; {@code strftime_now} tells the time of this clock. */
    static Map<String, Object> all(Clock clock) {
        Map<String, Callable> functions = Map.of(
                "range", Functions::range,
                "namespace", (arguments, _) -> new Namespace(named(arguments)),
                "dict", (arguments, _) -> new LinkedHashMap<Object, Object>(named(arguments)),
                "raise_exception", (arguments, budget) -> {
                    throw new TemplateException(TemplateException.Kind.REFUSED, Values.text(arguments.first("raise_exception"), budget));
                },
                "strftime_now", (arguments, budget) ->
                        formatted(Values.requireText(arguments.first("strftime_now")), LocalDateTime.now(clock), budget));
        return new HashMap<>(functions);
    }

    private static Map<String, Object> named(Arguments arguments) {
        Map<String, Object> values = new LinkedHashMap<>();
        for (Object mapping : arguments.positional()) {
            if (!(mapping instanceof Map<?, ?> map)) {
                throw TemplateException.error("a dict is wanted, not a %s", Values.type(mapping));
            }
            map.forEach((key, value) -> values.put(Values.requireText(key), value));
        }
        values.putAll(arguments.named());
        return values;
    }

    private static Object range(Arguments arguments, Budget budget) {
        @Nullable Object[] given = arguments.bind("range", "start", "stop", "step");
        long first = given[1] == null ? 0 : Values.requireInteger(arguments.first("range"));
        long end = Values.requireInteger(given[1] == null ? arguments.first("range") : given[1]);
        long step = given[2] == null ? 1 : Values.requireInteger(given[2]);
        if (step == 0) {
            throw TemplateException.error("a range cannot step by 0");
        }
        List<Object> range = new ArrayList<>();
        for (long value = first; step > 0 ? value < end : value > end; value += step) {
            if (range.size() == LONGEST_RANGE) {
                throw new TemplateException(TemplateException.Kind.LIMIT, "a range has more than " + LONGEST_RANGE + " numbers");
            }
            range.add(value);
        }
        budget.elements(range.size());
        return range;
    }

    /** C's {@code strftime} in English. */
    private static String formatted(String format, LocalDateTime time, Budget budget) {
        budget.text(16L * format.length());
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < format.length(); i++) {
            char c = format.charAt(i);
            if (c != '%' || i + 1 == format.length()) {
                text.append(c);
                continue;
            }
            char letter = format.charAt(++i);
            boolean plain = letter == '-' && i + 1 < format.length();
            String field = field(plain ? format.charAt(++i) : letter, time);
            text.append(plain && field.length() > 1 && field.startsWith("0") ? field.replaceFirst("^0+(?=.)", "") : field);
        }
        return text.toString();
    }

    private static String field(char letter, LocalDateTime time) {
        int hour12 = time.get(ChronoField.CLOCK_HOUR_OF_AMPM);
        return switch (letter) {
            case 'Y' -> "%d".formatted(time.getYear());
            case 'y' -> "%02d".formatted(time.getYear() % 100);
            case 'm' -> "%02d".formatted(time.getMonthValue());
            case 'd' -> "%02d".formatted(time.getDayOfMonth());
            case 'e' -> "%2d".formatted(time.getDayOfMonth());
            case 'j' -> "%03d".formatted(time.getDayOfYear());
            case 'B' -> time.getMonth().getDisplayName(TextStyle.FULL, Locale.ENGLISH);
            case 'b', 'h' -> time.getMonth().getDisplayName(TextStyle.SHORT, Locale.ENGLISH).substring(0, 3);
            case 'A' -> time.getDayOfWeek().getDisplayName(TextStyle.FULL, Locale.ENGLISH);
            case 'a' -> time.getDayOfWeek().getDisplayName(TextStyle.SHORT, Locale.ENGLISH);
            case 'H' -> "%02d".formatted(time.getHour());
            case 'I' -> "%02d".formatted(hour12);
            case 'M' -> "%02d".formatted(time.getMinute());
            case 'S' -> "%02d".formatted(time.getSecond());
            case 'p' -> time.getHour() < 12 ? "AM" : "PM";
            case 'F' -> field('Y', time) + "-" + field('m', time) + "-" + field('d', time);
            case 'D' -> field('m', time) + "/" + field('d', time) + "/" + field('y', time);
            case 'T' -> field('H', time) + ":" + field('M', time) + ":" + field('S', time);
            case 'R' -> field('H', time) + ":" + field('M', time);
            case '%' -> "%";
            default -> throw TemplateException.unsupported("strftime_now does not know '%%%c'", letter);
        };
    }
}
