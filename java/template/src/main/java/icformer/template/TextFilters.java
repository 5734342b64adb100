package icformer.template;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Filters that make texts. What is no text is taken as its {@code str()}; what is safe stays so. */
final class TextFilters {
    private static final HexFormat HEX = HexFormat.of().withUpperCase();

    private TextFilters() {}

    static void register(Map<String, Filters.Filter> filters) {
        for (String name : List.of("capitalize", "lower", "upper")) {
            filters.put(name, (value, arguments, scope) -> {
                arguments.bind(name, 0);
                return method(name, value, List.of(), scope);
            });
        }
        filters.put("center", (value, arguments, scope) -> {
            @Nullable Object[] given = arguments.bind("center", 0, "width");
            return method("center", value, List.of(given[0] == null ? 80L : given[0]), scope);
        });
        filters.put("trim", (value, arguments, scope) -> {
            Object chars = Arguments.orNothing(arguments.bind("trim", 0, "chars")[0]);
            return method("strip", value, chars == null ? List.of() : List.of(chars), scope);
        });
        filters.put("e", (value, arguments, scope) -> escape(value, arguments, scope.budget()));
        filters.put("escape", (value, arguments, scope) -> escape(value, arguments, scope.budget()));
        filters.put("forceescape", (value, _, scope) ->
                Markup.escape(Repr.text(value, scope.budget()), scope.budget()));
        filters.put("safe", (value, _, scope) -> new Markup(Repr.text(value, scope.budget())));
        filters.put("string", (value, _, scope) -> soft(value, scope.budget()));
        filters.put("striptags", (value, _, scope) ->
                HtmlTexts.stripTags(Repr.text(value, scope.budget()), scope.budget()));
        filters.put("title", (value, _, scope) -> titled(Repr.text(value, scope.budget()), scope.budget()));
        filters.put("format", TextFilters::format);
        filters.put("replace", TextFilters::replace);
        filters.put("indent", TextFilters::indent);
        filters.put("join", TextFilters::join);
        filters.put("truncate", (value, arguments, scope) -> truncate(value, arguments, scope.budget()));
        filters.put("wordwrap", (value, arguments, scope) -> wordWrap(value, arguments, scope.budget()));
        filters.put("wordcount", (value, _, scope) -> wordCount(Repr.text(value, scope.budget()), scope.budget()));
        filters.put("urlencode", (value, _, scope) -> urlEncode(value, scope.budget()));
        filters.put("urlize", (value, arguments, scope) -> HtmlTexts.linked(
                value,
                withValue(arguments.bind("urlize", 0, "trim_url_limit", "nofollow", "target", "rel", "extra_schemes")),
                scope));
        filters.put("xmlattr", (value, arguments, scope) ->
                HtmlTexts.attributes(value, Arguments.flag(arguments.bind("xmlattr", 0, "autospace")[0], true), scope));
    }

    private static @Nullable Object[] withValue(@Nullable Object[] given) {
        @Nullable Object[] all = new Object[given.length + 1];
        System.arraycopy(given, 0, all, 1, given.length);
        return all;
    }

    /** A text as it is, and anything else as its text. */
    private static Object soft(Object value, Budget budget) {
        return Values.isText(value) ? value : Repr.text(value, budget);
    }

    /** A method of the value's text. */
    private static Object method(String name, Object value, List<Object> arguments, Scope scope) {
        Object text = soft(value, scope.budget());
        Callable method = TextMethods.of(Values.requireText(text), text instanceof Markup, name);
        if (method == null) {
            throw TemplateException.error("a str has no method '%s'", name);
        }
        return method.call(new Arguments(arguments, Map.of()), scope);
    }

    private static Object escape(Object value, Arguments arguments, Budget budget) {
        arguments.bind("escape", 0);
        return Markup.escape(value, budget);
    }

    /** Words begin behind white space, a hyphen and an opening bracket; what follows is in lower case. */
    private static Object titled(String text, Budget budget) {
        budget.text(text.length());
        budget.read(7L * text.length()); // every character by itself
        StringBuilder titled = new StringBuilder();
        boolean begins = true;
        for (int at = 0; at < text.length(); ) {
            int point = text.codePointAt(at);
            String character = Character.toString(point);
            boolean divides = Texts.isSpace(point) || "-([{<".indexOf(point) >= 0;
            titled.append(begins && !divides ? Texts.upper(character) : Texts.lower(character));
            begins = divides;
            at += Character.charCount(point);
        }
        return titled.toString();
    }

    private static Object format(Object value, Arguments arguments, Scope scope) {
        if (!arguments.positional().isEmpty() && !arguments.named().isEmpty()) {
            throw TemplateException.error("can't handle positional and keyword arguments at the same time");
        }
        Object values = new Tuple(arguments.positional());
        if (!arguments.named().isEmpty()) {
            Dict named = new Dict();
            arguments.named().forEach((name, element) -> named.put(name, element, scope.budget()));
            values = named;
        }
        return PercentFormat.format(soft(value, scope.budget()), values, scope.budget());
    }

    private static Object replace(Object value, Arguments arguments, Scope scope) {
        Budget budget = scope.budget();
        @Nullable Object[] given = arguments.bind("replace", 2, "old", "new", "count");
        Object count = Arguments.orNothing(given[2]);
        long limit = count == null ? -1 : Values.requireIndex(count);
        if (!scope.autoescape()) {
            return Texts.replace(
                    Repr.text(value, budget), Repr.text(given[0], budget), Repr.text(given[1], budget), limit, budget);
        }
        boolean escapes = given[0] instanceof Markup || given[1] instanceof Markup && !(value instanceof Markup);
        Object text = escapes ? Markup.escape(value, budget) : soft(value, budget);
        return method("replace", text, List.of(soft(given[0], budget), soft(given[1], budget), limit), scope);
    }

    private static Object indent(Object value, Arguments arguments, Scope scope) {
        Budget budget = scope.budget();
        @Nullable Object[] given = arguments.bind("indent", 0, "width", "first", "blank");
        Object width = given[0] == null ? 4L : given[0];
        String margin = Values.isText(width)
                ? Values.requireText(width)
                : Values.requireText(Operators.apply("*", " ", width, budget));
        boolean blank = Arguments.flag(given[2], false);
        StringBuilder out = new StringBuilder();
        List<Object> lines = Texts.lines(Values.requireText(value) + "\n", false, budget);
        for (int i = 0; i < lines.size(); i++) {
            String line = (String) lines.get(i);
            boolean deeper = i == 0 ? Arguments.flag(given[1], false) : blank || !line.isEmpty();
            budget.text(line.length() + (long) margin.length());
            out.append(i == 0 ? "" : "\n").append(deeper ? margin : "").append(line);
        }
        return value instanceof Markup ? new Markup(out.toString()) : out.toString();
    }

    private static Object join(Object value, Arguments arguments, Scope scope) {
        Budget budget = scope.budget();
        @Nullable Object[] given = arguments.bind("join", 0, "d", "attribute");
        Object separator = given[0] == null ? "" : given[0];
        Object attribute = Arguments.orNothing(given[1]);
        List<Object> elements = new ArrayList<>();
        Iterator<Object> values = Values.iterate(value, budget);
        while (values.hasNext()) {
            Object element = attribute == null ? values.next() : ListFilters.attribute(values.next(), attribute, null, budget);
            elements.add(soft(element, budget));
        }
        boolean safe = scope.autoescape()
                && (separator instanceof Markup || elements.stream().anyMatch(Markup.class::isInstance));
        if (!safe) {
            List<String> parts = elements.stream().map(Values::requireText).toList();
            return Texts.join(Repr.text(separator, budget), parts, budget);
        }
        return Methods.join(Markup.escape(separator, budget).text(), true, elements, budget);
    }

    private static Object truncate(Object value, Arguments arguments, Budget budget) {
        @Nullable Object[] given = arguments.bind("truncate", 0, "length", "killwords", "end", "leeway");
        long length = given[0] == null ? 255 : Values.requireIndex(given[0]);
        String end = given[2] == null ? "..." : Values.requireText(given[2]);
        Object leeway = Arguments.orNothing(given[3]);
        long more = leeway == null ? 5 : Values.requireIndex(leeway);
        int endLength = Texts.length(end, budget);
        if (length < endLength || more < 0) {
            throw TemplateException.error("expected length >= %d, got %d", endLength, length);
        }
        if (Values.length(value, budget) <= length + more) {
            return value;
        }
        String text = Texts.slice(Values.requireText(value), 0, 1, (int) (length - endLength), budget);
        if (!Arguments.flag(given[1], false)) {
            text = (String) Texts.splitFromEnd(text, " ", 1, budget).getFirst();
        }
        return value instanceof Markup
                ? Operators.add(new Markup(text), end, budget)
                : Operators.add(text, given[2] == null ? end : given[2], budget);
    }

    private static Object wordWrap(Object value, Arguments arguments, Budget budget) {
        @Nullable Object[] given =
                arguments.bind("wordwrap", 0, "width", "break_long_words", "wrapstring", "break_on_hyphens");
        Object between = Arguments.orNothing(given[2]);
        String lineEnd = between == null ? "\n" : Values.requireText(between);
        List<String> lines = new ArrayList<>();
        for (Object line : Texts.lines(Values.requireText(value), false, budget)) {
            Wrapping wrapping = new Wrapping(
                    Arguments.integer(given[0], 79),
                    Arguments.flag(given[1], true),
                    Arguments.flag(given[3], true),
                    budget);
            lines.add(Texts.join(lineEnd, wrapping.wrap((String) line), budget));
        }
        String text = Texts.join(lineEnd, lines, budget);
        return between instanceof Markup ? new Markup(text) : text;
    }

    private static Object wordCount(String text, Budget budget) {
        budget.read(text.length());
        long count = 0;
        boolean inWord = false;
        for (int at = 0; at < text.length(); ) {
            int point = text.codePointAt(at);
            int type = Character.getType(point);
            boolean word = Character.isLetterOrDigit(point)
                    || point == '_'
                    || type == Character.LETTER_NUMBER
                    || type == Character.OTHER_NUMBER;
            count += word && !inWord ? 1 : 0;
            inWord = word;
            at += Character.charCount(point);
        }
        return count;
    }

    private static Object urlEncode(Object value, Budget budget) {
        if (Values.isText(value) || !(value instanceof Dict || value instanceof Undefined || isIterable(value))) {
            return quoted(Repr.text(value, budget), "/", budget);
        }
        List<String> parts = new ArrayList<>();
        List<Object> pairs = value instanceof Dict dict ? dict.tuples(budget) : Values.list(value, budget);
        for (Object pair : pairs) {
            List<Object> both = Values.list(pair, budget);
            if (both.size() != 2) {
                throw TemplateException.error("urlencode wants pairs");
            }
            String key = quoted(Repr.text(both.getFirst(), budget), "", budget);
            String text = quoted(Repr.text(both.getLast(), budget), "", budget);
            parts.add(key.replace("%20", "+") + "=" + text.replace("%20", "+"));
        }
        return Texts.join("&", parts, budget);
    }

    private static boolean isIterable(Object value) {
        return value instanceof List<?> || value instanceof Dict.View || value instanceof Generator;
    }

    private static String quoted(String text, String allowed, Budget budget) {
        budget.text(3L * text.length());
        StringBuilder out = new StringBuilder();
        for (byte b : text.getBytes(StandardCharsets.UTF_8)) {
            char c = (char) (b & 0xFF);
            boolean plain = c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9';
            if (plain || "_.-~".indexOf(c) >= 0 || allowed.indexOf(c) >= 0) {
                out.append(c);
            } else {
                out.append('%').append(HEX.toHighHexDigit(b)).append(HEX.toLowHexDigit(b));
            }
        }
        return out.toString();
    }
}
