package icformer.template;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.IntPredicate;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/** The methods of texts, lists and mappings that change nothing. */
final class Methods {
    private Methods() {}

    /** The method of that name, bound to a value; null if there is none. */
    static @Nullable Callable of(Object value, String name) {
        return switch (value) {
            case String text -> ofText(text, name);
            case Map<?, ?> map -> ofMap(map, name);
            case List<?> list -> ofList(list, name);
            default -> null;
        };
    }

    private static @Nullable Callable ofText(String text, String name) {
        return switch (name) {
            case "strip" -> (arguments, _) -> strip(text, arguments, true, true);
            case "lstrip" -> (arguments, _) -> strip(text, arguments, true, false);
            case "rstrip" -> (arguments, _) -> strip(text, arguments, false, true);
            case "lower" -> (_, _) -> Texts.lower(text);
            case "upper" -> (_, _) -> Texts.upper(text);
            case "title" -> (_, _) -> Texts.title(text);
            case "capitalize" -> (_, _) -> Texts.capitalize(text);
            case "startswith" -> (arguments, _) -> affix(arguments, text::startsWith);
            case "endswith" -> (arguments, _) -> affix(arguments, text::endsWith);
            case "removeprefix" -> (arguments, _) -> {
                String prefix = Values.requireText(arguments.first(name));
                return text.startsWith(prefix) ? text.substring(prefix.length()) : text;
            };
            case "removesuffix" -> (arguments, _) -> {
                String suffix = Values.requireText(arguments.first(name));
                return text.endsWith(suffix) ? text.substring(0, text.length() - suffix.length()) : text;
            };
            case "split", "rsplit" -> (arguments, budget) -> split(text, name, arguments, budget);
            case "splitlines" -> (_, budget) -> {
                budget.elements(text.length());
                return new ArrayList<Object>(text.lines().toList());
            };
            case "replace" -> (arguments, budget) -> replace(text, arguments, budget);
            case "find" -> (arguments, _) -> place(text, text.indexOf(Values.requireText(arguments.first(name))));
            case "rfind" -> (arguments, _) -> place(text, text.lastIndexOf(Values.requireText(arguments.first(name))));
            case "count" -> (arguments, _) -> (long) Texts.occurrences(text, Values.requireText(arguments.first(name)));
            case "join" -> (arguments, budget) -> {
                List<?> elements = Values.elements(arguments.first(name), budget);
                elements.forEach(Values::requireText);
                return join(text, elements, budget);
            };
            case "isdigit" -> (_, _) -> all(text, Character::isDigit);
            case "isalpha" -> (_, _) -> all(text, Character::isLetter);
            case "isalnum" -> (_, _) -> all(text, Character::isLetterOrDigit);
            case "isspace" -> (_, _) -> all(text, Lexer::isSpace);
            case "islower" -> (_, _) -> Tests.isLower(text);
            case "isupper" -> (_, _) -> Tests.isUpper(text);
            default -> null;
        };
    }

    private static String strip(String text, Arguments arguments, boolean begin, boolean end) {
        @Nullable Object[] given = arguments.bind("strip", "chars");
        return Texts.strip(text, given[0] == None.NONE ? "" : Arguments.text(given[0], ""), begin, end);
    }

    private static boolean affix(Arguments arguments, Predicate<String> has) {
        Object affix = arguments.first("startswith");
        return affix instanceof Tuple several
                ? several.stream().anyMatch(one -> has.test(Values.requireText(one)))
                : has.test(Values.requireText(affix));
    }

    private static List<Object> split(String text, String name, Arguments arguments, Budget budget) {
        @Nullable Object[] given = arguments.bind(name, "sep", "maxsplit");
        int limit = Arguments.integer(given[1], -1);
        if (given[0] == null || given[0] == None.NONE) {
            budget.elements(text.length() / 2 + 1);
            return name.equals("split") ? Texts.words(text, limit) : Texts.wordsFromEnd(text, limit);
        }
        String separator = Values.requireText(given[0]);
        budget.text(text.length());
        budget.elements(Texts.occurrences(text, separator) + 1L);
        return name.equals("split") ? Texts.split(text, separator, limit) : Texts.splitFromEnd(text, separator, limit);
    }

    private static String replace(String text, Arguments arguments, Budget budget) {
        @Nullable Object[] given = arguments.bind("replace", "old", "new", "count");
        return Texts.replace(
                text, Arguments.text(given[0], ""), Arguments.text(given[1], ""), Arguments.integer(given[2], -1), budget);
    }

    private static long place(String text, int index) {
        return index < 0 ? -1 : text.codePointCount(0, index);
    }

    static String join(String separator, List<?> elements, Budget budget) {
        StringBuilder joined = new StringBuilder();
        String between = "";
        for (Object element : elements) {
            String text = Values.text(element, budget);
            budget.text((long) between.length() + text.length());
            joined.append(between).append(text);
            between = separator;
        }
        return joined.toString();
    }

    private static boolean all(String text, IntPredicate condition) {
        return !text.isEmpty() && text.codePoints().allMatch(condition);
    }

    private static @Nullable Callable ofMap(Map<?, ?> map, String name) {
        return switch (name) {
            case "get" -> (arguments, _) -> {
                @Nullable Object[] given = arguments.bind("get", "key", "default");
                Object element = map.get(Values.requireKey(arguments.first(name)));
                return element != null ? element : given[1] != null ? given[1] : None.NONE;
            };
            case "items" -> (_, budget) -> items(map, budget);
            case "keys" -> (_, budget) -> {
                budget.list(map.size());
                return new ArrayList<Object>(map.keySet());
            };
            case "values" -> (_, budget) -> {
                budget.list(map.size());
                return new ArrayList<Object>(map.values());
            };
            default -> null;
        };
    }

    static List<Object> items(Map<?, ?> map, Budget budget) {
        budget.elements(map.size());
        List<Object> items = new ArrayList<>();
        map.forEach((key, value) -> items.add(new Tuple(List.of(key, value))));
        return items;
    }

    private static @Nullable Callable ofList(List<?> list, String name) {
        return switch (name) {
            case "index" -> (arguments, budget) -> {
                Object element = arguments.first(name);
                for (int i = 0; i < list.size(); i++) {
                    if (Values.equal(list.get(i), element, budget)) {
                        return (long) i;
                    }
                }
                throw TemplateException.error("the list does not hold what its index is asked of");
            };
            case "count" -> (arguments, budget) ->
                    list.stream().filter(element -> Values.equal(element, arguments.first(name), budget)).count();
            default -> null;
        };
    }
}
