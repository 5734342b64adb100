package icformer.template;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;

/** What can be done with two values, as Python does it. */
final class Operators {
    private Operators() {}

    // ---- Comparisons ---------------------------------------------------------------------------------------------------

    static boolean equal(Object left, Object right, Budget budget) {
        return equal(left, right, budget, 0);
    }

    private static boolean equal(Object left, Object right, Budget budget, int depth) {
        Values.requireShallow(depth);
        budget.step();
        if (left == right) {
            return !(left instanceof Double real && real.isNaN());
        }
        if (Values.isNumber(left) && Values.isNumber(right)) {
            return Numbers.compare(left, right) == 0;
        }
        if (Values.isText(left) && Values.isText(right)) {
            budget.read(Values.requireText(left).length());
            return Values.requireText(left).equals(Values.requireText(right));
        }
        return switch (left) {
            case List<?> a when right instanceof List<?> b -> equalLists(a, b, budget, depth);
            case Dict a when right instanceof Dict b -> equalDicts(a, b, budget, depth);
            case Undefined _ -> right instanceof Undefined;
            default -> false;
        };
    }

    private static boolean equalLists(List<?> a, List<?> b, Budget budget, int depth) {
        boolean alike = a instanceof Tuple == b instanceof Tuple && a instanceof Range == b instanceof Range;
        if (!alike || a.size() != b.size()) {
            return false;
        }
        Iterator<?> others = b.iterator();
        for (Object element : a) {
            Object other = others.next();
            if (element != other && !equal(element, other, budget, depth + 1)) {
                return false;
            }
        }
        return true;
    }

    private static boolean equalDicts(Dict a, Dict b, Budget budget, int depth) {
        if (a.size() != b.size()) {
            return false;
        }
        for (Dict.Item item : a.items()) {
            Object other = b.get(item.key(), budget);
            if (other == null || !equal(item.value(), other, budget, depth + 1)) {
                return false;
            }
        }
        return true;
    }

    /** {@code left operator right}, one of {@code < <= > >=}. */
    static boolean ordered(String operator, Object left, Object right, Budget budget) {
        if (isNaN(left) && Values.isNumber(right) || isNaN(right) && Values.isNumber(left)) {
            return false;
        }
        int order = compare(left, right, budget);
        return switch (operator) {
            case "<" -> order < 0;
            case "<=" -> order <= 0;
            case ">" -> order > 0;
            default -> order >= 0;
        };
    }

    private static boolean isNaN(Object value) {
        return value instanceof Double real && real.isNaN();
    }

    /** Less than 0, 0 or more than 0, of values that have an order. */
    static int compare(Object left, Object right, Budget budget) {
        return compare(left, right, budget, 0);
    }

    private static int compare(Object left, Object right, Budget budget, int depth) {
        Values.requireShallow(depth);
        budget.step();
        Values.require(left);
        Values.require(right);
        if (Values.isNumber(left) && Values.isNumber(right)) {
            return Numbers.compare(left, right);
        }
        if (Values.isText(left) && Values.isText(right)) {
            return Texts.compare(Values.requireText(left), Values.requireText(right), budget);
        }
        boolean lists = Values.isList(left) && Values.isList(right) || left instanceof Tuple && right instanceof Tuple;
        if (lists && left instanceof List<?> a && right instanceof List<?> b) {
            for (int i = 0; i < Math.min(a.size(), b.size()); i++) {
                if (!equal(a.get(i), b.get(i), budget, depth + 1)) {
                    return compare(a.get(i), b.get(i), budget, depth + 1);
                }
            }
            return Integer.compare(a.size(), b.size());
        }
        throw TemplateException.error(
                "'<' not supported between instances of '%s' and '%s'", Values.type(left), Values.type(right));
    }

    static boolean contains(Object container, Object element, Budget budget) {
        switch (container) {
            case String text -> {
                return containsText(text, element, budget);
            }
            case Markup(String text) -> {
                return containsText(text, element, budget);
            }
            case Dict dict -> {
                return dict.get(element, budget) != null;
            }
            default -> {
                Iterator<Object> elements = Values.iterate(container, budget);
                while (elements.hasNext()) {
                    if (equal(elements.next(), element, budget)) {
                        return true;
                    }
                }
                return false;
            }
        }
    }

    private static boolean containsText(String text, Object part, Budget budget) {
        if (!Values.isText(part)) {
            throw TemplateException.error(
                    "'in <string>' requires string as left operand, not %s", Values.type(part));
        }
        return Texts.indexOf(text, Values.requireText(part), 0, budget) >= 0;
    }

    // ---- Arithmetic ----------------------------------------------------------------------------------------------------

    static Object apply(String operator, Object left, Object right, Budget budget) {
        if (operator.equals("%") && Values.isText(left)) {
            return PercentFormat.format(left, right, budget);
        }
        Values.require(left);
        Values.require(right);
        if (operator.equals("+")) {
            return add(left, right, budget);
        }
        if (operator.equals("*")) {
            return multiply(left, right, budget);
        }
        return numbers(operator, left, right, budget);
    }

    private static Object numbers(String operator, Object left, Object right, Budget budget) {
        if (!Values.isNumber(left) || !Values.isNumber(right)) {
            throw TemplateException.error(
                    "unsupported operand type(s) for %s: '%s' and '%s'", operator, Values.type(left), Values.type(right));
        }
        return Numbers.arithmetic(operator, left, right, budget);
    }

    static Object add(Object left, Object right, Budget budget) {
        Values.require(left);
        Values.require(right);
        if (Values.isText(left) && Values.isText(right)) {
            boolean safe = left instanceof Markup || right instanceof Markup;
            String a = safe ? Markup.escape(left, budget).text() : Values.requireText(left);
            String b = safe ? Markup.escape(right, budget).text() : Values.requireText(right);
            budget.text((long) a.length() + b.length());
            return safe ? new Markup(a.concat(b)) : a.concat(b);
        }
        boolean lists = Values.isList(left) && Values.isList(right) || left instanceof Tuple && right instanceof Tuple;
        if (lists && left instanceof List<?> a && right instanceof List<?> b) {
            budget.list((long) a.size() + b.size());
            List<Object> both = new ArrayList<>(a.size() + b.size());
            both.addAll(a);
            both.addAll(b);
            return left instanceof Tuple ? new Tuple(both) : both;
        }
        return numbers("+", left, right, budget);
    }

    private static Object multiply(Object left, Object right, Budget budget) {
        if (Values.isWhole(left) && isRepeatable(right)) {
            return repeat(right, left, budget);
        }
        if (Values.isWhole(right) && isRepeatable(left)) {
            return repeat(left, right, budget);
        }
        return numbers("*", left, right, budget);
    }

    private static boolean isRepeatable(Object value) {
        return Values.isText(value) || value instanceof Tuple || Values.isList(value);
    }

    private static Object repeat(Object value, Object times, Budget budget) {
        if (times instanceof BigInteger) {
            throw TemplateException.error("cannot fit 'int' into an index-sized integer");
        }
        long count = Math.max(0, Values.requireIndex(times));
        if (value instanceof List<?> list) {
            long size = list.isEmpty() ? 0 : saturated(list.size(), count);
            budget.list(size);
            List<Object> repeated = new ArrayList<>((int) size);
            for (long i = 0; repeated.size() < size; i++) {
                repeated.addAll(list);
            }
            return value instanceof Tuple ? new Tuple(repeated) : repeated;
        }
        String text = Values.requireText(value);
        long length = text.isEmpty() ? 0 : saturated(text.length(), count);
        budget.text(length);
        String repeated = text.isEmpty() ? "" : text.repeat((int) count);
        return value instanceof Markup ? new Markup(repeated) : repeated;
    }

    /** The product, or a number that no budget allows. */
    private static long saturated(long size, long count) {
        return count > Integer.MAX_VALUE ? Integer.MAX_VALUE : size * count;
    }

    // ---- Slices --------------------------------------------------------------------------------------------------------

    /** {@code value[from:to:step]}, each of them None or an int. */
    static Object slice(Object value, Object from, Object to, Object by, Budget budget) {
        if (!(Values.require(value) instanceof List<?>) && !Values.isText(value)) {
            throw TemplateException.error("a '%s' object has no slices", Values.type(value));
        }
        long step = by == None.NONE ? 1 : Values.requireIndex(by);
        if (step == 0) {
            throw TemplateException.error("slice step cannot be zero");
        }
        long length = Values.length(value, budget);
        long first = from == None.NONE ? step > 0 ? 0 : length - 1 : bound(Values.requireIndex(from), length, step);
        long last = to == None.NONE ? step > 0 ? length : -1 : bound(Values.requireIndex(to), length, step);
        int count = (int) (step > 0
                ? last > first ? (last - first - 1) / step + 1 : 0
                : first > last ? (first - last - 1) / -Math.max(step, -Long.MAX_VALUE) + 1 : 0);
        if (value instanceof Range range) {
            return range.part(first, last, step, count);
        }
        if (value instanceof List<?> list) {
            budget.list(count);
            List<Object> part = new ArrayList<>(count);
            for (int i = 0; i < count; i++) {
                part.add(list.get((int) (first + i * step)));
            }
            return value instanceof Tuple ? new Tuple(part) : part;
        }
        String part = Texts.slice(Values.requireText(value), (int) first, step, count, budget);
        return value instanceof Markup ? new Markup(part) : part;
    }

    private static long bound(long place, long length, long step) {
        long fromBegin = place < 0 ? place + length : place;
        return step > 0 ? Math.clamp(fromBegin, 0, length) : Math.clamp(fromBegin, -1, length - 1);
    }
}
