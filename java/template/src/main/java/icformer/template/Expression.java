package icformer.template;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** A part of a template that has a value. */
interface Expression {
    /** Its value where these variables are; it accounts for itself. */
    Object evaluate(Scope scope);

    /** A value that is written down. */
    record Literal(Object value) implements Expression {
        @Override
        public Object evaluate(Scope scope) {
            scope.budget().step();
            return value;
        }
    }

    record Name(String name) implements Expression {
        @Override
        public Object evaluate(Scope scope) {
            scope.budget().step();
            return scope.get(name);
        }
    }

    record ListLiteral(List<Expression> elements, boolean tuple) implements Expression {
        @Override
        public Object evaluate(Scope scope) {
            List<Object> values = new ArrayList<>();
            elements.forEach(element -> values.add(element.evaluate(scope)));
            scope.budget().list(values.size());
            return tuple ? new Tuple(values) : values;
        }
    }

    record MapLiteral(List<Expression> keys, List<Expression> values) implements Expression {
        @Override
        public Object evaluate(Scope scope) {
            Map<Object, Object> map = new LinkedHashMap<>();
            for (int i = 0; i < keys.size(); i++) {
                map.put(Values.requireKey(keys.get(i).evaluate(scope)), values.get(i).evaluate(scope));
            }
            scope.budget().elements(map.size());
            return map;
        }
    }

    /** {@code value.name} */
    record Attribute(Expression value, String name) implements Expression {
        @Override
        public Object evaluate(Scope scope) {
            scope.budget().step();
            return Values.attribute(value.evaluate(scope), name);
        }
    }

    /** {@code value[key]} */
    record Element(Expression value, Expression key) implements Expression {
        @Override
        public Object evaluate(Scope scope) {
            scope.budget().step();
            return Values.element(value.evaluate(scope), key.evaluate(scope));
        }
    }

    /** {@code value[from:to:step]}; what is left out is None. */
    record Slice(Expression value, Expression from, Expression to, Expression step) implements Expression {
        @Override
        public Object evaluate(Scope scope) {
            return Values.slice(
                    value.evaluate(scope), from.evaluate(scope), to.evaluate(scope), step.evaluate(scope), scope.budget());
        }
    }

    /** Arguments as they are written. */
    record ArgumentList(List<Expression> positional, Map<String, Expression> named) {
        static final ArgumentList NONE = new ArgumentList(List.of(), Map.of());

        Arguments evaluate(Scope scope) {
            List<Object> values = new ArrayList<>();
            positional.forEach(expression -> values.add(expression.evaluate(scope)));
            Map<String, Object> namedValues = new LinkedHashMap<>();
            named.forEach((name, expression) -> namedValues.put(name, expression.evaluate(scope)));
            return new Arguments(values, namedValues);
        }
    }

    record Call(Expression function, ArgumentList arguments, int line) implements Expression {
        @Override
        public Object evaluate(Scope scope) {
            Object callee = Values.require(function.evaluate(scope));
            if (!(callee instanceof Callable callable)) {
                throw TemplateException.error("a %s cannot be called", Values.type(callee));
            }
            scope.budget().enter();
            try {
                scope.budget().step();
                return callable.call(arguments.evaluate(scope), scope.budget());
            } catch (TemplateException e) {
                throw e.in(line);
            } finally {
                scope.budget().leave();
            }
        }
    }

    /** {@code value | name(arguments)} */
    record Filtered(Expression value, String name, ArgumentList arguments) implements Expression {
        @Override
        public Object evaluate(Scope scope) {
            scope.budget().step();
            return Filters.apply(name, value.evaluate(scope), arguments.evaluate(scope), scope.budget());
        }
    }

    /** {@code value is name(arguments)} */
    record Tested(Expression value, String name, ArgumentList arguments, boolean negated) implements Expression {
        @Override
        public Object evaluate(Scope scope) {
            scope.budget().step();
            return Tests.holds(name, value.evaluate(scope), arguments.evaluate(scope), scope.budget()) != negated;
        }
    }

    /** {@code + - * / // % **}, and {@code ~} that joins texts. */
    record Arithmetic(String operator, Expression left, Expression right) implements Expression {
        @Override
        public Object evaluate(Scope scope) {
            Budget budget = scope.budget();
            budget.step();
            Object a = left.evaluate(scope);
            Object b = right.evaluate(scope);
            return switch (operator) {
                case "~" -> Values.add(Values.text(a, budget), Values.text(b, budget), budget);
                case "+" -> Values.add(a, b, budget);
                case "*" -> Values.multiply(a, b, budget);
                default -> Values.arithmetic(operator, a, b);
            };
        }
    }

    record Negative(Expression value) implements Expression {
        @Override
        public Object evaluate(Scope scope) {
            scope.budget().step();
            return Values.negate(value.evaluate(scope));
        }
    }

    /** {@code a < b == c}: every neighbouring pair must compare so. */
    record Comparison(Expression first, List<String> operators, List<Expression> others) implements Expression {
        @Override
        public Object evaluate(Scope scope) {
            Object left = first.evaluate(scope);
            for (int i = 0; i < operators.size(); i++) {
                Object right = others.get(i).evaluate(scope);
                if (!compare(operators.get(i), left, right, scope.budget())) {
                    return false;
                }
                left = right;
            }
            return true;
        }

        private static boolean compare(String operator, Object left, Object right, Budget budget) {
            return switch (operator) {
                case "==" -> Values.equal(left, right, budget);
                case "!=" -> !Values.equal(left, right, budget);
                case "<" -> Values.compare(left, right, budget) < 0;
                case "<=" -> Values.compare(left, right, budget) <= 0;
                case ">" -> Values.compare(left, right, budget) > 0;
                case ">=" -> Values.compare(left, right, budget) >= 0;
                case "in" -> Values.contains(right, left, budget);
                default -> !Values.contains(right, left, budget);
            };
        }
    }

    record Not(Expression value) implements Expression {
        @Override
        public Object evaluate(Scope scope) {
            scope.budget().step();
            return !Values.isTrue(value.evaluate(scope));
        }
    }

    /** The first of two operands if it settles the matter, else the second. */
    record Logical(boolean and, Expression left, Expression right) implements Expression {
        @Override
        public Object evaluate(Scope scope) {
            scope.budget().step();
            Object value = left.evaluate(scope);
            return Values.isTrue(value) == and ? right.evaluate(scope) : value;
        }
    }

    /** {@code then if condition else otherwise}; nothing to be otherwise is undefined. */
    record Conditional(Expression condition, Expression then, @Nullable Expression otherwise) implements Expression {
        @Override
        public Object evaluate(Scope scope) {
            scope.budget().step();
            if (Values.isTrue(condition.evaluate(scope))) {
                return then.evaluate(scope);
            }
            return otherwise == null ? new Undefined("the condition does not hold") : otherwise.evaluate(scope);
        }
    }
}
