package icformer.template;

import java.util.Locale;

/** {@code text.format(values)}: fills in fields in braces, of which templates may reach what they may reach elsewhere. */
final class BraceFormat {
    private final boolean safe;
    private final Arguments arguments;
    private final Budget budget;
    private int next;
    private boolean counted;
    private boolean numbered;

    private BraceFormat(boolean safe, Arguments arguments, Budget budget) {
        this.safe = safe;
        this.arguments = arguments;
        this.budget = budget;
    }

    static Object format(String text, boolean safe, Arguments arguments, Scope scope) {
        String formatted = new BraceFormat(safe, arguments, scope.budget()).run(text, 2);
        return safe ? new Markup(formatted) : formatted;
    }

    private String run(String text, int depth) {
        if (depth < 0) {
            throw TemplateException.error("Max string recursion exceeded");
        }
        budget.text(text.length());
        StringBuilder out = new StringBuilder();
        int at = 0;
        while (at < text.length()) {
            char c = text.charAt(at++);
            boolean doubled = at < text.length() && text.charAt(at) == c;
            if (c != '{' && c != '}') {
                out.append(c);
            } else if (doubled) {
                out.append(c);
                at++;
            } else if (c == '}') {
                throw TemplateException.error("Single '}' encountered in format string");
            } else {
                int end = end(text, at);
                String field = field(text.substring(at, end), depth);
                budget.text(field.length());
                out.append(field);
                at = end + 1;
            }
        }
        return out.toString();
    }

    /** The brace that closes a field. */
    private static int end(String text, int begin) {
        int depth = 1;
        boolean bracket = false;
        for (int at = begin; at < text.length(); at++) {
            char c = text.charAt(at);
            if (c == '[') {
                bracket = true;
            } else if (c == ']') {
                bracket = false;
            } else if (!bracket) {
                depth += c == '{' ? 1 : c == '}' ? -1 : 0;
            }
            if (depth == 0) {
                return at;
            }
        }
        throw TemplateException.error("expected '}' before end of string");
    }

    private String field(String field, int depth) {
        int name = 0;
        boolean bracket = false;
        while (name < field.length() && (bracket || field.charAt(name) != '!' && field.charAt(name) != ':')) {
            bracket = field.charAt(name) == '[' || bracket && field.charAt(name) != ']';
            name++;
        }
        char conversion = 0;
        int at = name;
        if (at < field.length() && field.charAt(at) == '!') {
            if (at + 1 >= field.length() || at + 2 < field.length() && field.charAt(at + 2) != ':') {
                throw TemplateException.error("expected ':' after conversion specifier");
            }
            conversion = field.charAt(at + 1);
            at += 2;
        }
        Object value = value(field.substring(0, name));
        String spec = at < field.length() ? run(field.substring(at + 1), depth - 1) : "";
        return formatted(converted(value, conversion), spec);
    }

    private String formatted(Object value, String spec) {
        if (!safe) {
            return FormatSpec.format(value, spec, budget);
        }
        if (value instanceof Markup(String text)) {
            if (!spec.isEmpty()) {
                throw TemplateException.error("Unsupported format specification for Markup.");
            }
            return text;
        }
        return Markup.escape(FormatSpec.format(value, spec, budget), budget).text();
    }

    private Object converted(Object value, char conversion) {
        return switch (conversion) {
            case 0 -> value;
            case 's' -> Repr.text(value, budget);
            case 'r' -> Repr.of(value, budget);
            case 'a' -> ascii(value, budget);
            default -> throw TemplateException.error("Unknown conversion specifier '%c'", conversion);
        };
    }

    /** {@code ascii(value)} */
    static String ascii(Object value, Budget budget) {
        StringBuilder out = new StringBuilder();
        String repr = Repr.of(value, budget);
        budget.text(10L * repr.length());
        repr.codePoints().forEach(point -> {
            if (point < 128) {
                out.appendCodePoint(point);
            } else {
                String form = point < 0x100 ? "\\x%02x" : point < 0x10000 ? "\\u%04x" : "\\U%08x";
                out.append(String.format(Locale.ROOT, form, point));
            }
        });
        return out.toString();
    }

    private Object value(String field) {
        int at = 0;
        while (at < field.length() && field.charAt(at) != '.' && field.charAt(at) != '[') {
            at++;
        }
        Object value = first(field.substring(0, at));
        while (at < field.length()) {
            boolean attribute = field.charAt(at) == '.';
            int end = at + 1;
            String ends = attribute ? ".[" : "]";
            while (end < field.length() && ends.indexOf(field.charAt(end)) < 0) {
                end++;
            }
            String name = field.substring(at + 1, end);
            if (name.isEmpty()) {
                throw TemplateException.error("Empty attribute in format string");
            }
            value = attribute
                    ? Values.attribute(value, name, budget)
                    : Values.element(value, isIndex(name) ? (Object) Long.valueOf(name) : name, budget);
            at = attribute ? end : end + 1;
            if (at < field.length() && field.charAt(at) != '.' && field.charAt(at) != '[') {
                throw TemplateException.error("Only '.' or '[' may follow ']' in format field specifier");
            }
        }
        return value;
    }

    private static boolean isIndex(String name) {
        return !name.isEmpty() && name.length() < 10 && name.chars().allMatch(c -> c >= '0' && c <= '9');
    }

    private Object first(String name) {
        if (!name.isEmpty() && !isIndex(name)) {
            Object value = arguments.named().get(name);
            if (value == null) {
                throw TemplateException.error("there is no value '%s' to format", name);
            }
            return value;
        }
        counted |= name.isEmpty();
        numbered |= !name.isEmpty();
        if (counted && numbered) {
            throw TemplateException.error(
                    "cannot switch between manual field specification and automatic field numbering");
        }
        int index = name.isEmpty() ? next++ : Integer.parseInt(name);
        if (index >= arguments.positional().size()) {
            throw TemplateException.error("Replacement index %d out of range for positional args tuple", index);
        }
        return arguments.positional().get(index);
    }
}
