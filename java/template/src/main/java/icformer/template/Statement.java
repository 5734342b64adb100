package icformer.template;

import java.util.Iterator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A part of a template that writes text or changes variables. */
interface Statement {
    /** How a statement ended. */
    enum Outcome {
        NEXT,
        BREAK,
        CONTINUE
    }

    Outcome run(Scope scope, StringBuilder out);

    static Outcome run(List<Statement> body, Scope scope, StringBuilder out) {
        for (Statement statement : body) {
            Outcome outcome = statement.run(scope, out);
            if (outcome != Outcome.NEXT) {
                return outcome;
            }
        }
        return Outcome.NEXT;
    }

    /** The text that statements write. */
    static String render(List<Statement> body, Scope scope) {
        StringBuilder out = new StringBuilder();
        run(body, scope, out);
        return out.toString();
    }

    private static void write(String text, Scope scope, StringBuilder out) {
        scope.budget().write(text.length());
        out.append(text);
    }

    /** Writes a value, escaped where that is wanted. */
    private static void print(Object value, Scope scope, StringBuilder out) {
        Budget budget = scope.budget();
        write(scope.autoescape() ? Markup.escape(value, budget).text() : Repr.text(value, budget), scope, out);
    }

    /** Text outside of tags. */
    record Data(String text) implements Statement {
        @Override
        public Outcome run(Scope scope, StringBuilder out) {
            write(text, scope, out);
            return Outcome.NEXT;
        }
    }

    /** <code>{{ value }}</code> */
    record Print(Expression value) implements Statement {
        @Override
        public Outcome run(Scope scope, StringBuilder out) {
            print(value.evaluate(scope), scope, out);
            return Outcome.NEXT;
        }
    }

    /** A statement with the line it stands in, for messages. */
    record Located(Statement statement, int line) implements Statement {
        @Override
        public Outcome run(Scope scope, StringBuilder out) {
            try {
                scope.budget().step();
                return statement.run(scope, out);
            } catch (TemplateException e) {
                throw e.in(line);
            }
        }
    }

    /** {@code break} and {@code continue} */
    record Jump(Outcome outcome) implements Statement {
        @Override
        public Outcome run(Scope scope, StringBuilder out) {
            return outcome;
        }
    }

    /** {@code if}, with as many {@code elif} as there are further conditions, and {@code else}. */
    record If(List<Expression> conditions, List<List<Statement>> bodies, List<Statement> otherwise) implements Statement {
        @Override
        public Outcome run(Scope scope, StringBuilder out) {
            for (int i = 0; i < conditions.size(); i++) {
                if (Values.isTrue(conditions.get(i).evaluate(scope))) {
                    return Statement.run(bodies.get(i), scope, out);
                }
            }
            return Statement.run(otherwise, scope, out);
        }
    }

    /** {@code for target in values if condition}, and {@code else} for no values at all. */
    record For(
            Expression.Target target,
            Expression values,
            @Nullable Expression condition,
            boolean recursive,
            List<Statement> body,
            List<Statement> otherwise)
            implements Statement {
        @Override
        public Outcome run(Scope scope, StringBuilder out) {
            Object over = values.evaluate(scope);
            if (!recursive) {
                return loop(over, scope, null, 0, out);
            }
            print(recur(over, 0, scope, scope), scope, out);
            return Outcome.NEXT;
        }

        private Object recur(Object over, int depth, Scope scope, Scope caller) {
            StringBuilder text = new StringBuilder();
            loop(over, scope, (inner, level, from) -> recur(inner, level, scope, from), depth, text);
            return caller.written(text.toString());
        }

        private Outcome loop(Object over, Scope scope, Loop.@Nullable Recursion recursion, int depth, StringBuilder out) {
            Budget budget = scope.budget();
            Iterator<Object> elements = Values.iterate(over, budget);
            Object counted = over;
            if (condition != null) {
                elements = selected(elements, condition, scope);
                counted = new Generator(elements);
            }
            Loop loop = new Loop(counted, elements, recursion, depth, budget);
            Object element = loop.next();
            if (element == null) {
                return Statement.run(otherwise, scope.inner(), out);
            }
            for (; element != null; element = loop.next()) {
                budget.step();
                Scope inner = scope.inner();
                target.assign(element, inner);
                inner.set("loop", loop);
                if (Statement.run(body, inner, out) == Outcome.BREAK) {
                    break;
                }
            }
            return Outcome.NEXT;
        }

        private Iterator<Object> selected(Iterator<Object> elements, Expression test, Scope scope) {
            return new Lazy() {
                @Override
                @Nullable Object compute() {
                    while (elements.hasNext()) {
                        Object element = elements.next();
                        Scope inner = scope.inner();
                        target.assign(element, inner);
                        if (Values.isTrue(test.evaluate(inner))) {
                            return target.read(inner);
                        }
                    }
                    return null;
                }
            };
        }
    }

    /** {@code set target = value} */
    record Set(Expression.Target target, Expression value) implements Statement {
        @Override
        public Outcome run(Scope scope, StringBuilder out) {
            target.assign(value.evaluate(scope), scope);
            return Outcome.NEXT;
        }
    }

    /** {@code set target}, or {@code filter}: what a body writes, filtered; it is printed where there is no target. */
    record Capture(Expression.@Nullable Target target, List<Statement> body, List<Expression.Filtered> filters)
            implements Statement {
        @Override
        public Outcome run(Scope scope, StringBuilder out) {
            Scope inner = scope.inner();
            StringBuilder text = new StringBuilder();
            Outcome outcome = Statement.run(body, inner, text);
            if (outcome != Outcome.NEXT) {
                return outcome;
            }
            Object value = scope.written(text.toString());
            for (Expression.Filtered filter : filters) {
                value = filter.apply(value, inner);
            }
            if (target == null) {
                write(Repr.text(value, scope.budget()), scope, out);
            } else {
                target.assign(scope.autoescape() ? new Markup(Repr.text(value, scope.budget())) : value, scope);
            }
            return Outcome.NEXT;
        }
    }

    /** {@code with targets = values} */
    record With(List<Expression.Target> targets, List<Expression> values, List<Statement> body) implements Statement {
        @Override
        public Outcome run(Scope scope, StringBuilder out) {
            Scope inner = scope.inner();
            for (int i = 0; i < targets.size(); i++) {
                targets.get(i).assign(values.get(i).evaluate(scope), inner);
            }
            return Statement.run(body, inner, out);
        }
    }

    /** {@code autoescape escaping} */
    record Autoescape(Expression escaping, List<Statement> body) implements Statement {
        @Override
        public Outcome run(Scope scope, StringBuilder out) {
            return Statement.run(body, scope.inner(Values.isTrue(escaping.evaluate(scope))), out);
        }
    }

    /** Statements that are run where they stand, with variables of their own. */
    record Group(List<Statement> body) implements Statement {
        @Override
        public Outcome run(Scope scope, StringBuilder out) {
            return Statement.run(body, scope.inner(), out);
        }
    }

    /** {@code block name}: sees the outermost variables alone, unless it is {@code scoped}. */
    record Block(String name, boolean scoped, boolean required) implements Statement {
        @Override
        public Outcome run(Scope scope, StringBuilder out) {
            if (required) {
                throw TemplateException.error("Required block '%s' not found", name);
            }
            List<Statement> body = scope.rendering().blocks().get(name);
            if (body == null) {
                throw TemplateException.error("block '%s' is not defined", name);
            }
            scope.budget().enter();
            try {
                Statement.run(body, (scoped ? scope : scope.outermost()).inner(false), out);
            } finally {
                scope.budget().leave();
            }
            return Outcome.NEXT;
        }
    }

    /** {@code macro} */
    record MacroDefinition(Macro.Signature signature, List<Statement> body) implements Statement {
        @Override
        public Outcome run(Scope scope, StringBuilder out) {
            scope.set(signature.name(), new Macro(signature, body, scope));
            return Outcome.NEXT;
        }
    }

    /** {@code call}: a call of a macro that is handed the body as {@code caller}. */
    record CallBlock(Expression.Call call, Macro.Signature signature, List<Statement> body) implements Statement {
        @Override
        public Outcome run(Scope scope, StringBuilder out) {
            write(Repr.text(call.call(scope, new Macro(signature, body, scope)), scope.budget()), scope, out);
            return Outcome.NEXT;
        }
    }

    /** {@code include}, {@code import}, {@code from} and {@code extends}: there are no other templates. */
    record Missing(String tag) implements Statement {
        @Override
        public Outcome run(Scope scope, StringBuilder out) {
            throw TemplateException.unsupported("the statement '%s' is not known: there are no other templates", tag);
        }
    }
}
