package icformer.template;

import icformer.template.Token.Kind;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Divides a template into tokens. A line end behind a block is dropped ({@code trim_blocks}), and so is white space before
 * a block at the beginning of its line ({@code lstrip_blocks}); a minus sign in a tag drops all white space on its side.
 */
final class Lexer {
    private static final Pattern TAG = Pattern.compile("\\{\\{|\\{%|\\{#");
    private static final Pattern RAW =
            Pattern.compile("\\{%[-+]?\\s*raw\\s*(-%\\}\\s*|%\\})", Pattern.UNICODE_CHARACTER_CLASS);
    private static final Pattern END_RAW =
            Pattern.compile("\\{%([-+]?)\\s*endraw\\s*(-%\\}\\s*|\\+%\\}|%\\}\\n?)", Pattern.UNICODE_CHARACTER_CLASS);
    private static final Pattern NUMBER = Pattern.compile("\\d[\\d_]*(\\.\\d[\\d_]*)?([eE][-+]?\\d[\\d_]*)?");
    private static final Pattern CODE =
            Pattern.compile("(x\\p{XDigit}{2}|u\\p{XDigit}{4}|U\\p{XDigit}{8})|[0-7]{1,3}"); // behind a backslash
    private static final Pattern NAME = Pattern.compile("[\\p{L}_][\\p{L}\\p{N}_]*");
    private static final Pattern OPERATOR = Pattern.compile("//|\\*\\*|==|!=|>=|<=|[-+/*%~\\[\\](){}<>=.:|,;]");

    private final String source;
    private final List<Token> tokens = new ArrayList<>();
    private int at;
    private int line = 1;
    private int lineOfAt; // how far lines have been counted

    /** Whether what comes next stands at the beginning of a line. */
    private boolean lineStarts = true;

    private Lexer(String source) {
        this.source = source;
    }

    static List<Token> tokens(String template) {
        String source = template.replace("\r\n", "\n").replace('\r', '\n');
        Lexer lexer = new Lexer(source.endsWith("\n") ? source.substring(0, source.length() - 1) : source);
        lexer.run();
        return lexer.tokens;
    }

    private void run() {
        Matcher tag = TAG.matcher(source);
        while (at < source.length() && tag.find(at)) {
            char kind = source.charAt(tag.start() + 1);
            data(tag.start(), kind);
            switch (kind) {
                case '{' -> tag(Kind.EXPRESSION_BEGIN, Kind.EXPRESSION_END, "}}");
                case '%' -> block();
                default -> comment();
            }
        }
        if (at < source.length()) {
            add(Kind.DATA, source.substring(at));
            at = source.length();
        }
        add(Kind.END, "");
    }

    /** The text before a tag, without the white space that the tag drops. */
    private void data(int end, char tag) {
        int keep = end;
        char sign = end + 2 < source.length() ? source.charAt(end + 2) : ' ';
        if (sign == '-') {
            while (keep > at && isSpace(source.charAt(keep - 1))) {
                keep--;
            }
        } else if (sign != '+' && tag != '{') {
            int lineBegin = source.lastIndexOf('\n', end - 1) + 1;
            if ((lineBegin > at || lineStarts && lineBegin <= at) && isBlank(Math.max(lineBegin, at), end)) {
                keep = Math.max(lineBegin, at);
            }
        }
        if (keep > at) {
            add(Kind.DATA, source.substring(at, keep));
        }
        at = end;
    }

    private boolean isBlank(int from, int to) {
        for (int i = from; i < to; i++) {
            if (!isSpace(source.charAt(i))) {
                return false;
            }
        }
        return true;
    }

    static boolean isSpace(int character) {
        return Character.isWhitespace(character) || Character.isSpaceChar(character) || character == 0x85;
    }

    private void comment() {
        int end = source.indexOf("#}", at + 2);
        if (end < 0) {
            throw TemplateException.error("a comment has no end").in(lineAt(at));
        }
        closed(end, end + 2);
    }

    private void block() {
        Matcher raw = RAW.matcher(source).region(at, source.length());
        if (raw.lookingAt()) {
            raw(raw.end());
        } else {
            tag(Kind.BLOCK_BEGIN, Kind.BLOCK_END, "%}");
        }
    }

    private void raw(int begin) {
        Matcher end = END_RAW.matcher(source);
        if (!end.find(begin)) {
            throw TemplateException.error("a raw block has no end").in(lineAt(at));
        }
        int keep = end.start();
        if (end.group(1).equals("-")) {
            while (keep > begin && isSpace(source.charAt(keep - 1))) {
                keep--;
            }
        } else if (end.group(1).isEmpty()) {
            int lineBegin = source.lastIndexOf('\n', keep - 1) + 1;
            keep = lineBegin > begin && isBlank(lineBegin, keep) ? lineBegin : keep;
        }
        if (keep > begin) {
            add(Kind.DATA, source.substring(begin, keep));
        }
        at = end.end();
        lineStarts = source.charAt(at - 1) == '\n';
    }

    private void tag(Kind begin, Kind end, String close) {
        add(begin, source.substring(at, at + 2));
        int open = at;
        at += 2;
        if (at < source.length() && (source.charAt(at) == '-' || source.charAt(at) == '+')) {
            at++;
        }
        int depth = 0;
        while (true) {
            while (at < source.length() && isSpace(source.charAt(at))) {
                at++;
            }
            if (at >= source.length()) {
                throw TemplateException.error("'%s' has no '%s'", source.substring(open, open + 2), close).in(lineAt(open));
            }
            boolean signed = source.charAt(at) == '-' || source.charAt(at) == '+' && close.equals("%}");
            if (depth == 0 && source.startsWith(close, signed ? at + 1 : at)) {
                add(end, close);
                closed(signed ? at + 1 : at, (signed ? at + 1 : at) + 2);
                return;
            }
            depth += token();
        }
    }

    /** Goes on behind a tag, and behind the white space that it drops. */
    private void closed(int close, int behind) {
        char sign = source.charAt(close - 1);
        boolean expression = source.startsWith("}}", close);
        at = behind;
        if (sign == '-') {
            while (at < source.length() && isSpace(source.charAt(at))) {
                at++;
            }
        } else if (!expression && sign != '+' && at < source.length() && source.charAt(at) == '\n') {
            at++;
        }
        lineStarts = source.charAt(at - 1) == '\n';
    }

    /** One token of an expression: by how much it nests deeper. */
    private int token() {
        char first = source.charAt(at);
        if (first == '"' || first == '\'') {
            text(first);
        } else if (!match(NAME, Kind.NAME) && !number()) {
            if (!match(OPERATOR, Kind.OPERATOR)) {
                throw TemplateException.error("'%c' is not expected", first).in(lineAt(at));
            }
            return switch (first) {
                case '(', '[', '{' -> 1;
                case ')', ']', '}' -> -1;
                default -> 0;
            };
        }
        return 0;
    }

    private boolean match(Pattern pattern, Kind kind) {
        Matcher matcher = pattern.matcher(source).region(at, source.length());
        if (!matcher.lookingAt()) {
            return false;
        }
        add(kind, matcher.group());
        at = matcher.end();
        return true;
    }

    private boolean number() {
        Matcher matcher = NUMBER.matcher(source).region(at, source.length());
        if (!matcher.lookingAt()) {
            return false;
        }
        boolean whole = matcher.group(1) == null && matcher.group(2) == null;
        add(whole ? Kind.INTEGER : Kind.FLOAT, matcher.group().replace("_", ""));
        at = matcher.end();
        return true;
    }

    private void text(char quote) {
        StringBuilder text = new StringBuilder();
        int i = at + 1;
        while (i < source.length() && source.charAt(i) != quote) {
            if (source.charAt(i) == '\\' && i + 1 < source.length()) {
                i = escape(i + 1, text);
            } else {
                text.append(source.charAt(i++));
            }
        }
        if (i >= source.length()) {
            throw TemplateException.error("a text has no end").in(lineAt(at));
        }
        add(Kind.TEXT, text.toString());
        at = i + 1;
    }

    /** Appends what the escape whose letter is at {@code i} stands for; where the text goes on. */
    private int escape(int i, StringBuilder text) {
        char letter = source.charAt(i);
        int simple = "abfnrtv\\'\"\n".indexOf(letter);
        if (letter == '\n') {
            return i + 1;
        }
        if (simple >= 0) {
            text.append("\u0007\b\f\n\r\t\u000B\\'\"".charAt(simple));
            return i + 1;
        }
        Matcher code = CODE.matcher(source).region(i, source.length());
        if (code.lookingAt()) {
            boolean octal = code.group(1) == null;
            long point = octal ? Long.parseLong(code.group(), 8) : Long.parseLong(code.group(1).substring(1), 16);
            if (point <= Character.MAX_CODE_POINT) {
                text.appendCodePoint((int) point);
                return code.end();
            }
        }
        if ("xuU".indexOf(letter) >= 0) {
            throw TemplateException.error("'\\%c' is not followed by a character's code", letter).in(lineAt(at));
        }
        text.append('\\').append(letter);
        return i + 1;
    }

    private void add(Kind kind, String text) {
        tokens.add(new Token(kind, text, lineAt(at)));
    }

    private int lineAt(int place) {
        for (; lineOfAt < place; lineOfAt++) {
            if (source.charAt(lineOfAt) == '\n') {
                line++;
            }
        }
        return line;
    }
}
