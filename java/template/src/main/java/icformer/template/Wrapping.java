package icformer.template;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Lines of at most a width: Python's {@code textwrap}. */
final class Wrapping {
    private static final String SPACE = "[\\t\\n\\x0B\\f\\r ]";
    private static final String LETTER = "[\\w&&[^\\d]]";
    private static final String PUNCTUATED = "[\\w!\"'&.,?]";

    /** White space, a dash between words, or a word up to the hyphen or dash that ends it. */
    private static final Pattern PARTS = Pattern.compile(
            SPACE + "+|(?<=" + PUNCTUATED + ")-{2,}(?=\\w)|[^\\t\\n\\x0B\\f\\r ]+?(?:-(?:(?<=" + LETTER + "{2}-)|(?<=" + LETTER
                    + "-" + LETTER + "-))(?=" + LETTER + "-?" + LETTER + ")|(?=" + SPACE + "|\\z)|(?<=" + PUNCTUATED
                    + ")(?=-{2,}\\w))",
            Pattern.UNICODE_CHARACTER_CLASS);

    private static final Pattern WORDS = Pattern.compile(SPACE + "+|[^\\t\\n\\x0B\\f\\r ]+");

    private final int width;
    private final boolean breakWords;
    private final boolean atHyphens;
    private final Budget budget;

    Wrapping(int width, boolean breakWords, boolean atHyphens, Budget budget) {
        if (width <= 0) {
            throw TemplateException.error("invalid width %d (must be > 0)", width);
        }
        this.width = width;
        this.breakWords = breakWords;
        this.atHyphens = atHyphens;
        this.budget = budget;
    }

    List<String> wrap(String text) {
        budget.text(4L * text.length());
        Deque<String> parts = new ArrayDeque<>();
        Matcher part = (atHyphens ? PARTS : WORDS).matcher(text);
        while (part.find()) {
            parts.add(part.group());
        }
        List<String> lines = new ArrayList<>();
        while (!parts.isEmpty()) {
            if (!lines.isEmpty() && isBlank(parts.getFirst())) {
                parts.removeFirst();
            }
            String line = line(parts);
            if (!line.isEmpty()) {
                lines.add(line);
            }
        }
        return lines;
    }

    private static boolean isBlank(String text) {
        return Texts.strip(text, null, true, true).isEmpty();
    }

    private static int length(String text) {
        return text.codePointCount(0, text.length());
    }

    private String line(Deque<String> parts) {
        List<String> line = new ArrayList<>();
        int length = 0;
        while (!parts.isEmpty() && length + length(parts.getFirst()) <= width) {
            budget.step();
            length += length(parts.getFirst());
            line.add(parts.removeFirst());
        }
        if (!parts.isEmpty() && length(parts.getFirst()) > width) {
            longWord(parts, line, width - length);
        }
        if (!line.isEmpty() && isBlank(line.getLast())) {
            line.removeLast();
        }
        return String.join("", line);
    }

    private void longWord(Deque<String> parts, List<String> line, int room) {
        if (!breakWords) {
            if (line.isEmpty()) {
                line.add(parts.removeFirst());
            }
            return;
        }
        String word = parts.removeFirst();
        budget.text(word.length());
        int end = word.offsetByCodePoints(0, Math.min(room, length(word)));
        int hyphen = atHyphens ? word.lastIndexOf('-', end - 1) : -1;
        if (hyphen > 0 && word.substring(0, hyphen).chars().anyMatch(c -> c != '-')) {
            end = hyphen + 1;
        }
        line.add(word.substring(0, end));
        parts.addFirst(word.substring(end));
    }
}
