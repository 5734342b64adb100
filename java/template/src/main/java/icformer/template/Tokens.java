package icformer.template;

import icformer.template.Token.Kind;
import java.util.List;

/** The tokens of a template, one after another. */
final class Tokens {
    private static final int DEEPEST = 100;

    private final List<Token> tokens;
    private int at;
    private int depth;

    Tokens(List<Token> tokens) {
        this.tokens = tokens;
    }

    Token current() {
        return tokens.get(at);
    }

    /** A token ahead, or the last. */
    Token ahead(int count) {
        return tokens.get(Math.min(at + count, tokens.size() - 1));
    }

    Token next() {
        Token token = current();
        if (token.kind() != Kind.END) {
            at++;
        }
        return token;
    }

    /** One level deeper. */
    void enter() {
        if (++depth > DEEPEST) {
            throw new TemplateException(
                            TemplateException.Kind.LIMIT, "the template is nested more than " + DEEPEST + " times over")
                    .in(current().line());
        }
    }

    void leave() {
        depth--;
    }

    boolean skipOperator(String operator) {
        if (current().isOperator(operator)) {
            at++;
            return true;
        }
        return false;
    }

    boolean skipName(String name) {
        if (current().isName(name)) {
            at++;
            return true;
        }
        return false;
    }

    boolean skipBlock(String name) {
        if (current().kind() == Kind.BLOCK_BEGIN && ahead(1).isName(name)) {
            at += 2;
            return true;
        }
        return false;
    }

    void expectOperator(String operator) {
        if (!skipOperator(operator)) {
            throw unexpected("'" + operator + "'");
        }
    }

    String expectName() {
        if (current().kind() != Kind.NAME) {
            throw unexpected("a name");
        }
        return next().text();
    }

    void expectBlockEnd() {
        if (current().kind() != Kind.BLOCK_END) {
            throw unexpected("'%}'");
        }
        at++;
    }

    TemplateException unexpected(String wanted) {
        return TemplateException.error("%s is wanted, not %s", wanted, current().described()).in(current().line());
    }
}
