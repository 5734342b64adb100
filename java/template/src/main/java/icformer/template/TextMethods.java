package icformer.template;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** The methods of Python's str, and of markupsafe's Markup, whose methods escape what they are given and give Markup. */
final class TextMethods {
    private static final Set<String> NAMES = Set.of(
            "capitalize",
            "casefold",
            "center",
            "count",
            "encode",
            "endswith",
            "expandtabs",
            "find",
            "format",
            "format_map",
            "index",
            "isalnum",
            "isalpha",
            "isascii",
            "isdecimal",
            "isdigit",
            "isidentifier",
            "islower",
            "isnumeric",
            "isprintable",
            "isspace",
            "istitle",
            "isupper",
            "join",
            "ljust",
            "lower",
            "lstrip",
            "maketrans",
            "partition",
            "removeprefix",
            "removesuffix",
            "replace",
            "rfind",
            "rindex",
            "rjust",
            "rpartition",
            "rsplit",
            "rstrip",
            "split",
            "splitlines",
            "startswith",
            "strip",
            "swapcase",
            "title",
            "translate",
            "upper",
            "zfill");
    private static final Set<String> MARKUP_NAMES = Set.of("striptags", "unescape", "escape");

    private final String text;
    private final boolean safe;
    private final String name;
    private final Arguments arguments;
    private final Budget budget;
    private final Scope scope;

    private TextMethods(String text, boolean safe, String name, Arguments arguments, Scope scope) {
        this.text = text;
        this.safe = safe;
        this.name = name;
        this.arguments = arguments;
        this.scope = scope;
        budget = scope.budget();
    }

    /** A method by name, or null. */
    static @Nullable Callable of(String text, boolean safe, String name) {
        if (!NAMES.contains(name) && !(safe && MARKUP_NAMES.contains(name))) {
            return null;
        }
        return (arguments, scope) -> new TextMethods(text, safe, name, arguments, scope).call();
    }

    private Object call() {
        budget.read(text.length());
        return switch (name) {
            case "count", "find", "index", "rfind", "rindex", "startswith", "endswith" -> search();
            case "split", "rsplit", "splitlines", "partition", "rpartition" -> marked(parts());
            case "strip", "lstrip", "rstrip" -> marked(strip());
            case "join" -> Methods.join(text, safe, Values.list(bind(1, 1)[0], budget), budget);
            case "center", "ljust", "rjust", "zfill", "expandtabs" -> marked(widened());
            case "replace" -> marked(replace());
            case "removeprefix", "removesuffix" -> marked(remove());
            case "format" -> BraceFormat.format(text, safe, arguments, scope);
            case "format_map" -> BraceFormat.format(text, safe, mapped(), scope);
            case "translate" -> marked(translate());
            case "maketrans" -> Translation.table(bind(1, 3), budget);
            case "striptags" -> HtmlTexts.stripTags(text, budget);
            case "unescape" -> HtmlTexts.unescape(text, budget);
            case "escape" -> Markup.escape(arguments.first(name), budget);
            case "encode" -> throw TemplateException.unsupported("bytes are not implemented");
            default -> isTest() ? (Object) test() : marked(cased());
        };
    }

    private @Nullable Object[] bind(int required, int most) {
        return arguments.bindPositional(name, required, most);
    }

    /** A result of a safe text is safe, and so are its parts. */
    private Object marked(Object result) {
        if (!safe) {
            return result;
        }
        return switch (result) {
            case String part -> new Markup(part);
            case Tuple tuple -> new Tuple(tuple.stream().map(this::marked).toList());
            case List<?> list ->
                new ArrayList<Object>(list.stream().map(this::marked).toList());
            default -> result;
        };
    }

    /** An argument that goes into the result. */
    private String inserted(@Nullable Object argument) {
        String given = Values.requireText(argument == null ? " " : argument);
        return safe ? Markup.escape(argument == null ? " " : argument, budget).text() : given;
    }

    private String cased() {
        bind(0, 0);
        budget.text(text.length());
        budget.read(7L * text.length()); // every character by itself
        return switch (name) {
            case "capitalize" -> Texts.capitalize(text);
            case "casefold" -> Texts.lower(Texts.upper(text).replace("İ", "i̇"));
            case "lower" -> Texts.lower(text);
            case "upper" -> Texts.upper(text);
            case "title" -> Texts.title(text);
            default -> Texts.swapCase(text);
        };
    }

    // ---- Tests
    // ---------------------------------------------------------------------------------------------------------

    private boolean isTest() {
        return name.startsWith("is");
    }

    private boolean test() {
        bind(0, 0);
        return switch (name) {
            case "isalnum" -> Texts.all(text, point -> Character.isLetter(point) || isNumeric(point));
            case "isalpha" -> Texts.all(text, Character::isLetter);
            case "isascii" -> text.codePoints().allMatch(point -> point < 128);
            case "isdecimal" -> Texts.all(text, point -> Character.getType(point) == Character.DECIMAL_DIGIT_NUMBER);
            case "isdigit" -> Texts.all(text, TextMethods::isDigit);
            case "isidentifier" -> isIdentifier();
            case "islower" -> Texts.isLower(text);
            case "isnumeric" -> Texts.all(text, TextMethods::isNumeric);
            case "isprintable" -> text.codePoints().allMatch(Texts::isPrintable);
            case "isspace" -> Texts.all(text, Texts::isSpace);
            case "istitle" -> Texts.isTitle(text);
            default -> Texts.isUpper(text);
        };
    }

    private boolean isIdentifier() {
        return !text.isEmpty()
                && (text.startsWith("_") || Character.isUnicodeIdentifierStart(text.codePointAt(0)))
                && text.codePoints().noneMatch(Character::isIdentifierIgnorable)
                && text.codePoints().allMatch(Character::isUnicodeIdentifierPart);
    }

    /** Decimal digits, and those that are raised, lowered or circled. */
    private static boolean isDigit(int point) {
        if (Character.isDigit(point)) {
            return true;
        }
        boolean raised = "\u00B2\u00B3\u00B9\u2070".indexOf(point) >= 0 || point >= 0x2074 && point <= 0x2079;
        return raised || point >= 0x2080 && point <= 0x2089 || point >= 0x2460 && point <= 0x2468;
    }

    private static boolean isNumeric(int point) {
        int type = Character.getType(point);
        boolean ideograph = "零〇一二三四五六七八九十百千万億兆".indexOf(point) >= 0;
        return ideograph
                || type == Character.DECIMAL_DIGIT_NUMBER
                || type == Character.LETTER_NUMBER
                || type == Character.OTHER_NUMBER;
    }

    // ---- Searches
    // ------------------------------------------------------------------------------------------------------

    private Object search() {
        @Nullable Object[] given = bind(1, 3);
        int length = Texts.length(text, budget);
        long from = bound(given[1], 0, length);
        long to = Math.min(bound(given[2], length, length), length);
        boolean valid = from <= to && from <= length;
        int begin = text.offsetByCodePoints(0, (int) Math.min(from, length));
        String part = valid ? Texts.slice(text, (int) from, 1, (int) (to - from), budget) : "";
        if (name.equals("startswith") || name.equals("endswith")) {
            return edge(part, valid, Values.require(Values.require(given[0])));
        }
        String wanted = Values.requireText(given[0]);
        if (name.equals("count")) {
            return valid ? Texts.occurrences(part, wanted, budget) : 0L;
        }
        int at = !valid
                ? -1
                : name.startsWith("r")
                        ? Texts.lastIndexOf(part, wanted, part.length(), budget)
                        : Texts.indexOf(part, wanted, 0, budget);
        if (at < 0 && name.endsWith("index")) {
            throw TemplateException.error("substring not found");
        }
        return at < 0 ? -1L : (long) text.codePointCount(0, begin + at);
    }

    private static long bound(@Nullable Object given, long fallback, int length) {
        if (given == null || given == None.NONE) {
            return fallback;
        }
        long place = Values.requireIndex(given);
        return place < 0 ? Math.max(0, place + length) : place;
    }

    private boolean edge(String part, boolean valid, Object wanted) {
        if (wanted instanceof Tuple several) {
            return several.stream().anyMatch(one -> edge(part, valid, Values.requireText(one)));
        }
        String edge = Values.requireText(wanted);
        budget.read(edge.length());
        return valid && (name.equals("startswith") ? part.startsWith(edge) : part.endsWith(edge));
    }

    // ---- Parts
    // ---------------------------------------------------------------------------------------------------------

    private Object parts() {
        if (name.equals("splitlines")) {
            return Texts.lines(text, Arguments.flag(arguments.bind(name, 0, "keepends")[0], false), budget);
        }
        if (name.endsWith("partition")) {
            return partition(Values.requireText(bind(1, 1)[0]));
        }
        @Nullable Object[] given = arguments.bind(name, 0, "sep", "maxsplit");
        boolean words = given[0] == null || given[0] == None.NONE;
        long limit = given[1] == null ? -1 : Values.requireIndex(given[1]);
        boolean fromEnd = name.equals("rsplit");
        if (words) {
            return fromEnd ? Texts.wordsFromEnd(text, limit, budget) : Texts.words(text, limit, budget);
        }
        String separator = Values.requireText(given[0]);
        return fromEnd
                ? Texts.splitFromEnd(text, separator, limit, budget)
                : Texts.split(text, separator, limit, budget);
    }

    private Tuple partition(String separator) {
        boolean fromEnd = name.equals("rpartition");
        List<Object> halves =
                fromEnd ? Texts.splitFromEnd(text, separator, 1, budget) : Texts.split(text, separator, 1, budget);
        if (halves.size() == 1) {
            return fromEnd ? Tuple.of("", "", text) : Tuple.of(text, "", "");
        }
        return Tuple.of(halves.getFirst(), separator, halves.getLast());
    }

    private String strip() {
        Object given = Arguments.orNothing(bind(0, 1)[0]);
        String set = given == null ? null : Values.requireText(given);
        budget.read((long) text.length() * (set == null ? 1 : set.length() / 64 + 1));
        budget.text(text.length());
        return Texts.strip(text, set, !name.equals("rstrip"), !name.equals("lstrip"));
    }

    private String widened() {
        if (name.equals("expandtabs")) {
            return expandTabs(Arguments.integer(arguments.bind(name, 0, "tabsize")[0], 8));
        }
        @Nullable Object[] given = bind(1, 2);
        long width = Values.requireIndex(given[0]);
        if (name.equals("zfill")) {
            boolean signed = text.startsWith("-") || text.startsWith("+");
            String sign = signed ? text.substring(0, 1) : "";
            return sign + Texts.pad(text.substring(sign.length()), width - sign.length(), "0", true, false, budget);
        }
        String fill = given[1] == null ? " " : Values.requireText(given[1]);
        if (fill.codePointCount(0, fill.length()) != 1) {
            throw TemplateException.error("the fill character must be exactly one character long");
        }
        return Texts.pad(text, width, inserted(given[1]), !name.equals("ljust"), !name.equals("rjust"), budget);
    }

    private String expandTabs(int size) {
        StringBuilder out = new StringBuilder();
        int column = 0;
        for (int at = 0; at < text.length(); at++) {
            char c = text.charAt(at);
            if (c == '\t') {
                int spaces = size > 0 ? size - column % size : 0;
                budget.text(spaces);
                out.repeat(" ", spaces);
                column += spaces;
            } else {
                out.append(c);
                column = c == '\n' || c == '\r' ? 0 : Character.isLowSurrogate(c) ? column : column + 1;
            }
        }
        return out.toString();
    }

    private String replace() {
        @Nullable Object[] given = bind(2, 3);
        long limit = given[2] == null ? -1 : Values.requireIndex(given[2]);
        Values.requireText(given[1]);
        return Texts.replace(text, Values.requireText(given[0]), inserted(given[1]), limit, budget);
    }

    private String remove() {
        String edge = Values.requireText(bind(1, 1)[0]);
        budget.text(text.length());
        if (name.equals("removeprefix")) {
            return text.startsWith(edge) ? text.substring(edge.length()) : text;
        }
        return text.endsWith(edge) ? text.substring(0, text.length() - edge.length()) : text;
    }

    private Arguments mapped() {
        if (!(Values.require(bind(1, 1)[0]) instanceof Dict dict)) {
            throw TemplateException.error("format_map wants a dict");
        }
        Map<String, Object> mapped = new LinkedHashMap<>();
        for (Dict.Item item : dict.items()) {
            budget.step();
            if (item.key() instanceof String key) {
                mapped.put(key, item.value());
            }
        }
        return new Arguments(List.of(), mapped);
    }

    private String translate() {
        return Translation.apply(text, Values.require(bind(1, 1)[0]), budget);
    }
}
