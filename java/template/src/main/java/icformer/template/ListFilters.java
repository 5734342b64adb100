package icformer.template;

import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** Filters over elements. */
final class ListFilters {
    private ListFilters() {}

    static void register(Map<String, Filters.Filter> filters) {
        filters.put("length", ListFilters::length);
        filters.put("count", ListFilters::length);
        filters.put("list", (value, _, scope) -> Values.list(value, scope.budget()));
        filters.put("first", (value, _, scope) -> first(Values.iterate(value, scope.budget()), "first item"));
        filters.put("last", (value, _, scope) -> last(value, scope.budget()));
        filters.put("random", (value, _, scope) -> random(value, scope.budget()));
        filters.put("reverse", (value, _, scope) -> reverse(value, scope.budget()));
        filters.put("items", (value, _, scope) -> items(value, scope.budget()));
        filters.put("sum", ListFilters::sum);
        filters.put("map", ListFilters::map);
        filters.put("select", (value, arguments, scope) -> select(value, arguments, true, false, scope));
        filters.put("reject", (value, arguments, scope) -> select(value, arguments, false, false, scope));
        filters.put("selectattr", (value, arguments, scope) -> select(value, arguments, true, true, scope));
        filters.put("rejectattr", (value, arguments, scope) -> select(value, arguments, false, true, scope));
        filters.put("sort", ListFilters::sort);
        filters.put("dictsort", ListFilters::dictSort);
        filters.put("groupby", ListFilters::groupBy);
        filters.put("unique", ListFilters::unique);
        filters.put("max", (value, arguments, scope) -> extreme("max", value, arguments, scope.budget()));
        filters.put("min", (value, arguments, scope) -> extreme("min", value, arguments, scope.budget()));
        filters.put("batch", ListFilters::batch);
        filters.put("slice", ListFilters::slice);
    }

    // ---- Single elements -----------------------------------------------------------------------------------------------

    private static Object length(Object value, Arguments arguments, Scope scope) {
        arguments.bind("length", 0);
        return Values.length(value, scope.budget());
    }

    private static Object first(Iterator<Object> elements, String what) {
        return elements.hasNext() ? elements.next() : new Undefined("No " + what + ", sequence was empty.");
    }

    private static Object random(Object value, Budget budget) {
        long size = Values.length(value, budget);
        return size == 0
                ? new Undefined("No random item, sequence was empty.")
                : Values.require(Values.element(value, ThreadLocalRandom.current().nextLong(size), budget));
    }

    private static Object last(Object value, Budget budget) {
        boolean placed = Values.isText(value) || value instanceof List<?>;
        return placed && Values.isTrue(value)
                ? Values.element(value, -1L, budget)
                : first(reversed(value, budget), "last item");
    }

    private static Iterator<Object> reversed(Object value, Budget budget) {
        if (value instanceof Generator || value instanceof Loop) {
            throw TemplateException.error("'%s' object is not reversible", Values.type(value));
        }
        List<Object> elements = Values.list(value, budget);
        Collections.reverse(elements);
        return elements.iterator();
    }

    private static Object reverse(Object value, Budget budget) {
        if (Values.isText(value)) {
            return Operators.slice(value, None.NONE, None.NONE, -1L, budget);
        }
        if (value instanceof Generator) {
            List<Object> elements = Values.list(value, budget);
            Collections.reverse(elements);
            return elements;
        }
        return new Generator(reversed(value, budget));
    }

    private static Object items(Object value, Budget budget) {
        if (value instanceof Undefined) {
            return new Generator(Collections.emptyIterator());
        }
        if (!(value instanceof Dict dict)) {
            throw TemplateException.error("Can only get item pairs from a mapping.");
        }
        return new Generator(dict.tuples(budget).iterator());
    }

    private static Object sum(Object value, Arguments arguments, Scope scope) {
        Budget budget = scope.budget();
        @Nullable Object[] given = arguments.bind("sum", 0, "attribute", "start");
        Object attribute = Arguments.orNothing(given[0]);
        Object sum = given[1] == null ? 0L : given[1];
        if (Values.isText(sum)) {
            throw TemplateException.error("sum() can't sum strings");
        }
        Iterator<Object> elements = Values.iterate(value, budget);
        while (elements.hasNext()) {
            Object element = elements.next();
            sum = Operators.add(sum, attribute == null ? element : attribute(element, attribute, null, budget), budget);
        }
        return sum;
    }

    // ---- Attributes ----------------------------------------------------------------------------------------------------

    /** {@code element.a.b.0}, or the element itself where there is no path; {@code fallback} for what is undefined. */
    static Object attribute(Object element, @Nullable Object path, @Nullable Object fallback, Budget budget) {
        if (path == null || path == None.NONE) {
            return element;
        }
        if (!Values.isText(path)) {
            Object value = Values.element(element, path, budget);
            return value instanceof Undefined && fallback != null ? fallback : value;
        }
        Object value = element;
        String names = Values.requireText(path);
        budget.read(names.length());
        for (String name : names.split("\\.", -1)) {
            boolean index = !name.isEmpty() && name.chars().allMatch(c -> c >= '0' && c <= '9') && name.length() < 10;
            value = Values.element(value, index ? (Object) Long.valueOf(name) : name, budget);
            if (value instanceof Undefined && fallback != null) {
                value = fallback;
            }
        }
        return value;
    }

    private static Object foldCase(Object value, boolean caseSensitive, Budget budget) {
        if (caseSensitive || !Values.isText(value)) {
            return value;
        }
        String text = Values.requireText(value);
        budget.text(text.length());
        return Texts.lower(text);
    }

    // ---- Some of the elements, and others in their place ---------------------------------------------------------------

    /** Makes the elements of a value into others, or drops them by null; none of a value that is false. */
    private static Generator elementwise(Object value, Supplier<Function<Object, @Nullable Object>> prepare, Budget budget) {
        return new Generator(new Lazy() {
            private @Nullable Iterator<Object> elements;
            private @Nullable Function<Object, @Nullable Object> function;

            @Override
            @Nullable Object compute() {
                if (elements == null) {
                    elements = Values.isTrue(value) ? Values.iterate(value, budget) : Collections.emptyIterator();
                    function = Values.isTrue(value) ? prepare.get() : null;
                }
                while (elements.hasNext() && function != null) {
                    budget.step();
                    Object element = function.apply(elements.next());
                    if (element != null) {
                        return element;
                    }
                }
                return null;
            }
        });
    }

    private static Object map(Object value, Arguments arguments, Scope scope) {
        return elementwise(value, () -> mapping(arguments, scope), scope.budget());
    }

    private static Function<Object, @Nullable Object> mapping(Arguments arguments, Scope scope) {
        if (arguments.positional().isEmpty() && arguments.named().containsKey("attribute")) {
            @Nullable Object[] given = arguments.bind("map", 1, "attribute", "default");
            Object fallback = Arguments.orNothing(given[1]);
            return element -> attribute(element, given[0], fallback, scope.budget());
        }
        Object name = arguments.first("map");
        return element -> {
            scope.budget().enter();
            try {
                return Filters.apply(Values.requireText(name), element, arguments.from(1), scope);
            } finally {
                scope.budget().leave();
            }
        };
    }

    private static Object select(Object value, Arguments arguments, boolean wanted, boolean byAttribute, Scope scope) {
        Budget budget = scope.budget();
        return elementwise(
                value,
                () -> {
                    Object path = byAttribute ? arguments.first("selectattr") : null;
                    Arguments rest = arguments.from(byAttribute ? 1 : 0);
                    Predicate<Object> test = rest.positional().isEmpty()
                            ? Values::isTrue
                            : examined -> Tests.holds(
                                    Values.requireText(rest.positional().getFirst()), examined, rest.from(1), budget);
                    return element -> test.test(attribute(element, path, null, budget)) == wanted ? element : null;
                },
                budget);
    }

    private static Object unique(Object value, Arguments arguments, Scope scope) {
        Budget budget = scope.budget();
        @Nullable Object[] given = arguments.bind("unique", 0, "case_sensitive", "attribute");
        boolean caseSensitive = Arguments.flag(given[0], false);
        Set<Object> seen = new HashSet<>();
        return new Generator(new Lazy() {
            private @Nullable Iterator<Object> elements;

            @Override
            @Nullable Object compute() {
                elements = elements == null ? Values.iterate(value, budget) : elements;
                while (elements.hasNext()) {
                    Object element = elements.next();
                    Object key = foldCase(attribute(element, given[1], null, budget), caseSensitive, budget);
                    if (seen.add(Dict.hashable(key, budget))) {
                        return element;
                    }
                }
                return null;
            }
        });
    }

    // ---- Order ---------------------------------------------------------------------------------------------------------

    /** An element and what it is sorted by. */
    private record Keyed(Object key, Object element) {}

    private static List<Keyed> sorted(Object value, Function<Object, Object> key, boolean reverse, Budget budget) {
        List<Keyed> keyed = new ArrayList<>();
        Values.list(value, budget).forEach(element -> keyed.add(new Keyed(key.apply(element), element)));
        budget.elements(keyed.size());
        Comparator<Keyed> order = (a, b) -> Operators.compare(a.key(), b.key(), budget);
        keyed.sort(reverse ? order.reversed() : order);
        return keyed;
    }

    private static List<Object> elements(List<Keyed> keyed) {
        return new ArrayList<>(keyed.stream().map(Keyed::element).toList());
    }

    private static Object sort(Object value, Arguments arguments, Scope scope) {
        Budget budget = scope.budget();
        @Nullable Object[] given = arguments.bind("sort", 0, "reverse", "case_sensitive", "attribute");
        boolean caseSensitive = Arguments.flag(given[1], false);
        Object path = Arguments.orNothing(given[2]);
        List<Object> paths = new ArrayList<>();
        if (path != null && Values.isText(path)) {
            paths.addAll(Texts.split(Values.requireText(path), ",", -1, budget));
        } else {
            paths.add(path == null ? None.NONE : path);
        }
        Function<Object, Object> key = element -> {
            List<Object> keys = new ArrayList<>();
            paths.forEach(one -> keys.add(foldCase(attribute(element, one, null, budget), caseSensitive, budget)));
            return keys;
        };
        return elements(sorted(value, key, Arguments.flag(given[0], false), budget));
    }

    private static Object dictSort(Object value, Arguments arguments, Scope scope) {
        Budget budget = scope.budget();
        @Nullable Object[] given = arguments.bind("dictsort", 0, "case_sensitive", "by", "reverse");
        boolean caseSensitive = Arguments.flag(given[0], false);
        long by = switch (Arguments.text(given[1], "key")) {
            case "key" -> 0;
            case "value" -> 1;
            default -> throw TemplateException.error("You can only sort by either \"key\" or \"value\"");
        };
        if (!(Values.require(value) instanceof Dict dict)) {
            throw TemplateException.error("dictsort wants a dict, not a %s", Values.type(value));
        }
        Function<Object, Object> key = item -> foldCase(((Tuple) item).get((int) by), caseSensitive, budget);
        return elements(sorted(dict.tuples(budget), key, Arguments.flag(given[2], false), budget));
    }

    private static Object groupBy(Object value, Arguments arguments, Scope scope) {
        Budget budget = scope.budget();
        @Nullable Object[] given = arguments.bind("groupby", 1, "attribute", "default", "case_sensitive");
        boolean caseSensitive = Arguments.flag(given[2], false);
        Object fallback = Arguments.orNothing(given[1]);
        Function<Object, Object> key =
                element -> foldCase(attribute(element, given[0], fallback, budget), caseSensitive, budget);
        List<Object> groups = new ArrayList<>();
        List<Object> group = new ArrayList<>();
        Object groupKey = null;
        for (Keyed keyed : sorted(value, key, false, budget)) {
            if (groupKey != null && !Operators.equal(groupKey, keyed.key(), budget)) {
                groups.add(group(groupKey, group, given[0], fallback, caseSensitive, budget));
                group = new ArrayList<>();
            }
            groupKey = group.isEmpty() ? keyed.key() : groupKey;
            group.add(keyed.element());
        }
        if (groupKey != null) {
            groups.add(group(groupKey, group, given[0], fallback, caseSensitive, budget));
        }
        return groups;
    }

    private static Object group(
            Object key,
            List<Object> elements,
            @Nullable Object path,
            @Nullable Object fallback,
            boolean caseSensitive,
            Budget budget) {
        budget.elements(1);
        return new Tuple.Group(caseSensitive ? key : attribute(elements.getFirst(), path, fallback, budget), elements);
    }

    private static Object extreme(String name, Object value, Arguments arguments, Budget budget) {
        @Nullable Object[] given = arguments.bind(name, 0, "case_sensitive", "attribute");
        boolean caseSensitive = Arguments.flag(given[0], false);
        Iterator<Object> elements = Values.iterate(value, budget);
        if (!elements.hasNext()) {
            return new Undefined("No aggregated item, sequence was empty.");
        }
        Object best = elements.next();
        Object bestKey = foldCase(attribute(best, given[1], null, budget), caseSensitive, budget);
        while (elements.hasNext()) {
            Object element = elements.next();
            Object key = foldCase(attribute(element, given[1], null, budget), caseSensitive, budget);
            if (Operators.ordered(name.equals("max") ? ">" : "<", key, bestKey, budget)) {
                best = element;
                bestKey = key;
            }
        }
        return best;
    }

    // ---- Rows and columns ----------------------------------------------------------------------------------------------

    private static Object batch(Object value, Arguments arguments, Scope scope) {
        Budget budget = scope.budget();
        @Nullable Object[] given = arguments.bind("batch", 1, "linecount", "fill_with");
        long size = Values.requireIndex(given[0]);
        Object fill = Arguments.orNothing(given[1]);
        return new Generator(new Lazy() {
            private @Nullable Iterator<Object> elements;
            private List<Object> row = new ArrayList<>();

            @Override
            @Nullable Object compute() {
                elements = elements == null ? Values.iterate(value, budget) : elements;
                while (elements.hasNext()) {
                    Object element = elements.next();
                    List<Object> full = row.size() == size ? row : null;
                    row = full != null ? new ArrayList<>() : row;
                    budget.list(1);
                    row.add(element);
                    if (full != null) {
                        return full;
                    }
                }
                List<Object> last = row;
                row = new ArrayList<>();
                if (last.isEmpty()) {
                    return null;
                }
                if (fill != null && last.size() < size) {
                    budget.list(size);
                    last.addAll(Collections.nCopies((int) size - last.size(), fill));
                }
                return last;
            }
        });
    }

    private static Object slice(Object value, Arguments arguments, Scope scope) {
        Budget budget = scope.budget();
        @Nullable Object[] given = arguments.bind("slice", 1, "slices", "fill_with");
        long slices = Values.requireIndex(given[0]);
        Object fill = Arguments.orNothing(given[1]);
        return new Generator(new Lazy() {
            private @Nullable List<Object> elements;
            private long number;
            private int at;

            @Override
            @Nullable Object compute() {
                if (elements == null) {
                    elements = Values.list(value, budget);
                    if (slices == 0) {
                        throw TemplateException.error("integer division or modulo by zero");
                    }
                }
                if (number >= slices) {
                    return null;
                }
                boolean longer = number++ < elements.size() % slices;
                int size = (int) (elements.size() / slices) + (longer ? 1 : 0);
                budget.elements(1 + size);
                List<Object> column = new ArrayList<>(elements.subList(at, at + size));
                at += size;
                if (!longer && fill != null) {
                    column.add(fill);
                }
                return column;
            }
        });
    }
}
