package icformer.template;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Values over several lines, as Python's {@code pprint} lays them out. */
final class Pretty {
    private static final int WIDTH = 80;
    private static final Pattern WORD = Pattern.compile("\\S*\\s*", Pattern.UNICODE_CHARACTER_CLASS);

    private final StringBuilder out = new StringBuilder();
    private final Budget budget;

    private Pretty(Budget budget) {
        this.budget = budget;
    }

    static String text(Object value, Budget budget) {
        Pretty pretty = new Pretty(budget);
        pretty.write(sorted(value, 0, budget), 0, 0, 0);
        return pretty.out.toString();
    }

    /** The same with dicts in the order of their keys. */
    private static Object sorted(Object value, int depth, Budget budget) {
        Values.requireShallow(depth);
        budget.step();
        if (value instanceof Dict dict) {
            List<Dict.Item> items = new ArrayList<>();
            dict.items().forEach(items::add);
            items.sort((a, b) -> order(a.key(), b.key(), budget));
            Dict ordered = new Dict();
            items.forEach(item -> ordered.put(item.key(), sorted(item.value(), depth + 1, budget), budget));
            return ordered;
        }
        if (value instanceof Range || !(value instanceof List<?> list)) {
            return value;
        }
        budget.list(list.size());
        List<Object> elements = new ArrayList<>();
        list.forEach(element -> elements.add(sorted(element, depth + 1, budget)));
        return value instanceof Tuple ? new Tuple(elements) : elements;
    }

    private static int order(Object a, Object b, Budget budget) {
        try {
            return Operators.compare(a, b, budget);
        } catch (TemplateException e) {
            if (e.kind() == TemplateException.Kind.LIMIT) {
                throw e;
            }
            return Values.type(a).compareTo(Values.type(b));
        }
    }

    private void write(Object value, int indent, int allowance, int level) {
        String repr = Repr.of(value, budget);
        if (repr.codePointCount(0, repr.length()) <= WIDTH - indent - allowance) {
            out.append(repr);
            return;
        }
        switch (value) {
            case Dict dict -> dict(dict, indent, allowance + 1, level + 1);
            case Range _ -> out.append(repr);
            case Tuple tuple -> elements(tuple, "(", tuple.size() == 1 ? ",)" : ")", indent, allowance, level + 1);
            case List<?> list -> elements(list, "[", "]", indent, allowance, level + 1);
            case String text -> text(text, repr, indent, allowance, level + 1);
            default -> out.append(repr);
        }
    }

    private void newLine(String before, int indent) {
        budget.text(indent + 2L);
        out.append(before).append('\n').repeat(" ", indent);
    }

    private void dict(Dict dict, int indent, int allowance, int level) {
        out.append('{');
        int left = dict.size();
        for (Dict.Item item : dict.items()) {
            String key = Repr.of(item.key(), budget);
            out.append(key).append(": ");
            left--;
            int margin = indent + 1 + key.codePointCount(0, key.length()) + 2;
            write(item.value(), margin, left == 0 ? allowance : 1, level);
            if (left > 0) {
                newLine(",", indent + 1);
            }
        }
        out.append('}');
    }

    private void elements(List<?> elements, String begin, String end, int indent, int allowance, int level) {
        out.append(begin);
        int left = elements.size();
        for (Object element : elements) {
            left--;
            write(element, indent + 1, left == 0 ? allowance + end.length() : 1, level);
            if (left > 0) {
                newLine(",", indent + 1);
            }
        }
        out.append(end);
    }

    private void text(String text, String repr, int indent, int allowance, int level) {
        if (text.isEmpty()) {
            out.append(repr);
            return;
        }
        int margin = level == 1 ? indent + 1 : indent;
        List<String> parts = parts(text, WIDTH - margin, level == 1 ? allowance + 1 : allowance);
        if (parts.size() == 1) {
            out.append(parts.getFirst());
            return;
        }
        out.append(level == 1 ? "(" : "");
        for (int i = 0; i < parts.size(); i++) {
            if (i > 0) {
                newLine("", margin);
            }
            out.append(parts.get(i));
        }
        out.append(level == 1 ? ")" : "");
    }

    private List<String> parts(String text, int width, int allowance) {
        List<String> parts = new ArrayList<>();
        List<Object> lines = Texts.lines(text, true, budget);
        for (int i = 0; i < lines.size(); i++) {
            boolean last = i == lines.size() - 1;
            String repr = Repr.of(lines.get(i), budget);
            if (repr.length() <= width - (last ? allowance : 0)) {
                parts.add(repr);
            } else {
                words((String) lines.get(i), width, last ? allowance : 0, parts);
            }
        }
        return parts;
    }

    private void words(String line, int width, int allowance, List<String> parts) {
        String current = "";
        Matcher word = WORD.matcher(line);
        while (word.find() && !word.group().isEmpty()) {
            String candidate = current + word.group();
            int room = word.end() == line.length() ? width - allowance : width;
            if (Repr.of(candidate, budget).length() > room) {
                if (!current.isEmpty()) {
                    parts.add(Repr.of(current, budget));
                }
                current = word.group();
            } else {
                current = candidate;
            }
        }
        if (!current.isEmpty()) {
            parts.add(Repr.of(current, budget));
        }
    }
}
