package icformer.template;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/** Strings as Python sees them: their elements are code points, not chars. */
final class Texts {
    private Texts() {}

    static int length(String text) {
        return text.codePointCount(0, text.length());
    }

    /** Characters from, inclusive, to to, exclusive. */
    static String part(String text, int from, int to) {
        int begin = text.offsetByCodePoints(0, from);
        return text.substring(begin, text.offsetByCodePoints(begin, to - from));
    }

    /** Every character as a text of its own. */
    static List<Object> characters(String text) {
        List<Object> characters = new ArrayList<>(text.length());
        text.codePoints().forEach(point -> characters.add(Character.toString(point)));
        return characters;
    }

    static String join(List<?> texts) {
        StringBuilder joined = new StringBuilder();
        texts.forEach(joined::append);
        return joined.toString();
    }

    /** By code points. */
    static int compare(String left, String right) {
        int[] a = left.codePoints().toArray();
        int[] b = right.codePoints().toArray();
        return Arrays.compare(a, b);
    }

    /** Without characters of a set, or without white space where it is empty, at the begin, the end or both. */
    static String strip(String text, String set, boolean begin, boolean end) {
        int from = 0;
        int to = text.length();
        while (begin && from < to && isIn(text.codePointAt(from), set)) {
            from += Character.charCount(text.codePointAt(from));
        }
        while (end && from < to && isIn(text.codePointBefore(to), set)) {
            to -= Character.charCount(text.codePointBefore(to));
        }
        return text.substring(from, to);
    }

    private static boolean isIn(int point, String set) {
        return set.isEmpty() ? Lexer.isSpace(point) : set.indexOf(point) >= 0;
    }

    static String capitalize(String text) {
        return text.isEmpty()
                ? text
                : upper(part(text, 0, 1)) + lower(text.substring(text.offsetByCodePoints(0, 1)));
    }

    static String upper(String text) {
        return text.toUpperCase(Locale.ROOT);
    }

    static String lower(String text) {
        return text.toLowerCase(Locale.ROOT);
    }

    /** Letters behind something else than a letter in upper case, the others in lower case. */
    static String title(String text) {
        StringBuilder title = new StringBuilder();
        boolean inWord = false;
        for (int at = 0; at < text.length(); ) {
            int point = text.codePointAt(at);
            String character = Character.toString(point);
            title.append(inWord ? lower(character) : upper(character));
            inWord = Character.isLetter(point);
            at += Character.charCount(point);
        }
        return title.toString();
    }

    /** Divided at a separator, at most {@code limit} times where it is not negative. */
    static List<Object> split(String text, String separator, int limit) {
        if (separator.isEmpty()) {
            throw TemplateException.error("a text cannot be split at nothing");
        }
        List<Object> parts = new ArrayList<>();
        int from = 0;
        int at = text.indexOf(separator);
        while (at >= 0 && (limit < 0 || parts.size() < limit)) {
            parts.add(text.substring(from, at));
            from = at + separator.length();
            at = text.indexOf(separator, from);
        }
        parts.add(text.substring(from));
        return parts;
    }

    /** The same from the end. */
    static List<Object> splitFromEnd(String text, String separator, int limit) {
        if (separator.isEmpty()) {
            throw TemplateException.error("a text cannot be split at nothing");
        }
        List<Object> parts = new ArrayList<>();
        int to = text.length();
        int at = text.lastIndexOf(separator);
        while (at >= 0 && (limit < 0 || parts.size() < limit)) {
            parts.add(text.substring(at + separator.length(), to));
            to = at;
            at = text.lastIndexOf(separator, to - separator.length());
        }
        parts.add(text.substring(0, to));
        return parts.reversed();
    }

    /** Divided at white space, at most {@code limit} times where it is not negative. */
    static List<Object> words(String text, int limit) {
        List<Object> words = new ArrayList<>();
        String rest = strip(text, "", true, false);
        while (!rest.isEmpty()) {
            int end = 0;
            while (end < rest.length() && !Lexer.isSpace(rest.charAt(end))) {
                end++;
            }
            if (limit >= 0 && words.size() == limit) {
                words.add(rest);
                break;
            }
            words.add(rest.substring(0, end));
            rest = strip(rest.substring(end), "", true, false);
        }
        return words;
    }

    /** As {@link #words}, with the undivided rest at the beginning. */
    static List<Object> wordsFromEnd(String text, int limit) {
        List<Object> words = new ArrayList<>();
        int end = text.length();
        while (true) {
            while (end > 0 && Lexer.isSpace(text.charAt(end - 1))) {
                end--;
            }
            if (end == 0) {
                return words.reversed();
            }
            int start = end;
            while (start > 0 && !Lexer.isSpace(text.charAt(start - 1))) {
                start--;
            }
            boolean rest = limit >= 0 && words.size() == limit;
            words.add(text.substring(rest ? 0 : start, end));
            end = rest ? 0 : start;
        }
    }

    /** The first {@code limit} occurrences, all where it is negative. */
    static String replace(String text, String old, String replacement, int limit, Budget budget) {
        budget.text(text.length() + (long) occurrences(text, old) * replacement.length());
        if (limit < 0 && !old.isEmpty()) {
            return text.replace(old, replacement);
        }
        StringBuilder replaced = new StringBuilder();
        int from = 0;
        int at = text.indexOf(old);
        for (int i = 0; (limit < 0 || i < limit) && at >= 0; i++) {
            replaced.append(text, from, at).append(replacement);
            from = at + old.length();
            if (!old.isEmpty()) {
                at = text.indexOf(old, from);
            } else { // nothing is found before each character and at the end
                at = from < text.length() ? text.offsetByCodePoints(from, 1) : -1;
            }
        }
        return replaced.append(text, from, text.length()).toString();
    }

    static int occurrences(String text, String part) {
        if (part.isEmpty()) {
            return length(text) + 1;
        }
        int count = 0;
        for (int at = text.indexOf(part); at >= 0; at = text.indexOf(part, at + part.length())) {
            count++;
        }
        return count;
    }

    /** In quotes, with escapes, as Python shows it. */
    static void quote(String text, StringBuilder out) {
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
                    } else if (isPrintable(point)) {
                        out.appendCodePoint(point);
                    } else {
                        out.append((point < 0x100 ? "\\x%02x" : point < 0x10000 ? "\\u%04x" : "\\U%08x").formatted(point));
                    }
                }
            }
        });
        out.append(quote);
    }

    private static boolean isPrintable(int point) {
        return switch (Character.getType(point)) {
            case Character.CONTROL,
                    Character.FORMAT,
                    Character.SURROGATE,
                    Character.PRIVATE_USE,
                    Character.UNASSIGNED,
                    Character.LINE_SEPARATOR,
                    Character.PARAGRAPH_SEPARATOR -> false;
            case Character.SPACE_SEPARATOR -> point == ' ';
            default -> true;
        };
    }
}
