package icformer.template;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** Texts with tags, entities and links. */
final class HtmlTexts {
    private static final Pattern ENTITY = Pattern.compile("&(#[xX]?[0-9a-fA-F]{1,7}|[a-zA-Z]{2,6});?");
    private static final Map<String, String> ENTITIES = Map.of(
            "amp", "&", "lt", "<", "gt", ">", "quot", "\"", "apos", "'", "nbsp", "\u00A0", "copy", "©", "hellip", "…",
            "mdash", "—", "ndash", "–");

    private static final Pattern LINK = Pattern.compile(
            "((https?://|www\\.)(([\\w%-]+\\.)+)?([a-z]{2,63}|xn--[\\w%]{2,59})"
                    + "|([\\w%-]{2,63}\\.)+(com|net|int|edu|gov|org|info|mil)"
                    + "|(https?://)((\\d{1,3})(\\.\\d{1,3}){3}|\\[([\\da-f]{0,4}:){2}([\\da-f]{0,4}:?){1,6}\\]))"
                    + "(?::\\d{1,5})?(?:[/?#]\\S*)?",
            Pattern.CASE_INSENSITIVE | Pattern.UNICODE_CHARACTER_CLASS);
    private static final Pattern MAIL = Pattern.compile("\\S+@\\w[\\w.-]*\\.\\w+", Pattern.UNICODE_CHARACTER_CLASS);
    private static final Pattern SCHEME = Pattern.compile("[\\w.+-]{2,}:/{0,2}", Pattern.UNICODE_CHARACTER_CLASS);
    private static final Pattern OPENING = Pattern.compile("^([(<]|&lt;)+");
    private static final Pattern SPACE = Pattern.compile("\\s+", Pattern.UNICODE_CHARACTER_CLASS);

    private HtmlTexts() {}

    /** Without comments and tags, white space as single spaces, entities as what they stand for. */
    static String stripTags(String text, Budget budget) {
        String tagless = without(without(text, "<!--", "-->", budget), "<", ">", budget);
        List<String> words = new ArrayList<>();
        Texts.words(tagless, -1, budget).forEach(word -> words.add((String) word));
        return unescape(Texts.join(" ", words, budget), budget);
    }

    private static String without(String text, String begin, String end, Budget budget) {
        String rest = text;
        while (true) {
            budget.text(rest.length());
            int from = rest.indexOf(begin);
            int to = from < 0 ? -1 : rest.indexOf(end, from);
            if (to < 0) {
                return rest;
            }
            rest = rest.substring(0, from) + rest.substring(to + end.length());
        }
    }

    static String unescape(String text, Budget budget) {
        budget.text(text.length());
        return ENTITY.matcher(text).replaceAll(match -> Matcher.quoteReplacement(entity(match.group(), match.group(1))));
    }

    private static String entity(String whole, String name) {
        if (name.charAt(0) != '#') {
            String text = ENTITIES.get(name);
            return text == null ? whole : text;
        }
        boolean hex = name.length() > 1 && (name.charAt(1) == 'x' || name.charAt(1) == 'X');
        try {
            int point = hex ? Integer.parseInt(name.substring(2), 16) : Integer.parseInt(name.substring(1));
            return point == 0 || point > Character.MAX_CODE_POINT || point >= 0xD800 && point < 0xE000
                    ? "\uFFFD"
                    : Character.toString(point);
        } catch (NumberFormatException e) {
            return whole;
        }
    }

    /** {@code key="value"} for every value that is there. */
    static Object attributes(Object value, boolean spaced, Scope scope) {
        Budget budget = scope.budget();
        if (!(Values.require(value) instanceof Dict dict)) {
            throw TemplateException.error("xmlattr wants a dict");
        }
        List<String> parts = new ArrayList<>();
        for (Dict.Item item : dict.items()) {
            if (item.value() == None.NONE || item.value() instanceof Undefined) {
                continue;
            }
            String key = Values.requireText(item.key());
            budget.read(key.length());
            if (key.chars().anyMatch(c -> c < 128 && Texts.isSpace(c) && c < 0x1C || c == ' ' || "/>=".indexOf(c) >= 0)) {
                throw TemplateException.error("Invalid character in attribute name");
            }
            parts.add(Markup.escape(item.key(), budget) + "=\"" + Markup.escape(item.value(), budget) + "\"");
        }
        String joined = Texts.join(" ", parts, budget);
        return scope.written(spaced && !joined.isEmpty() ? " " + joined : joined);
    }

    // ---- Links ---------------------------------------------------------------------------------------------------------

    /** Escaped, with links where words are addresses. */
    static Object linked(Object value, @Nullable Object[] given, Scope scope) {
        Budget budget = scope.budget();
        TreeSet<String> relations = new TreeSet<>(List.of("noopener"));
        if (Arguments.orNothing(given[4]) != null) {
            Texts.words(Values.requireText(given[4]), -1, budget).forEach(word -> relations.add((String) word));
        }
        if (Arguments.flag(given[2], false)) {
            relations.add("nofollow");
        }
        String target = Arguments.orNothing(given[3]) == null
                ? ""
                : " target=\"" + Markup.escape(given[3], budget) + "\"";
        List<String> schemes = new ArrayList<>();
        if (Arguments.orNothing(given[5]) != null) {
            for (Object scheme : Values.list(given[5], budget)) {
                if (!SCHEME.matcher(Values.requireText(scheme)).matches()) {
                    throw TemplateException.error("that is not a valid URI scheme prefix");
                }
                schemes.add(Values.requireText(scheme));
            }
        }
        long limit = Arguments.orNothing(given[1]) == null ? -1 : Values.requireIndex(given[1]);
        String rel = " rel=\"" + Markup.escape(String.join(" ", relations), budget) + "\"";
        String text = Markup.escape(value, budget).text();
        budget.text(4L * text.length());
        StringBuilder out = new StringBuilder();
        Matcher space = SPACE.matcher(text);
        int at = 0;
        while (space.find()) {
            out.append(word(text.substring(at, space.start()), rel, target, limit, schemes)).append(space.group());
            at = space.end();
        }
        out.append(word(text.substring(at), rel, target, limit, schemes));
        return scope.written(out.toString());
    }

    private static String word(String word, String rel, String target, long limit, List<String> schemes) {
        Matcher opening = OPENING.matcher(word);
        String head = opening.find() ? opening.group() : "";
        String middle = word.substring(head.length());
        int end = middle.length();
        while (end > 0 && (")>.,\n".indexOf(middle.charAt(end - 1)) >= 0 || middle.startsWith("&gt;", end - 4))) {
            end -= middle.charAt(end - 1) == ';' ? 4 : 1;
        }
        String tail = middle.substring(end);
        middle = middle.substring(0, end);
        for (String[] pair : new String[][] {{"(", ")"}, {"<", ">"}, {"&lt;", "&gt;"}}) {
            int opened = middle.split(Pattern.quote(pair[0]), -1).length - 1;
            int closed = middle.split(Pattern.quote(pair[1]), -1).length - 1;
            for (int i = 0; opened > closed && i < opened && tail.contains(pair[1]); i++) {
                int begin = tail.indexOf(pair[1]) + pair[1].length();
                middle += tail.substring(0, begin);
                tail = tail.substring(begin);
            }
        }
        return head + link(middle, rel, target, limit, schemes) + tail;
    }

    private static String link(String text, String rel, String target, long limit, List<String> schemes) {
        if (LINK.matcher(text).matches()) {
            String address = text.startsWith("https://") || text.startsWith("http://") ? text : "https://" + text;
            String shown = limit >= 0 && text.length() > limit ? text.substring(0, (int) limit) + "..." : text;
            return "<a href=\"" + address + "\"" + rel + target + ">" + shown + "</a>";
        }
        if (text.startsWith("mailto:") && MAIL.matcher(text.substring(7)).matches()) {
            return "<a href=\"" + text + "\">" + text.substring(7) + "</a>";
        }
        boolean mail = text.contains("@") && !text.startsWith("www.") && !text.startsWith("@") && !text.contains(":");
        if (mail && MAIL.matcher(text).matches()) {
            return "<a href=\"mailto:" + text + "\">" + text + "</a>";
        }
        for (String scheme : schemes) {
            if (!text.equals(scheme) && text.startsWith(scheme)) {
                return "<a href=\"" + text + "\"" + rel + target + ">" + text + "</a>";
            }
        }
        return text;
    }
}
