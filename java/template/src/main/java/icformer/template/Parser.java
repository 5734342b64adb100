package icformer.template;

import icformer.template.Token.Kind;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Reads statements out of tokens: one method per tag. */
final class Parser {
    private static final Set<String> CALL_NAMES = Set.of("caller", "varargs", "kwargs");

    private final Tokens tokens;
    private final ExpressionParser expressions;
    private final Map<String, List<Statement>> blocks = new HashMap<>();

    /** Loops of this function that the statement at hand is within, and all loops. */
    private int loops;

    private int allLoops;

    Parser(List<Token> tokens) {
        this.tokens = new Tokens(tokens);
        expressions = new ExpressionParser(this.tokens);
    }

    /** The blocks of the template that has been read, by name. */
    Map<String, List<Statement>> blocks() {
        return Map.copyOf(blocks);
    }

    List<Statement> template() {
        List<Statement> body = body(Set.of());
        if (tokens.current().kind() != Kind.END) {
            Token tag = tokens.ahead(1);
            throw TemplateException.error("'%s' closes nothing", tag.text()).in(tag.line());
        }
        return body;
    }

    // ---- Bodies
    // --------------------------------------------------------------------------------------------------------

    /** Statements up to a block of one of these names, which is left to read. */
    private List<Statement> body(Set<String> ends) {
        tokens.enter();
        List<Statement> statements = new ArrayList<>();
        while (true) {
            Token token = tokens.current();
            switch (token.kind()) {
                case DATA -> statements.add(new Statement.Data(tokens.next().text()));
                case EXPRESSION_BEGIN -> statements.add(print());
                case BLOCK_BEGIN -> {
                    String name = tokens.ahead(1).text();
                    if (ends.contains(name) || name.startsWith("end") || name.equals("else") || name.equals("elif")) {
                        tokens.leave();
                        return statements;
                    }
                    tokens.next();
                    statements.add(statement());
                }
                default -> {
                    tokens.leave();
                    return statements;
                }
            }
        }
    }

    private void blockBegins() {
        tokens.skipOperator(":"); // as jinja2 allows it
        tokens.expectBlockEnd();
    }

    /** Statements up to the block that ends them, which is read too. */
    private List<Statement> bodyTo(String end) {
        blockBegins();
        List<Statement> body = body(Set.of(end));
        close(end);
        return body;
    }

    private void close(String end) {
        closeTag(end);
        tokens.expectBlockEnd();
    }

    private void closeTag(String end) {
        if (tokens.current().kind() != Kind.BLOCK_BEGIN || !tokens.ahead(1).isName(end)) {
            Token found = tokens.current().kind() == Kind.BLOCK_BEGIN ? tokens.ahead(1) : tokens.current();
            throw TemplateException.error("'{%% %s %%}' is wanted, not %s", end, found.described())
                    .in(found.line());
        }
        tokens.next();
        tokens.next();
    }

    /** A body that has filters of its own checked, be it within an {@code if} or not. */
    private List<Statement> firm(String end) {
        boolean soft = expressions.soften(false);
        List<Statement> body = bodyTo(end);
        expressions.soften(soft);
        return body;
    }

    /** A body that no {@code break} within can leave, as it is run elsewhere. */
    private List<Statement> separate(String end) {
        int around = loops;
        loops = 0;
        List<Statement> body = firm(end);
        loops = around;
        return body;
    }

    // ---- Tags
    // ----------------------------------------------------------------------------------------------------------

    private Statement print() {
        int line = tokens.next().line();
        Expression value = expressions.tuple(true);
        if (tokens.current().kind() != Kind.EXPRESSION_END) {
            throw tokens.unexpected("'}}'");
        }
        tokens.next();
        return new Statement.Located(new Statement.Print(value), line);
    }

    private Statement statement() {
        Token tag = tokens.next();
        if (tag.kind() != Kind.NAME) {
            throw TemplateException.error("a tag is wanted, not %s", tag.described())
                    .in(tag.line());
        }
        Statement statement = switch (tag.text()) {
            case "if" -> ifStatement();
            case "for" -> forStatement();
            case "set" -> setStatement();
            case "print" -> printStatement();
            case "macro" -> macro();
            case "call" -> callBlock();
            case "block" -> block(tag.line());
            case "filter" -> filterBlock();
            case "with" -> with();
            case "autoescape" -> new Statement.Autoescape(expressions.expression(), firm("endautoescape"));
            case "generation" -> new Statement.Group(separate("endgeneration"));
            case "break" -> jump(Statement.Outcome.BREAK, tag);
            case "continue" -> jump(Statement.Outcome.CONTINUE, tag);
            case "include", "import", "from", "extends" -> otherTemplate(tag);
            default ->
                throw TemplateException.unsupported("the statement %s is not known", tag.described())
                        .in(tag.line());
        };
        return new Statement.Located(statement, tag.line());
    }

    private Statement printStatement() {
        List<Expression> values = new ArrayList<>();
        while (tokens.current().kind() != Kind.BLOCK_END) {
            if (!values.isEmpty()) {
                tokens.expectOperator(",");
            }
            values.add(expressions.expression());
        }
        tokens.expectBlockEnd();
        List<Statement> prints = new ArrayList<>();
        values.forEach(value -> prints.add(new Statement.Print(value)));
        return new Statement.Group(prints);
    }

    private Statement jump(Statement.Outcome outcome, Token tag) {
        if (loops == 0) {
            throw TemplateException.error("%s stands outside of a loop", tag.described())
                    .in(tag.line());
        }
        tokens.expectBlockEnd();
        return new Statement.Jump(outcome);
    }

    /** What reads other templates, of which there are none: an error where it is reached. */
    private Statement otherTemplate(Token tag) {
        boolean named = tag.text().equals("import") || tag.text().equals("from");
        expressions.expression();
        if (named && !tokens.skipName(tag.text().equals("import") ? "as" : "import")) {
            throw tokens.unexpected("'as' or 'import'");
        }
        while (tokens.current().kind() != Kind.BLOCK_END) {
            if (tokens.current().kind() != Kind.NAME && !tokens.current().isOperator(",")) {
                throw tokens.unexpected("'%}'");
            }
            tokens.next();
        }
        tokens.expectBlockEnd();
        return new Statement.Missing(tag.text());
    }

    private Statement ifStatement() {
        boolean soft = expressions.soften(true);
        List<Expression> conditions = new ArrayList<>();
        List<List<Statement>> bodies = new ArrayList<>();
        do {
            conditions.add(expressions.tuple(false));
            blockBegins();
            bodies.add(body(Set.of()));
        } while (tokens.skipBlock("elif"));
        List<Statement> otherwise = List.of();
        if (tokens.skipBlock("else")) {
            blockBegins();
            otherwise = body(Set.of());
        }
        close("endif");
        expressions.soften(soft);
        return new Statement.If(conditions, bodies, otherwise);
    }

    private Statement forStatement() {
        int line = tokens.current().line();
        Expression.Target target = expressions.target(false, "in");
        expressions.refuseLoop(target, line);
        if (!tokens.skipName("in")) {
            throw tokens.unexpected("'in'");
        }
        Expression values = expressions.tuple(false, "recursive");
        boolean soft = expressions.soften(false);
        Expression condition = tokens.skipName("if") ? expressions.expression() : null;
        boolean recursive = tokens.skipName("recursive");
        blockBegins();
        int around = loops;
        loops = recursive ? 1 : loops + 1;
        allLoops++;
        List<Statement> body = body(Set.of());
        loops = recursive ? 0 : around;
        List<Statement> otherwise = List.of();
        if (tokens.skipBlock("else")) {
            blockBegins();
            otherwise = body(Set.of());
        }
        loops = around;
        allLoops--;
        close("endfor");
        expressions.soften(soft);
        return new Statement.For(target, values, condition, recursive, body, otherwise);
    }

    private Statement setStatement() {
        int line = tokens.current().line();
        Expression.Target target = expressions.target(true, "");
        if (allLoops > 0) {
            expressions.refuseLoop(target, line);
        }
        if (tokens.skipOperator("=")) {
            Expression value = expressions.tuple(true);
            tokens.expectBlockEnd();
            return new Statement.Set(target, value);
        }
        return capture(target, tokens.skipOperator("|"), "endset");
    }

    private Statement filterBlock() {
        return capture(null, true, "endfilter");
    }

    /** A body whose text goes through filters, if there are any. */
    private Statement capture(Expression.@Nullable Target target, boolean filtered, String end) {
        boolean soft = expressions.soften(false);
        List<Expression.Filtered> filters = new ArrayList<>();
        for (boolean more = filtered; more; more = tokens.skipOperator("|")) {
            filters.add(expressions.filter(ExpressionParser.NONE));
        }
        expressions.settle();
        List<Statement> body = bodyTo(end);
        expressions.soften(soft);
        return new Statement.Capture(target, body, filters);
    }

    private Statement with() {
        List<Expression.Target> targets = new ArrayList<>();
        List<Expression> values = new ArrayList<>();
        while (tokens.current().kind() != Kind.BLOCK_END && !tokens.current().isOperator(":")) {
            if (!targets.isEmpty()) {
                tokens.expectOperator(",");
            }
            targets.add(expressions.target(false, ""));
            tokens.expectOperator("=");
            values.add(expressions.expression());
        }
        return new Statement.With(targets, values, firm("endwith"));
    }

    // ---- Blocks and macros
    // ---------------------------------------------------------------------------------------------

    private Statement block(int line) {
        String name = tokens.expectName();
        boolean scoped = tokens.skipName("scoped");
        boolean required = tokens.skipName("required");
        int around = loops;
        loops = 0;
        boolean soft = expressions.soften(false);
        Set<String> used = expressions.track(new HashSet<>());
        blockBegins();
        List<Statement> body = body(Set.of("endblock"));
        expressions.track(used);
        closeTag("endblock");
        tokens.skipName(name);
        tokens.expectBlockEnd();
        expressions.soften(soft);
        loops = around;
        if (blocks.put(name, body) != null) {
            throw TemplateException.error("block '%s' defined twice", name).in(line);
        }
        return new Statement.Block(name, scoped, required);
    }

    private Statement macro() {
        int line = tokens.current().line();
        String name = expressions.assignedName();
        Map<String, Expression> defaults = new LinkedHashMap<>();
        List<String> parameters = parameters(defaults);
        Function function = function(name, parameters, defaults, "endmacro", line);
        return new Statement.MacroDefinition(function.signature(), function.body());
    }

    private Statement callBlock() {
        int line = tokens.current().line();
        Map<String, Expression> defaults = new LinkedHashMap<>();
        List<String> parameters = tokens.current().isOperator("(") ? parameters(defaults) : List.of();
        if (!(expressions.expression() instanceof Expression.Call call)) {
            throw TemplateException.error("a call is wanted").in(line);
        }
        Function function = function("", parameters, defaults, "endcall", line);
        return new Statement.CallBlock(call, function.signature(), function.body());
    }

    private record Function(Macro.Signature signature, List<Statement> body) {}

    /** A body that is called, with what it must be told apart from its parameters. */
    private Function function(
            String name, List<String> parameters, Map<String, Expression> defaults, String end, int line) {
        Set<String> outer = expressions.track(new HashSet<>());
        List<Statement> body = separate(end);
        Set<String> used = expressions.track(outer);
        used.retainAll(CALL_NAMES);
        outer.addAll(used);
        if (used.contains("caller") && parameters.contains("caller") && !defaults.containsKey("caller")) {
            throw TemplateException.error("the special \"caller\" argument must be omitted or be given a default")
                    .in(line);
        }
        used.removeAll(parameters);
        Macro.Signature signature = new Macro.Signature(
                name, parameters, defaults, used.contains("caller"), used.contains("varargs"), used.contains("kwargs"));
        return new Function(signature, body);
    }

    private List<String> parameters(Map<String, Expression> defaults) {
        boolean soft = expressions.soften(false);
        tokens.expectOperator("(");
        List<String> parameters = new ArrayList<>();
        while (!tokens.skipOperator(")")) {
            if (!parameters.isEmpty()) {
                tokens.expectOperator(",");
            }
            parameters.add(expressions.assignedName());
            if (tokens.skipOperator("=")) {
                defaults.put(parameters.getLast(), expressions.expression());
            } else if (!defaults.isEmpty()) {
                throw TemplateException.error("non-default argument follows default argument")
                        .in(tokens.current().line());
            }
        }
        expressions.soften(soft);
        return parameters;
    }
}
