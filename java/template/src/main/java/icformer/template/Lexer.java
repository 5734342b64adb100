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
    private static final Pattern FLOAT =
            Pattern.compile("(\\d+_)*\\d+((\\.(\\d+_)*\\d+)?[eE][-+]?(\\d+_)*\\d+|\\.(\\d+_)*\\d+)");
    private static final Pattern INTEGER =
            Pattern.compile("0[bB](_?[01])+|0[oO](_?[0-7])+|0[xX](_?\\p{XDigit})+|[1-9](_?\\d)*|0(_?0)*");
    private static final Pattern CODE =
            Pattern.compile("(x\\p{XDigit}{2}|u\\p{XDigit}{4}|U\\p{XDigit}{8})|[0-7]{1,3}"); // behind a backslash
    private static final Pattern NAME = Pattern.compile("\\w+", Pattern.UNICODE_CHARACTER_CLASS);
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
            int blank = end;
            while (blank > at && source.charAt(blank - 1) != '\n' && isSpace(source.charAt(blank - 1))) {
                blank--;
            }
            if (blank == at ? lineStarts : source.charAt(blank - 1) == '\n') {
                keep = blank;
            }
        }
        if (keep > at) {
            add(Kind.DATA, source.substring(at, keep));
        }
        at = end;
    }

    private static boolean isSpace(int character) {
        return Texts.isSpace(character);
    }

    private void comment() {
        boolean signed = at + 2 < source.length() && "-+".indexOf(source.charAt(at + 2)) >= 0;
        int begin = at + (signed ? 3 : 2);
        int end = source.indexOf("#}", begin);
        if (end < 0) {
            throw TemplateException.error("a comment has no end").in(lineAt(at));
        }
        closed(end + 2, end > begin ? source.charAt(end - 1) : ' ');
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
            int blank = keep;
            while (blank > begin && source.charAt(blank - 1) != '\n' && isSpace(source.charAt(blank - 1))) {
                blank--;
            }
            keep = blank > begin && source.charAt(blank - 1) == '\n' ? blank : keep;
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
                throw TemplateException.error("'%s' has no '%s'", source.substring(open, open + 2), close)
                        .in(lineAt(open));
            }
            boolean signed = source.charAt(at) == '-' || source.charAt(at) == '+' && close.equals("%}");
            if (depth == 0 && source.startsWith(close, signed ? at + 1 : at)) {
                add(end, close);
                closed((signed ? at + 1 : at) + 2, signed ? source.charAt(at) : ' ');
                return;
            }
            depth += token();
        }
    }

    /** Goes on behind a tag, and behind the white space that it drops. */
    private void closed(int behind, char sign) {
        boolean expression = source.startsWith("}}", behind - 2);
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
        } else if (!number() && !name()) {
            if (!match(OPERATOR, Kind.OPERATOR)) {
                String character = source.substring(at, source.offsetByCodePoints(at, 1));
                throw TemplateException.error("'%s' is not expected", character).in(lineAt(at));
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

    private boolean name() {
        if (!match(NAME, Kind.NAME)) {
            return false;
        }
        int first = tokens.getLast().text().codePointAt(0);
        if (!Character.isUnicodeIdentifierStart(first) && first != '_') {
            throw TemplateException.error("Invalid character in identifier").in(line);
        }
        return true;
    }

    private boolean number() {
        boolean afterPoint = at > 0 && source.charAt(at - 1) == '.';
        if (!afterPoint && match(FLOAT, Kind.FLOAT) || match(INTEGER, Kind.INTEGER)) {
            Token token = tokens.removeLast();
            tokens.add(new Token(token.kind(), token.text().replace("_", ""), token.line()));
            return true;
        }
        return false;
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
            long point = octal
                    ? Long.parseLong(code.group(), 8)
                    : Long.parseLong(code.group(1).substring(1), 16);
            if (point <= Character.MAX_CODE_POINT) {
                text.appendCodePoint((int) point);
                return code.end();
            }
        }
        if (letter == 'N' && source.startsWith("{", i + 1) && source.indexOf('}', i) > 0) {
            int end = source.indexOf('}', i);
            text.appendCodePoint(named(source.substring(i + 2, end)));
            return end + 1;
        }
        if ("xuUN".indexOf(letter) >= 0) {
            throw TemplateException.error("'\\%c' is not followed by a character's code", letter)
                    .in(lineAt(at));
        }
        text.append('\\').append(letter);
        return i + 1;
    }

    private int named(String name) {
        try {
            return Character.codePointOf(name);
        } catch (IllegalArgumentException e) {
            throw TemplateException.error("unknown Unicode character name").in(lineAt(at));
        }
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
