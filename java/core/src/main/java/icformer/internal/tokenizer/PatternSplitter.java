package icformer.internal.tokenizer;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Cuts at the matches of a pattern: each match is a word, and so is what lies between two matches.
 *
 * <p>The pattern runs over a text with one {@code char} for each code point, so that it need not know surrogates. By class,
 * every character beyond ASCII is one letter that stands for its class; otherwise it is itself, those beyond the basic plane
 * are U+FFFF, and white space beyond ASCII is a vertical tab, in either case.
 */
final class PatternSplitter implements Splitter {
    /** Insides of character classes, for patterns by class. */
    static final String LETTER = "\\u00D2A-Za-z";

    static final String NUMBER = "\\u00D10-9";
    static final String MARK = "\\u00D4";
    static final String PUNCTUATION = "\\u00D3!-#%-*,-/:;?@\\[-\\]_{}";
    static final String SYMBOL = "\\u00D5$+<->\\^`|~";

    private static final char[] STAND_INS = {0xD0, 0xD2, 0xD1, 0xD4, 0xD3, 0xD5, 0x0B}; // by CharacterClass

    private final Pattern pattern;
    private final boolean byClass;

    private PatternSplitter(String pattern, boolean byClass) {
        this.pattern = Pattern.compile(pattern);
        this.byClass = byClass;
    }

    static PatternSplitter byClass(String pattern) {
        return new PatternSplitter(pattern, true);
    }

    static PatternSplitter byCharacter(String pattern) {
        return new PatternSplitter(pattern, false);
    }

    @Override
    public void split(int[] points, int from, int to, IntList ends) {
        char[] characters = new char[to - from];
        for (int i = from; i < to; i++) {
            characters[i - from] = character(points[i]);
        }
        Matcher matcher = pattern.matcher(new String(characters));
        int end = 0;
        while (matcher.find()) {
            if (matcher.start() > end) {
                ends.add(from + matcher.start());
            }
            if (matcher.end() > matcher.start()) {
                ends.add(from + matcher.end());
            }
            end = matcher.end();
        }
        if (end < to - from) {
            ends.add(to);
        }
    }

    private char character(int point) {
        if (point < 0x80) {
            return (char) point;
        }
        int kind = CharacterClass.of(point);
        if (byClass || kind == CharacterClass.SPACE) {
            return STAND_INS[kind];
        }
        return point < 0x10000 ? (char) point : '\uFFFF';
    }
}
