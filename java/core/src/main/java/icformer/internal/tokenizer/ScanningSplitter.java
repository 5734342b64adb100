package icformer.internal.tokenizer;

import static icformer.internal.tokenizer.CharacterClass.LETTER;
import static icformer.internal.tokenizer.CharacterClass.MARK;
import static icformer.internal.tokenizer.CharacterClass.NUMBER;
import static icformer.internal.tokenizer.CharacterClass.SPACE;

/** The word patterns of GPT-2 and of its heirs: the first alternative that matches takes its longest match. */
abstract class ScanningSplitter implements Splitter {

    @Override
    public final void split(int[] points, int from, int to, IntList ends) {
        for (int at = from; at < to; ) {
            at = word(points, at, to);
            ends.add(at);
        }
    }

    /** Where the word that begins at {@code at} ends, before {@code to} or there. */
    abstract int word(int[] points, int at, int to);

    /** {@code 's|'t|'re|'ve|'m|'ll|'d}: its end, or {@code at} for no match. */
    static int contraction(int[] points, int at, int to, boolean anyCase) {
        if (points[at] != '\'' || at + 1 == to) {
            return at;
        }
        int first = anyCase ? lower(points[at + 1]) : points[at + 1];
        if (first == 's' || first == 't' || first == 'm' || first == 'd') {
            return at + 2;
        }
        if (at + 2 == to) {
            return at;
        }
        int second = anyCase ? lower(points[at + 2]) : points[at + 2];
        boolean matches = second == 'e' ? first == 'r' || first == 'v' : first == 'l' && second == 'l';
        return matches ? at + 3 : at;
    }

    private static int lower(int point) {
        return point >= 'A' && point <= 'Z' ? point + ('a' - 'A') : point;
    }

    /** {@code \s+(?!\S)|\s+}: all white space but the last one, if a word follows and there is more than one. */
    static int spaces(int[] points, int at, int to) {
        int end = at;
        while (end < to && CharacterClass.of(points[end]) == SPACE) {
            end++;
        }
        return end < to && end - at > 1 ? end - 1 : end;
    }

    static boolean isNewline(int point) {
        return point == '\n' || point == '\r';
    }

    /** GPT-2: {@code 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+}. */
    static final class Gpt2 extends ScanningSplitter {
        @Override
        int word(int[] points, int at, int to) {
            int contraction = contraction(points, at, to, false);
            if (contraction > at) {
                return contraction;
            }
            int end = points[at] == ' ' && at + 1 < to ? at + 1 : at;
            int kind = kind(points[end]);
            if (kind == SPACE) {
                return spaces(points, at, to);
            }
            while (end < to && kind(points[end]) == kind) {
                end++;
            }
            return end;
        }

        private static int kind(int point) {
            int kind = CharacterClass.of(point);
            return kind == LETTER || kind == NUMBER || kind == SPACE ? kind : CharacterClass.OTHER;
        }
    }

    /**
     * Llama 3, Qwen and others, with {1,3} digits, one, or any number of them, and with or without marks among the letters:
     * <pre>
     * (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}{1,3}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|
     * \s*[\r\n]+|\s+(?!\S)|\s+
     * </pre>
     */
    static final class Llama3 extends ScanningSplitter {
        private final int digits;
        private final boolean marks;
        private final boolean contractions;

        Llama3(int digits, boolean marks, boolean contractions) {
            this.digits = digits;
            this.marks = marks;
            this.contractions = contractions;
        }

        @Override
        int word(int[] points, int at, int to) {
            int contraction = contractions ? contraction(points, at, to, true) : at;
            if (contraction > at) {
                return contraction;
            }
            int kind = CharacterClass.of(points[at]);
            if (kind == NUMBER) {
                return digits(points, at, to);
            }
            boolean begins = isLetter(points[at]);
            if (begins || !isNewline(points[at]) && at + 1 < to && isLetter(points[at + 1])) {
                int end = at + 1;
                while (end < to && isLetter(points[end])) {
                    end++;
                }
                return end;
            }
            int signs = points[at] == ' ' && at + 1 < to ? at + 1 : at;
            if (isSign(points[signs])) {
                return signs(points, signs, to);
            }
            return blank(points, at, to);
        }

        private boolean isLetter(int point) {
            int kind = CharacterClass.of(point);
            return kind == LETTER || marks && kind == MARK;
        }

        private boolean isSign(int point) {
            int kind = CharacterClass.of(point);
            return kind != SPACE && kind != NUMBER && kind != LETTER && !(marks && kind == MARK);
        }

        private int digits(int[] points, int at, int to) {
            int end = at;
            while (end < to && end - at < digits && CharacterClass.of(points[end]) == NUMBER) {
                end++;
            }
            return end;
        }

        private int signs(int[] points, int at, int to) {
            int end = at;
            while (end < to && isSign(points[end])) {
                end++;
            }
            while (end < to && isNewline(points[end])) {
                end++;
            }
            return end;
        }

        /** {@code \s*[\r\n]+|\s+(?!\S)|\s+}: white space up to and with its last line end, if it has one. */
        private static int blank(int[] points, int at, int to) {
            int newline = at;
            for (int end = at; end < to && CharacterClass.of(points[end]) == SPACE; end++) {
                newline = isNewline(points[end]) ? end + 1 : newline;
            }
            return newline > at ? newline : spaces(points, at, to);
        }
    }

    /** {@code [^\n]+|\n+}. */
    static final class Lines extends ScanningSplitter {
        @Override
        int word(int[] points, int at, int to) {
            boolean newline = points[at] == '\n';
            int end = at + 1;
            while (end < to && (points[end] == '\n') == newline) {
                end++;
            }
            return end;
        }
    }
}
