package icformer.template;

/**
 * A piece of a template.
 *
 * @param kind what it is
 * @param text its text; of a literal what it stands for, spelled out
 * @param line of the source, from 1
 */
record Token(Kind kind, String text, int line) {
    enum Kind {
        /** Text outside of all tags. */
        DATA,
        /** <code>{{</code> */
        EXPRESSION_BEGIN,
        /** <code>}}</code> */
        EXPRESSION_END,
        /** <code>{%</code> */
        BLOCK_BEGIN,
        /** <code>%}</code> */
        BLOCK_END,
        NAME,
        TEXT,
        INTEGER,
        FLOAT,
        OPERATOR,
        /** Behind the last token. */
        END
    }

    boolean is(Kind kind, String text) {
        return this.kind == kind && this.text.equals(text);
    }

    boolean isName(String name) {
        return is(Kind.NAME, name);
    }

    boolean isOperator(String operator) {
        return is(Kind.OPERATOR, operator);
    }

    /** For messages. */
    String described() {
        return switch (kind) {
            case END -> "the end of the template";
            case DATA -> "text";
            default -> "'" + text + "'";
        };
    }
}
