package icformer.template;

import icformer.template.Expression.ArgumentList;
import icformer.template.Token.Kind;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Reads expressions out of tokens: one method per rule of the grammar, the loosest operators first. */
final class ExpressionParser {
    static final Expression NONE = new Expression.Literal(None.NONE);

    private static final Set<String> COMPARISONS = Set.of("==", "!=", "<", "<=", ">", ">=");

    private final Tokens tokens;

    /** Names that have been read since {@link #track}, but those that were given a value first. */
    private Set<String> used = new HashSet<>();

    /** Filters and tests of the expression at hand that there are not. */
    private final List<TemplateException> unknown = new ArrayList<>();

    /** Whether what is not known matters only when it is reached. */
    private boolean soft;

    ExpressionParser(Tokens tokens) {
        this.tokens = tokens;
    }

    /** Whether filters and tests that are not known may stand here; jinja2 lets them where an {@code if} may avoid them. */
    boolean soften(boolean now) {
        boolean before = soft;
        soft = now;
        return before;
    }

    /** Names that are read from here on go into another set; the one they went into. */
    Set<String> track(Set<String> names) {
        Set<String> before = used;
        used = names;
        return before;
    }

    /** Refuses what is not known in an expression that has been read. */
    void settle() {
        if (!soft && !unknown.isEmpty()) {
            throw unknown.getFirst();
        }
        unknown.clear();
    }

    // ---- Whole expressions ---------------------------------------------------------------------------------------------

    Expression expression() {
        Expression value = conditional();
        settle();
        return value;
    }

    /** One operand, or a tuple of several with commas between them. */
    Expression tuple(boolean conditionals) {
        return tuple(conditionals, "");
    }

    /** The same up to a name that is no operand. */
    Expression tuple(boolean conditionals, String end) {
        Expression value = operands(conditionals, false, end);
        settle();
        return value;
    }

    private Expression operands(boolean conditionals, boolean inParentheses, String end) {
        List<Expression> elements = new ArrayList<>();
        boolean several = false;
        while (elements.isEmpty() || several && tokens.skipOperator(",")) {
            if (isTupleEnd(end)) {
                break;
            }
            elements.add(conditionals ? conditional() : or());
            several |= tokens.current().isOperator(",");
        }
        if (!several && !elements.isEmpty()) {
            return elements.getFirst();
        }
        if (elements.isEmpty() && !inParentheses) {
            throw tokens.unexpected("a value");
        }
        return new Expression.ListLiteral(elements, true);
    }

    private boolean isTupleEnd(String end) {
        Token token = tokens.current();
        return switch (token.kind()) {
            case EXPRESSION_END, BLOCK_END -> true;
            case OPERATOR -> token.text().equals(")");
            case NAME -> token.text().equals(end);
            default -> false;
        };
    }

    // ---- Targets -------------------------------------------------------------------------------------------------------

    /** A name, or several with commas between them, perhaps in parentheses. */
    Expression.Target target(boolean attributes, String end) {
        Expression.Target target = targets(attributes, end);
        settle();
        return target;
    }

    private Expression.Target targets(boolean attributes, String end) {
        List<Expression.Target> targets = new ArrayList<>();
        boolean several = false;
        while (targets.isEmpty() || several && tokens.skipOperator(",")) {
            if (!targets.isEmpty() && (isTupleEnd(end) || tokens.current().isOperator("="))) {
                break;
            }
            targets.add(oneTarget(attributes));
            several |= tokens.current().isOperator(",");
        }
        return several ? new Expression.SeveralTargets(targets) : targets.getFirst();
    }

    private Expression.Target oneTarget(boolean attributes) {
        if (tokens.skipOperator("(")) {
            tokens.enter();
            Expression.Target target = targets(attributes, "");
            tokens.leave();
            tokens.expectOperator(")");
            return target;
        }
        if (attributes && tokens.current().kind() == Kind.NAME && tokens.ahead(1).isOperator(".")) {
            String namespace = tokens.expectName();
            tokens.expectOperator(".");
            return new Expression.AttributeTarget(namespace, tokens.expectName());
        }
        return new Expression.NameTarget(assignedName());
    }

    String assignedName() {
        Token token = tokens.current();
        String name = tokens.expectName();
        if (Set.of("true", "false", "none", "True", "False", "None").contains(name)) {
            throw TemplateException.error("can't assign to '%s'", name).in(token.line());
        }
        return name;
    }

    void refuseLoop(Expression.Target target, int line) {
        if (target instanceof Expression.SeveralTargets(List<Expression.Target> targets)) {
            targets.forEach(one -> refuseLoop(one, line));
        } else if (target instanceof Expression.NameTarget(String name) && name.equals("loop")) {
            throw TemplateException.error("Can't assign to special loop variable in for-loop target").in(line);
        }
    }

    // ---- Operators -----------------------------------------------------------------------------------------------------

    /** A rule that reads one operand. */
    private interface Rule {
        Expression read();
    }

    /** {@code a if b else c} */
    private Expression conditional() {
        tokens.enter();
        int known = unknown.size();
        Expression value = or();
        while (tokens.skipName("if")) {
            Expression condition = or();
            value = new Expression.Conditional(condition, value, tokens.skipName("else") ? conditional() : null);
            unknown.subList(known, unknown.size()).clear();
        }
        tokens.leave();
        return value;
    }

    private Expression or() {
        Expression left = and();
        while (tokens.skipName("or")) {
            left = new Expression.Logical(false, left, and());
        }
        return left;
    }

    private Expression and() {
        Expression left = not();
        while (tokens.skipName("and")) {
            left = new Expression.Logical(true, left, not());
        }
        return left;
    }

    private Expression not() {
        if (!tokens.skipName("not")) {
            return comparison();
        }
        tokens.enter();
        Expression value = new Expression.Not(not());
        tokens.leave();
        return value;
    }

    private Expression comparison() {
        Expression first = sum();
        List<String> operators = new ArrayList<>();
        List<Expression> others = new ArrayList<>();
        for (String operator = comparisonOperator(); operator != null; operator = comparisonOperator()) {
            operators.add(operator);
            others.add(sum());
        }
        return operators.isEmpty() ? first : new Expression.Comparison(first, operators, others);
    }

    private @Nullable String comparisonOperator() {
        Token token = tokens.current();
        if (token.kind() == Kind.OPERATOR && COMPARISONS.contains(token.text())) {
            return tokens.next().text();
        }
        if (tokens.skipName("in")) {
            return "in";
        }
        if (token.isName("not") && tokens.ahead(1).isName("in")) {
            tokens.next();
            tokens.next();
            return "not in";
        }
        return null;
    }

    private Expression sum() {
        return operations(this::concatenation, Set.of("+", "-"));
    }

    private Expression concatenation() {
        List<Expression> parts = new ArrayList<>();
        do {
            parts.add(product());
        } while (tokens.skipOperator("~"));
        return parts.size() == 1 ? parts.getFirst() : new Expression.Concatenation(parts);
    }

    private Expression product() {
        return operations(this::power, Set.of("*", "/", "//", "%"));
    }

    private Expression power() {
        return operations(() -> unary(true), Set.of("**"));
    }

    private Expression operations(Rule operand, Set<String> operators) {
        Expression left = operand.read();
        while (tokens.current().kind() == Kind.OPERATOR && operators.contains(tokens.current().text())) {
            left = new Expression.Arithmetic(tokens.next().text(), left, operand.read());
        }
        return left;
    }

    private Expression unary(boolean withFilters) {
        Expression value;
        if (tokens.current().isOperator("-") || tokens.current().isOperator("+")) {
            tokens.enter();
            boolean negative = tokens.next().text().equals("-");
            value = new Expression.Signed(unary(false), negative);
            tokens.leave();
        } else {
            value = primary();
        }
        value = postfixed(value);
        return withFilters ? filtered(value) : value;
    }

    // ---- Operands ------------------------------------------------------------------------------------------------------

    private Expression primary() {
        Token token = tokens.current();
        switch (token.kind()) {
            case NAME -> {
                return name(tokens.next().text());
            }
            case TEXT -> {
                StringBuilder text = new StringBuilder();
                while (tokens.current().kind() == Kind.TEXT) {
                    text.append(tokens.next().text());
                }
                return new Expression.Literal(text.toString());
            }
            case INTEGER -> {
                return new Expression.Literal(integer(tokens.next()));
            }
            case FLOAT -> {
                return new Expression.Literal(Double.valueOf(tokens.next().text()));
            }
            default -> {
                return bracketed();
            }
        }
    }

    private static Object integer(Token token) {
        Object number = Numbers.parseWhole(token.text(), 0);
        if (number == null) {
            throw TemplateException.error("a number has too many digits").in(token.line());
        }
        return number instanceof BigInteger whole ? Numbers.whole(whole) : number;
    }

    private Expression name(String name) {
        return switch (name) {
            case "true", "True" -> new Expression.Literal(true);
            case "false", "False" -> new Expression.Literal(false);
            case "none", "None" -> NONE;
            default -> {
                used.add(name);
                yield new Expression.Name(name);
            }
        };
    }

    private Expression bracketed() {
        tokens.enter();
        Expression value;
        if (tokens.skipOperator("(")) {
            value = operands(true, true, "");
            tokens.expectOperator(")");
        } else if (tokens.skipOperator("[")) {
            value = list();
        } else if (tokens.skipOperator("{")) {
            value = dict();
        } else {
            throw tokens.unexpected("a value");
        }
        tokens.leave();
        return value;
    }

    private Expression list() {
        List<Expression> elements = new ArrayList<>();
        while (!tokens.skipOperator("]")) {
            if (!elements.isEmpty()) {
                tokens.expectOperator(",");
                if (tokens.skipOperator("]")) {
                    break;
                }
            }
            elements.add(conditional());
        }
        return new Expression.ListLiteral(elements, false);
    }

    private Expression dict() {
        List<Expression> keys = new ArrayList<>();
        List<Expression> values = new ArrayList<>();
        while (!tokens.skipOperator("}")) {
            if (!keys.isEmpty()) {
                tokens.expectOperator(",");
                if (tokens.skipOperator("}")) {
                    break;
                }
            }
            keys.add(conditional());
            tokens.expectOperator(":");
            values.add(conditional());
        }
        return new Expression.DictLiteral(keys, values);
    }

    /** Attributes, elements and calls. */
    private Expression postfixed(Expression operand) {
        Expression value = operand;
        while (true) {
            if (tokens.skipOperator(".")) {
                value = attribute(value);
            } else if (tokens.skipOperator("[")) {
                value = subscript(value);
            } else if (tokens.current().isOperator("(")) {
                value = call(value);
            } else {
                return value;
            }
        }
    }

    private Expression attribute(Expression value) {
        Token token = tokens.next();
        return switch (token.kind()) {
            case NAME -> new Expression.Attribute(value, token.text());
            case INTEGER -> new Expression.Element(value, new Expression.Literal(integer(token)));
            default -> throw TemplateException.error("a name or number is wanted, not %s", token.described()).in(token.line());
        };
    }

    private Expression call(Expression function) {
        int line = tokens.current().line();
        return new Expression.Call(function, arguments(), line);
    }

    private Expression subscript(Expression value) {
        List<Expression> keys = new ArrayList<>();
        Expression sliced = null;
        while (!tokens.skipOperator("]")) {
            if (!keys.isEmpty() || sliced != null) {
                tokens.expectOperator(",");
            }
            if (sliced != null) {
                throw TemplateException.unsupported("slices in several dimensions are not implemented")
                        .in(tokens.current().line());
            }
            Expression from = tokens.current().isOperator(":") ? NONE : conditional();
            if (tokens.current().isOperator(":")) {
                sliced = slice(value, from);
            } else {
                keys.add(from);
            }
        }
        if (sliced != null) {
            if (!keys.isEmpty()) {
                throw TemplateException.unsupported("slices in several dimensions are not implemented")
                        .in(tokens.current().line());
            }
            return sliced;
        }
        return new Expression.Element(value, keys.size() == 1 ? keys.getFirst() : new Expression.ListLiteral(keys, true));
    }

    private Expression slice(Expression value, Expression from) {
        tokens.expectOperator(":");
        Expression to = bound();
        return new Expression.Slice(value, from, to, tokens.skipOperator(":") ? bound() : NONE);
    }

    private Expression bound() {
        Token token = tokens.current();
        boolean none = token.isOperator(":") || token.isOperator("]") || token.isOperator(",");
        return none ? NONE : conditional();
    }

    private ArgumentList arguments() {
        int line = tokens.current().line();
        tokens.expectOperator("(");
        tokens.enter();
        List<Expression> positional = new ArrayList<>();
        Map<String, Expression> named = new LinkedHashMap<>();
        Expression several = null;
        Expression severalNamed = null;
        for (boolean first = true; !tokens.current().isOperator(")"); first = false) {
            if (!first) {
                tokens.expectOperator(",");
                if (tokens.current().isOperator(")")) {
                    break;
                }
            }
            boolean valid = severalNamed == null;
            if (tokens.skipOperator("*")) {
                valid &= several == null;
                several = conditional();
            } else if (tokens.skipOperator("**")) {
                severalNamed = conditional();
            } else if (tokens.current().kind() == Kind.NAME && tokens.ahead(1).isOperator("=")) {
                String name = tokens.expectName();
                tokens.expectOperator("=");
                valid &= named.put(name, conditional()) == null;
            } else {
                valid &= several == null && named.isEmpty();
                positional.add(conditional());
            }
            if (!valid) {
                throw TemplateException.error("invalid syntax for function call expression").in(line);
            }
        }
        tokens.expectOperator(")");
        tokens.leave();
        return new ArgumentList(positional, named, several, severalNamed);
    }

    // ---- Filters and tests ---------------------------------------------------------------------------------------------

    private Expression filtered(Expression operand) {
        Expression value = operand;
        while (true) {
            if (tokens.skipOperator("|")) {
                value = filter(value);
            } else if (tokens.skipName("is")) {
                value = test(value);
            } else if (tokens.current().isOperator("(")) {
                value = call(value);
            } else {
                return value;
            }
        }
    }

    /** A filter by name, behind the bar. */
    Expression.Filtered filter(Expression value) {
        int line = tokens.current().line();
        String name = dottedName();
        if (!Filters.isKnown(name)) {
            unknown.add(TemplateException.unsupported("No filter named '%s'.", name).in(line));
        }
        boolean hasArguments = tokens.current().isOperator("(");
        return new Expression.Filtered(value, name, hasArguments ? arguments() : ArgumentList.NONE);
    }

    private String dottedName() {
        StringBuilder name = new StringBuilder(tokens.expectName());
        while (tokens.skipOperator(".")) {
            name.append('.').append(tokens.expectName());
        }
        return name.toString();
    }

    private Expression test(Expression value) {
        boolean negated = tokens.skipName("not");
        int line = tokens.current().line();
        String name = dottedName();
        if (!Tests.isKnown(name)) {
            unknown.add(TemplateException.unsupported("No test named '%s'.", name).in(line));
        }
        ArgumentList arguments = ArgumentList.NONE;
        if (tokens.current().isOperator("(")) {
            arguments = arguments();
        } else if (beginsArgument()) {
            if (tokens.current().isName("is")) {
                throw TemplateException.error("You cannot chain multiple tests with is").in(line);
            }
            arguments = new ArgumentList(List.of(postfixed(primary())), Map.of(), null, null);
        }
        return new Expression.Tested(value, name, arguments, negated);
    }

    private boolean beginsArgument() {
        Token token = tokens.current();
        return switch (token.kind()) {
            case NAME -> !Set.of("else", "or", "and").contains(token.text());
            case TEXT, INTEGER, FLOAT -> true;
            case OPERATOR -> token.text().equals("[") || token.text().equals("{");
            default -> false;
        };
    }
}
