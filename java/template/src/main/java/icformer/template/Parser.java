package icformer.template;

import icformer.template.Expression.ArgumentList;
import icformer.template.Token.Kind;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Reads statements and expressions out of tokens: one method per rule of the grammar, the loosest operators first. */
final class Parser {
    private static final int DEEPEST = 100;
    private static final Set<String> COMPARISONS = Set.of("==", "!=", "<", "<=", ">", ">=");
    private static final Expression NONE = new Expression.Literal(None.NONE);

    private final List<Token> tokens;
    private int at;
    private int depth;
    private int loops; // that the statement at hand is within

    Parser(List<Token> tokens) {
        this.tokens = tokens;
    }

    // ---- Tokens --------------------------------------------------------------------------------------------------------

    private Token current() {
        return tokens.get(at);
    }

    private Token next() {
        Token token = current();
        if (token.kind() != Kind.END) {
            at++;
        }
        return token;
    }

    private boolean skipOperator(String operator) {
        if (current().isOperator(operator)) {
            at++;
            return true;
        }
        return false;
    }

    private boolean skipName(String name) {
        if (current().isName(name)) {
            at++;
            return true;
        }
        return false;
    }

    private void expectOperator(String operator) {
        if (!skipOperator(operator)) {
            throw unexpected("'" + operator + "'");
        }
    }

    private String expectName() {
        if (current().kind() != Kind.NAME) {
            throw unexpected("a name");
        }
        return next().text();
    }

    private void expectBlockEnd() {
        if (current().kind() != Kind.BLOCK_END) {
            throw unexpected("'%}'");
        }
        at++;
    }

    private TemplateException unexpected(String wanted) {
        return TemplateException.error("%s is wanted, not %s", wanted, current().described()).in(current().line());
    }

    // ---- Statements ----------------------------------------------------------------------------------------------------

    List<Statement> template() {
        List<Statement> body = body(Set.of());
        if (current().kind() != Kind.END) {
            throw TemplateException.error("'%s' closes nothing", tokens.get(at + 1).text()).in(current().line());
        }
        return body;
    }

    /** Statements up to a block of one of these names, which is left to read. */
    private List<Statement> body(Set<String> ends) {
        if (++depth > DEEPEST) {
            throw TemplateException.error("the template is nested more than %d times over", DEEPEST).in(current().line());
        }
        List<Statement> statements = new ArrayList<>();
        while (true) {
            Token token = current();
            switch (token.kind()) {
                case DATA -> statements.add(new Statement.Data(next().text()));
                case EXPRESSION_BEGIN -> statements.add(print());
                case BLOCK_BEGIN -> {
                    String name = tokens.get(at + 1).text();
                    if (ends.contains(name) || name.startsWith("end") || name.equals("else") || name.equals("elif")) {
                        depth--;
                        return statements;
                    }
                    at++;
                    statements.add(statement());
                }
                default -> {
                    depth--;
                    return statements;
                }
            }
        }
    }

    private Statement print() {
        int line = next().line();
        Expression value = tupleOrExpression();
        if (current().kind() != Kind.EXPRESSION_END) {
            throw unexpected("'}}'");
        }
        at++;
        return new Statement.Print(value, line);
    }

    private Statement statement() {
        Token tag = next();
        return switch (tag.text()) {
            case "if" -> ifStatement(tag.line());
            case "for" -> forStatement(tag.line());
            case "set" -> setStatement(tag.line());
            case "macro" -> macro();
            case "filter" -> filterBlock(tag.line());
            case "with" -> with();
            case "generation" -> generation();
            case "break" -> jump(Statement.Outcome.BREAK, tag);
            case "continue" -> jump(Statement.Outcome.CONTINUE, tag);
            default -> throw TemplateException.unsupported("the statement %s is not known", tag.described()).in(tag.line());
        };
    }

    /** Statements up to the block that ends them, which is read too. */
    private List<Statement> bodyTo(String end) {
        expectBlockEnd();
        List<Statement> body = body(Set.of(end));
        close(end);
        return body;
    }

    private void close(String end) {
        if (current().kind() != Kind.BLOCK_BEGIN || !tokens.get(at + 1).isName(end)) {
            Token found = current().kind() == Kind.BLOCK_BEGIN ? tokens.get(at + 1) : current();
            throw TemplateException.error("'{%% %s %%}' is wanted, not %s", end, found.described()).in(found.line());
        }
        at += 2;
        expectBlockEnd();
    }

    private Statement jump(Statement.Outcome outcome, Token tag) {
        if (loops == 0) {
            throw TemplateException.error("%s stands outside of a loop", tag.described()).in(tag.line());
        }
        expectBlockEnd();
        return new Statement.Jump(outcome);
    }

    /** A mark of transformers around what the model says: what is within is rendered as it is. */
    private Statement generation() {
        return new Statement.Group(bodyTo("endgeneration"));
    }

    private Statement ifStatement(int line) {
        List<Expression> conditions = new ArrayList<>();
        List<List<Statement>> bodies = new ArrayList<>();
        do {
            conditions.add(tupleOrExpression());
            expectBlockEnd();
            bodies.add(body(Set.of()));
        } while (skipBlock("elif"));
        List<Statement> otherwise = List.of();
        if (skipBlock("else")) {
            expectBlockEnd();
            otherwise = body(Set.of());
        }
        close("endif");
        return new Statement.If(conditions, bodies, otherwise, line);
    }

    private boolean skipBlock(String name) {
        if (current().kind() == Kind.BLOCK_BEGIN && tokens.get(at + 1).isName(name)) {
            at += 2;
            return true;
        }
        return false;
    }

    private Statement forStatement(int line) {
        List<String> names = names("in");
        Expression values = tuple(this::or);
        Expression condition = skipName("if") ? expression() : null;
        if (current().isName("recursive")) {
            throw TemplateException.unsupported("recursive loops are not implemented").in(line);
        }
        expectBlockEnd();
        loops++;
        List<Statement> body = body(Set.of());
        loops--;
        List<Statement> otherwise = List.of();
        if (skipBlock("else")) {
            expectBlockEnd();
            otherwise = body(Set.of());
        }
        close("endfor");
        return new Statement.For(names, values, condition, body, otherwise, line);
    }

    /** Names with commas between them, up to a keyword. */
    private List<String> names(String end) {
        List<String> names = targets();
        if (!skipName(end)) {
            throw unexpected("'" + end + "'");
        }
        return names;
    }

    /** Names with commas between them, perhaps in parentheses. */
    private List<String> targets() {
        List<String> names = new ArrayList<>();
        boolean parentheses = skipOperator("(");
        do {
            names.add(expectName());
        } while (skipOperator(",") && current().kind() == Kind.NAME);
        if (parentheses) {
            expectOperator(")");
        }
        return names;
    }

    private Statement setStatement(int line) {
        if (current().isOperator("(")) {
            return assignment(targets(), line);
        }
        String name = expectName();
        if (skipOperator(".")) {
            String attribute = expectName();
            expectOperator("=");
            Expression value = tupleOrExpression();
            expectBlockEnd();
            return new Statement.SetAttribute(name, attribute, value, line);
        }
        List<String> names = new ArrayList<>(List.of(name));
        while (skipOperator(",")) {
            names.add(expectName());
        }
        if (names.size() > 1 || current().isOperator("=")) {
            return assignment(names, line);
        }
        List<Expression.Filtered> filters = new ArrayList<>();
        while (skipOperator("|")) {
            filters.add(filter(NONE));
        }
        return new Statement.Capture(name, separately("endset"), filters, line);
    }

    /** The rest of {@code set names = value}. */
    private Statement assignment(List<String> names, int line) {
        expectOperator("=");
        Expression value = tupleOrExpression();
        expectBlockEnd();
        return new Statement.Set(names, value, line);
    }

    private Statement filterBlock(int line) {
        List<Expression.Filtered> filters = new ArrayList<>();
        do {
            filters.add(filter(NONE));
        } while (skipOperator("|"));
        return new Statement.Capture(null, separately("endfilter"), filters, line);
    }

    /** A body that no {@code break} within can leave. */
    private List<Statement> separately(String end) {
        int around = loops;
        loops = 0;
        List<Statement> body = bodyTo(end);
        loops = around;
        return body;
    }

    private Statement with() {
        List<String> names = new ArrayList<>();
        List<Expression> values = new ArrayList<>();
        while (current().kind() == Kind.NAME) {
            names.add(next().text());
            expectOperator("=");
            values.add(expression());
            if (!skipOperator(",")) {
                break;
            }
        }
        return new Statement.With(names, values, bodyTo("endwith"));
    }

    private Statement macro() {
        String name = expectName();
        expectOperator("(");
        List<String> parameters = new ArrayList<>();
        Map<String, Expression> defaults = new LinkedHashMap<>();
        while (!skipOperator(")")) {
            if (!parameters.isEmpty()) {
                expectOperator(",");
            }
            parameters.add(expectName());
            if (skipOperator("=")) {
                defaults.put(parameters.getLast(), expression());
            }
        }
        return new Statement.Macro(name, parameters, defaults, separately("endmacro"));
    }

    // ---- Expressions ---------------------------------------------------------------------------------------------------

    /** A rule that reads one operand. */
    private interface Rule {
        Expression read();
    }

    private Expression tupleOrExpression() {
        return tuple(this::expression);
    }

    /** One operand, or a tuple of several with commas between them. */
    private Expression tuple(Rule rule) {
        Expression first = rule.read();
        if (!current().isOperator(",")) {
            return first;
        }
        List<Expression> elements = new ArrayList<>(List.of(first));
        while (skipOperator(",") && beginsOperand()) {
            elements.add(rule.read());
        }
        return new Expression.ListLiteral(elements, true);
    }

    private boolean beginsOperand() {
        Token token = current();
        return switch (token.kind()) {
            case NAME -> !token.text().equals("in") && !token.text().equals("if");
            case TEXT, INTEGER, FLOAT -> true;
            case OPERATOR -> Set.of("(", "[", "{", "-", "+").contains(token.text());
            default -> false;
        };
    }

    /** {@code a if b else c} */
    private Expression expression() {
        if (++depth > DEEPEST) {
            throw TemplateException.error("an expression is nested more than %d times over", DEEPEST).in(current().line());
        }
        Expression value = or();
        while (skipName("if")) {
            Expression condition = or();
            value = new Expression.Conditional(condition, value, skipName("else") ? expression() : null);
        }
        depth--;
        return value;
    }

    private Expression or() {
        Expression left = and();
        while (skipName("or")) {
            left = new Expression.Logical(false, left, and());
        }
        return left;
    }

    private Expression and() {
        Expression left = not();
        while (skipName("and")) {
            left = new Expression.Logical(true, left, not());
        }
        return left;
    }

    private Expression not() {
        return skipName("not") ? new Expression.Not(not()) : comparison();
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
        Token token = current();
        if (token.kind() == Kind.OPERATOR && COMPARISONS.contains(token.text())) {
            return next().text();
        }
        if (skipName("in")) {
            return "in";
        }
        if (token.isName("not") && tokens.get(at + 1).isName("in")) {
            at += 2;
            return "not in";
        }
        return null;
    }

    private Expression sum() {
        return operations(this::concatenation, Set.of("+", "-"));
    }

    private Expression concatenation() {
        return operations(this::product, Set.of("~"));
    }

    private Expression product() {
        return operations(this::power, Set.of("*", "/", "//", "%"));
    }

    private Expression power() {
        return operations(() -> unary(true), Set.of("**"));
    }

    private Expression operations(Rule operand, Set<String> operators) {
        Expression left = operand.read();
        while (current().kind() == Kind.OPERATOR && operators.contains(current().text())) {
            left = new Expression.Arithmetic(next().text(), left, operand.read());
        }
        return left;
    }

    private Expression unary(boolean withFilters) {
        Expression value;
        if (skipOperator("-")) {
            value = new Expression.Negative(unary(false));
        } else if (skipOperator("+")) {
            value = unary(false);
        } else {
            value = postfix(primary());
        }
        return withFilters ? filtersAndTests(value) : value;
    }

    private Expression primary() {
        Token token = next();
        return switch (token.kind()) {
            case NAME -> switch (token.text()) {
                case "true", "True" -> new Expression.Literal(true);
                case "false", "False" -> new Expression.Literal(false);
                case "none", "None" -> NONE;
                default -> new Expression.Name(token.text());
            };
            case TEXT -> {
                StringBuilder text = new StringBuilder(token.text());
                while (current().kind() == Kind.TEXT) {
                    text.append(next().text());
                }
                yield new Expression.Literal(text.toString());
            }
            case INTEGER -> new Expression.Literal(integer(token));
            case FLOAT -> new Expression.Literal(Double.parseDouble(token.text()));
            case OPERATOR -> switch (token.text()) {
                case "(" -> parenthesised();
                case "[" -> list();
                case "{" -> map();
                default -> throw misplaced(token);
            };
            default -> throw misplaced(token);
        };
    }

    private static TemplateException misplaced(Token token) {
        return TemplateException.error("a value is wanted, not %s", token.described()).in(token.line());
    }

    private static Object integer(Token token) {
        try {
            return Long.parseLong(token.text());
        } catch (NumberFormatException e) {
            throw TemplateException.unsupported("the number %s is too large", token.text()).in(token.line());
        }
    }

    private Expression parenthesised() {
        if (skipOperator(")")) {
            return new Expression.ListLiteral(List.of(), true);
        }
        Expression value = tupleOrExpression();
        expectOperator(")");
        return value;
    }

    private Expression list() {
        List<Expression> elements = new ArrayList<>();
        while (!skipOperator("]")) {
            if (!elements.isEmpty()) {
                expectOperator(",");
                if (skipOperator("]")) {
                    break;
                }
            }
            elements.add(expression());
        }
        return new Expression.ListLiteral(elements, false);
    }

    private Expression map() {
        List<Expression> keys = new ArrayList<>();
        List<Expression> values = new ArrayList<>();
        while (!skipOperator("}")) {
            if (!keys.isEmpty()) {
                expectOperator(",");
                if (skipOperator("}")) {
                    break;
                }
            }
            keys.add(expression());
            expectOperator(":");
            values.add(expression());
        }
        return new Expression.MapLiteral(keys, values);
    }

    private Expression postfix(Expression value) {
        Expression result = value;
        while (true) {
            int line = current().line();
            if (skipOperator(".")) {
                Token name = next();
                result = switch (name.kind()) {
                    case NAME -> new Expression.Attribute(result, name.text());
                    case INTEGER -> new Expression.Element(result, new Expression.Literal(integer(name)));
                    default -> throw misplaced(name);
                };
            } else if (skipOperator("[")) {
                result = subscript(result);
            } else if (skipOperator("(")) {
                result = new Expression.Call(result, arguments(), line);
            } else {
                return result;
            }
        }
    }

    /** {@code key]} or {@code from:to:step]} */
    private Expression subscript(Expression value) {
        Expression from = current().isOperator(":") ? NONE : expression();
        if (skipOperator("]")) {
            return new Expression.Element(value, from);
        }
        expectOperator(":");
        Expression to = current().isOperator(":") || current().isOperator("]") ? NONE : expression();
        Expression step = skipOperator(":") && !current().isOperator("]") ? expression() : NONE;
        expectOperator("]");
        return new Expression.Slice(value, from, to, step);
    }

    /** Behind the parenthesis that opens them. */
    private ArgumentList arguments() {
        List<Expression> positional = new ArrayList<>();
        Map<String, Expression> named = new LinkedHashMap<>();
        while (!skipOperator(")")) {
            if (!positional.isEmpty() || !named.isEmpty()) {
                expectOperator(",");
                if (skipOperator(")")) {
                    break;
                }
            }
            if (current().kind() == Kind.NAME && tokens.get(at + 1).isOperator("=")) {
                String name = next().text();
                at++;
                named.put(name, expression());
            } else {
                positional.add(expression());
            }
        }
        return new ArgumentList(positional, named);
    }

    private Expression filtersAndTests(Expression value) {
        Expression result = value;
        while (true) {
            int line = current().line();
            if (skipOperator("|")) {
                result = filter(result);
            } else if (skipName("is")) {
                result = test(result);
            } else if (skipOperator("(")) {
                result = new Expression.Call(result, arguments(), line);
            } else {
                return result;
            }
        }
    }

    private Expression.Filtered filter(Expression value) {
        int line = current().line();
        String name = expectName();
        if (!Filters.isKnown(name)) {
            throw TemplateException.unsupported("the filter '%s' is not known", name).in(line);
        }
        return new Expression.Filtered(value, name, skipOperator("(") ? arguments() : ArgumentList.NONE);
    }

    private Expression test(Expression value) {
        boolean negated = skipName("not");
        Token token = next();
        String name = token.text();
        if (!Tests.isKnown(name)) {
            throw TemplateException.unsupported("the test %s is not known", token.described()).in(token.line());
        }
        ArgumentList arguments = ArgumentList.NONE;
        if (skipOperator("(")) {
            arguments = arguments();
        } else if (beginsArgument()) {
            arguments = new ArgumentList(List.of(postfix(primary())), Map.of());
        }
        return new Expression.Tested(value, name, arguments, negated);
    }

    /** Whether an argument without parentheses follows a test. */
    private boolean beginsArgument() {
        Token token = current();
        return switch (token.kind()) {
            case NAME -> !Set.of("else", "or", "and", "if", "is", "not", "in").contains(token.text());
            case TEXT, INTEGER, FLOAT -> true;
            case OPERATOR -> token.text().equals("[") || token.text().equals("{");
            default -> false;
        };
    }
}
