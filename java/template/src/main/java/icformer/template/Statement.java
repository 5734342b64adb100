package icformer.template;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
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
        scope.budget().text(text.length());
        if (out.length() > Template.LONGEST_OUTPUT - text.length()) {
            throw new TemplateException(
                    TemplateException.Kind.LIMIT, "the template writes more than " + Template.LONGEST_OUTPUT + " characters");
        }
        out.append(text);
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
    record Print(Expression value, int line) implements Statement {
        @Override
        public Outcome run(Scope scope, StringBuilder out) {
            try {
                write(Values.text(value.evaluate(scope), scope.budget()), scope, out);
            } catch (TemplateException e) {
                throw e.in(line);
            }
            return Outcome.NEXT;
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
    record If(List<Expression> conditions, List<List<Statement>> bodies, List<Statement> otherwise, int line)
            implements Statement {
        @Override
        public Outcome run(Scope scope, StringBuilder out) {
            for (int i = 0; i < conditions.size(); i++) {
                if (holds(conditions.get(i), scope)) {
                    return Statement.run(bodies.get(i), scope, out);
                }
            }
            return Statement.run(otherwise, scope, out);
        }

        private boolean holds(Expression condition, Scope scope) {
            try {
                return Values.isTrue(condition.evaluate(scope));
            } catch (TemplateException e) {
                throw e.in(line);
            }
        }
    }

    /** {@code for names in values if condition}, and {@code else} for no values at all. */
    record For(
            List<String> names,
            Expression values,
            @Nullable Expression condition,
            List<Statement> body,
            List<Statement> otherwise,
            int line)
            implements Statement {
        @Override
        public Outcome run(Scope scope, StringBuilder out) {
            List<Object> elements = elements(scope);
            if (elements.isEmpty()) {
                return Statement.run(otherwise, scope, out);
            }
            for (int i = 0; i < elements.size(); i++) {
                scope.budget().step();
                Scope inner = scope.inner();
                bind(elements.get(i), inner);
                inner.set("loop", new Loop(elements, i));
                if (Statement.run(body, inner, out) == Outcome.BREAK) {
                    break;
                }
            }
            return Outcome.NEXT;
        }

        private List<Object> elements(Scope scope) {
            try {
                List<Object> elements = new ArrayList<>();
                for (Object element : Values.elements(values.evaluate(scope), scope.budget())) {
                    scope.budget().step();
                    if (condition == null || holds(condition, element, scope)) {
                        elements.add(element);
                    }
                }
                return elements;
            } catch (TemplateException e) {
                throw e.in(line);
            }
        }

        private void bind(Object element, Scope scope) {
            try {
                assign(names, element, scope);
            } catch (TemplateException e) {
                throw e.in(line);
            }
        }

        private boolean holds(Expression test, Object element, Scope scope) {
            Scope inner = scope.inner();
            assign(names, element, inner);
            return Values.isTrue(test.evaluate(inner));
        }
    }

    /** Gives one name a value, or several names the elements of a value. */
    static void assign(List<String> names, Object value, Scope scope) {
        if (names.size() == 1) {
            scope.set(names.getFirst(), value);
            return;
        }
        List<?> elements = Values.elements(value, scope.budget());
        if (elements.size() != names.size()) {
            throw TemplateException.error("%d names cannot share %d values", names.size(), elements.size());
        }
        for (int i = 0; i < names.size(); i++) {
            scope.set(names.get(i), elements.get(i));
        }
    }

    /** {@code set names = value} */
    record Set(List<String> names, Expression value, int line) implements Statement {
        @Override
        public Outcome run(Scope scope, StringBuilder out) {
            try {
                assign(names, value.evaluate(scope), scope);
            } catch (TemplateException e) {
                throw e.in(line);
            }
            return Outcome.NEXT;
        }
    }

    /** {@code set namespace.attribute = value} */
    record SetAttribute(String namespace, String attribute, Expression value, int line) implements Statement {
        @Override
        public Outcome run(Scope scope, StringBuilder out) {
            try {
                if (!(scope.get(namespace) instanceof Namespace target)) {
                    throw TemplateException.error("'%s' is no namespace: nothing in it can be set", namespace);
                }
                target.set(attribute, value.evaluate(scope));
            } catch (TemplateException e) {
                throw e.in(line);
            }
            return Outcome.NEXT;
        }
    }

    /** {@code set name}, or {@code filter}: what a body writes, filtered; it is printed where there is no name. */
    record Capture(@Nullable String name, List<Statement> body, List<Expression.Filtered> filters, int line)
            implements Statement {
        @Override
        public Outcome run(Scope scope, StringBuilder out) {
            try {
                Object value = render(body, scope.inner());
                for (Expression.Filtered filter : filters) {
                    value = Filters.apply(filter.name(), value, filter.arguments().evaluate(scope), scope.budget());
                }
                if (name == null) {
                    write(Values.text(value, scope.budget()), scope, out);
                } else {
                    scope.set(name, value);
                }
            } catch (TemplateException e) {
                throw e.in(line);
            }
            return Outcome.NEXT;
        }
    }

    /** {@code with names = values} */
    record With(List<String> names, List<Expression> values, List<Statement> body) implements Statement {
        @Override
        public Outcome run(Scope scope, StringBuilder out) {
            Scope inner = scope.inner();
            for (int i = 0; i < names.size(); i++) {
                inner.set(names.get(i), values.get(i).evaluate(scope));
            }
            return Statement.run(body, inner, out);
        }
    }

    /** Statements that are run as they come. */
    record Group(List<Statement> body) implements Statement {
        @Override
        public Outcome run(Scope scope, StringBuilder out) {
            return Statement.run(body, scope, out);
        }
    }

    /** {@code macro name(parameters)}; a parameter without a default is undefined where it is not given. */
    record Macro(String name, List<String> parameters, Map<String, Expression> defaults, List<Statement> body)
            implements Statement {
        @Override
        public Outcome run(Scope scope, StringBuilder out) {
            Callable macro = (arguments, _) -> call(arguments, scope);
            scope.set(name, macro);
            return Outcome.NEXT;
        }

        private Object call(Arguments arguments, Scope around) {
            @Nullable Object[] given = arguments.bind("macro '" + name + "'", parameters.toArray(String[]::new));
            Scope scope = around.inner();
            for (int i = 0; i < given.length; i++) {
                Object value = given[i];
                String parameter = parameters.get(i);
                Expression fallback = defaults.get(parameter);
                if (value == null) {
                    value = fallback == null
                            ? new Undefined("parameter '" + parameter + "' was not given")
                            : fallback.evaluate(scope);
                }
                scope.set(parameter, value);
            }
            return render(body, scope);
        }
    }
}
