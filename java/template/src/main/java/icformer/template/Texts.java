package icformer.template;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.PrimitiveIterator;
import java.util.function.IntPredicate;
import org.jspecify.annotations.Nullable;

/** Strings as Python sees them: their elements are code points, not chars. Every function accounts for what it reads. */
final class Texts {
    private Texts() {}

    // ---- Characters ----------------------------------------------------------------------------------------------------

    static int length(String text, Budget budget) {
        budget.read(text.length());
        return text.codePointCount(0, text.length());
    }

    /** Every character as a text of its own. */
    static Iterator<Object> characters(String text, Budget budget) {
        PrimitiveIterator.OfInt points = text.codePoints().iterator();
        return new Iterator<>() {
            @Override
            public boolean hasNext() {
                return points.hasNext();
            }

            @Override
            public Object next() {
                budget.step();
                return Character.toString(points.nextInt());
            }
        };
    }

    /** The character at a place, counted from the end where that is negative; nothing outside of the text. */
    static @Nullable String characterAt(String text, long index, Budget budget) {
        int length = length(text, budget);
        long place = index < 0 ? index + length : index;
        if (place < 0 || place >= length) {
            return null;
        }
        int begin = text.offsetByCodePoints(0, (int) place);
        return text.substring(begin, text.offsetByCodePoints(begin, 1));
    }

    /** {@code count} characters from the one at {@code from}, each {@code step} from the one before. */
    static String slice(String text, int from, long step, int count, Budget budget) {
        budget.text(text.length());
        if (count == 0) {
            return "";
        }
        if (step == 1) {
            int begin = text.offsetByCodePoints(0, from);
            return text.substring(begin, text.offsetByCodePoints(begin, count));
        }
        int[] points = text.codePoints().toArray();
        StringBuilder part = new StringBuilder(count);
        for (int i = 0; i < count; i++) {
            part.appendCodePoint(points[(int) (from + i * step)]);
        }
        return part.toString();
    }

    /** By code points. */
    static int compare(String left, String right, Budget budget) {
        int length = Math.min(left.length(), right.length());
        budget.read(length);
        for (int i = 0; i < length; i++) {
            char a = left.charAt(i);
            char b = right.charAt(i);
            if (a != b) { // surrogates are above all other characters
                return Character.isSurrogate(a) == Character.isSurrogate(b)
                        ? Character.compare(a, b)
                        : Character.isSurrogate(a) ? 1 : -1;
            }
        }
        return Integer.compare(left.length(), right.length());
    }

    static boolean isSpace(int point) {
        return switch (point) {
            case 0x85, 0xA0, 0x1680, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000 -> true;
            default -> point >= 9 && point <= 13 || point >= 0x1C && point <= 0x20 || point >= 0x2000 && point <= 0x200A;
        };
    }

    static boolean isPrintable(int point) {
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

    /** Whether there are characters, and something holds of each. */
    static boolean all(String text, IntPredicate test) {
        return !text.isEmpty() && text.codePoints().allMatch(test);
    }

    // ---- Case ----------------------------------------------------------------------------------------------------------

    static String upper(String text) {
        return text.toUpperCase(Locale.ROOT);
    }

    static String lower(String text) {
        return text.toLowerCase(Locale.ROOT);
    }

    /** A character as a word begins with it. */
    private static String titled(int point) {
        int title = Character.toTitleCase(point);
        String upper = upper(Character.toString(point));
        if (title != point || upper.codePointCount(0, upper.length()) == 1) {
            return Character.toString(title);
        }
        int first = Character.charCount(upper.codePointAt(0));
        return upper.substring(0, first) + lower(upper.substring(first));
    }

    static String capitalize(String text) {
        if (text.isEmpty()) {
            return text;
        }
        int first = text.codePointAt(0);
        return titled(first) + lower(text).substring(lower(Character.toString(first)).length());
    }

    /** Letters behind something else than a letter in upper case, the others in lower case. */
    static String title(String text) {
        StringBuilder title = new StringBuilder();
        boolean inWord = false;
        for (int at = 0; at < text.length(); ) {
            int point = text.codePointAt(at);
            title.append(inWord ? lower(Character.toString(point)) : titled(point));
            inWord = isCased(point);
            at += Character.charCount(point);
        }
        return title.toString();
    }

    static String swapCase(String text) {
        StringBuilder swapped = new StringBuilder();
        text.codePoints().forEach(point -> {
            String character = Character.toString(point);
            swapped.append(Character.isUpperCase(point) ? lower(character) : upper(character));
        });
        return swapped.toString();
    }

    static boolean isCased(int point) {
        return Character.isLowerCase(point) || Character.isUpperCase(point) || Character.isTitleCase(point);
    }

    /** Whether a text has cased letters, and all of them are lower case. */
    static boolean isLower(String text) {
        return text.codePoints().anyMatch(Texts::isCased)
                && text.codePoints().noneMatch(p -> Character.isUpperCase(p) || Character.isTitleCase(p));
    }

    /** Whether a text has cased letters, and all of them are upper case. */
    static boolean isUpper(String text) {
        return text.codePoints().anyMatch(Texts::isCased)
                && text.codePoints().noneMatch(p -> Character.isLowerCase(p) || Character.isTitleCase(p));
    }

    /** Whether a text has words, and all of them begin in upper case and go on in lower case. */
    static boolean isTitle(String text) {
        boolean inWord = false;
        boolean any = false;
        for (int point : text.codePoints().toArray()) {
            boolean upper = Character.isUpperCase(point) || Character.isTitleCase(point);
            if (upper && inWord || Character.isLowerCase(point) && !inWord) {
                return false;
            }
            inWord = isCased(point);
            any |= inWord;
        }
        return any;
    }

    // ---- Edges ---------------------------------------------------------------------------------------------------------

    /** Without characters of a set, or without white space where there is none, at the begin, the end or both. */
    static String strip(String text, @Nullable String set, boolean begin, boolean end) {
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

    private static boolean isIn(int point, @Nullable String set) {
        return set == null ? isSpace(point) : set.indexOf(point) >= 0;
    }

    /** Filled up to a width: on the left, the right, or both sides alike where {@code center} is set. */
    static String pad(String text, long width, String fill, boolean left, boolean right, Budget budget) {
        int length = length(text, budget);
        if (width <= length) {
            return text;
        }
        budget.text(width);
        int margin = (int) (width - length);
        int before = left ? right ? margin / 2 + (margin & (int) width & 1) : margin : 0;
        return fill.repeat(before) + text + fill.repeat(margin - before);
    }

    // ---- Parts ---------------------------------------------------------------------------------------------------------

    /** Where a part begins at or behind a place, in chars; -1 where it is not. */
    static int indexOf(String text, String part, int from, Budget budget) {
        int at = text.indexOf(part, from);
        search((at < 0 ? text.length() : at) - from, part, budget);
        return at;
    }

    /** Where a part begins at or before a place. */
    static int lastIndexOf(String text, String part, int from, Budget budget) {
        int at = text.lastIndexOf(part, from);
        search(from - Math.max(at, 0), part, budget);
        return at;
    }

    /** A search compares up to the whole part at every place. */
    private static void search(int places, String part, Budget budget) {
        budget.read((long) Math.max(0, places) * (part.length() / 64 + 1));
    }

    /** Divided at a separator, at most {@code limit} times where it is not negative. */
    static List<Object> split(String text, String separator, long limit, Budget budget) {
        requireSeparator(separator);
        budget.text(text.length());
        List<Object> parts = new ArrayList<>();
        int from = 0;
        int at;
        while ((limit < 0 || parts.size() < limit) && (at = indexOf(text, separator, from, budget)) >= 0) {
            budget.elements(1);
            parts.add(text.substring(from, at));
            from = at + separator.length();
        }
        parts.add(text.substring(from));
        return parts;
    }

    /** The same from the end. */
    static List<Object> splitFromEnd(String text, String separator, long limit, Budget budget) {
        requireSeparator(separator);
        budget.text(text.length());
        List<Object> parts = new ArrayList<>();
        int to = text.length();
        int at;
        while ((limit < 0 || parts.size() < limit)
                && to >= separator.length()
                && (at = lastIndexOf(text, separator, to - separator.length(), budget)) >= 0) {
            budget.elements(1);
            parts.add(text.substring(at + separator.length(), to));
            to = at;
        }
        parts.add(text.substring(0, to));
        return new ArrayList<>(parts.reversed());
    }

    private static void requireSeparator(String separator) {
        if (separator.isEmpty()) {
            throw TemplateException.error("empty separator");
        }
    }

    /** Divided at white space, at most {@code limit} times where it is not negative. */
    static List<Object> words(String text, long limit, Budget budget) {
        budget.text(text.length());
        List<Object> words = new ArrayList<>();
        int end = text.length();
        int at = skipSpace(text, 0);
        while (at < end) {
            budget.elements(1);
            int begin = at;
            while (at < end && !isSpace(text.charAt(at))) {
                at++;
            }
            if (limit >= 0 && words.size() == limit) {
                words.add(text.substring(begin));
                break;
            }
            words.add(text.substring(begin, at));
            at = skipSpace(text, at);
        }
        return words;
    }

    private static int skipSpace(String text, int from) {
        int at = from;
        while (at < text.length() && isSpace(text.charAt(at))) {
            at++;
        }
        return at;
    }

    /** As {@link #words}, with the undivided rest at the beginning. */
    static List<Object> wordsFromEnd(String text, long limit, Budget budget) {
        budget.text(text.length());
        List<Object> words = new ArrayList<>();
        int end = text.length();
        while (true) {
            while (end > 0 && isSpace(text.charAt(end - 1))) {
                end--;
            }
            if (end == 0) {
                return new ArrayList<>(words.reversed());
            }
            budget.elements(1);
            int start = end;
            while (start > 0 && !isSpace(text.charAt(start - 1))) {
                start--;
            }
            boolean rest = limit >= 0 && words.size() == limit;
            words.add(text.substring(rest ? 0 : start, end));
            end = rest ? 0 : start;
        }
    }

    /** Lines, with their ends where those are kept. */
    static List<Object> lines(String text, boolean keepEnds, Budget budget) {
        budget.text(text.length());
        List<Object> lines = new ArrayList<>();
        int begin = 0;
        for (int at = 0; at < text.length(); ) {
            char c = text.charAt(at);
            if (!isLineEnd(c)) {
                at++;
                continue;
            }
            int behind = c == '\r' && at + 1 < text.length() && text.charAt(at + 1) == '\n' ? at + 2 : at + 1;
            budget.elements(1);
            lines.add(text.substring(begin, keepEnds ? behind : at));
            begin = behind;
            at = behind;
        }
        if (begin < text.length()) {
            lines.add(text.substring(begin));
        }
        return lines;
    }

    private static boolean isLineEnd(char c) {
        return c >= '\n' && c <= '\r' || c >= 0x1C && c <= 0x1E || c == 0x85 || c == 0x2028 || c == 0x2029;
    }

    /** The first {@code limit} occurrences, all where it is negative. */
    static String replace(String text, String old, String replacement, long limit, Budget budget) {
        budget.text(text.length());
        StringBuilder replaced = new StringBuilder();
        int from = 0;
        int at = limit == 0 ? -1 : old.isEmpty() ? 0 : indexOf(text, old, 0, budget);
        for (long i = 1; at >= 0; i++) {
            budget.text((long) at - from + replacement.length());
            replaced.append(text, from, at).append(replacement);
            from = at + old.length();
            if (i == limit) {
                break;
            }
            if (!old.isEmpty()) {
                at = indexOf(text, old, from, budget);
            } else { // nothing is found before each character and at the end
                at = from < text.length() ? text.offsetByCodePoints(from, 1) : -1;
            }
        }
        return replaced.append(text, from, text.length()).toString();
    }

    /** How often a part is in a text, between two places in chars. */
    static long occurrences(String text, String part, Budget budget) {
        if (part.isEmpty()) {
            return length(text, budget) + 1L;
        }
        long count = 0;
        for (int at = indexOf(text, part, 0, budget); at >= 0; at = indexOf(text, part, at + part.length(), budget)) {
            count++;
        }
        return count;
    }

    /** Joined, with a separator between neighbours. */
    static String join(String separator, List<String> parts, Budget budget) {
        long length = (long) separator.length() * Math.max(0, parts.size() - 1);
        for (String part : parts) {
            length += part.length();
        }
        budget.list(parts.size());
        budget.text(length);
        return String.join(separator, parts);
    }
}
