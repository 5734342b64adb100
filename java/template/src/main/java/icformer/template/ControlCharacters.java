package icformer.template;

import java.util.Locale;

/** Text of strangers in one line of a terminal or of a message. */
public final class ControlCharacters {
    private ControlCharacters() {}

    /**
     * The text with everything escaped that would act on a terminal or change the order of what is read: control characters
     * (ESC and C1 among them), line ends, bidirectional marks and overrides, invisible formatting, lone surrogates. The
     * escapes are those of Java and JSON, such as {@code \}{@code u001b}.
     */
    public static String escape(String text) {
        StringBuilder out = new StringBuilder(text.length());
        text.codePoints().forEach(point -> {
            if (isSafe(point)) {
                out.appendCodePoint(point);
            } else if (point < 0x10000) {
                out.append(String.format(Locale.ROOT, "\\u%04x", point));
            } else {
                out.append(String.format(
                        Locale.ROOT,
                        "\\u%04x\\u%04x",
                        (int) Character.highSurrogate(point),
                        (int) Character.lowSurrogate(point)));
            }
        });
        return out.toString();
    }

    private static boolean isSafe(int point) {
        return switch (Character.getType(point)) {
            case Character.CONTROL,
                    Character.FORMAT,
                    Character.SURROGATE,
                    Character.LINE_SEPARATOR,
                    Character.PARAGRAPH_SEPARATOR -> point == 0x200D; // joins emoji and letters, and does nothing else
            default -> true;
        };
    }
}
