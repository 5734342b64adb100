package icformer.template;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** A part of a template that has a value. */
interface Expression {
    /** Its value where these variables are; it accounts for itself. */
    Object evaluate(Scope scope);

    /** Whether it is written down in full. */
    default boolean isConstant() {
        return false;
    }

    /** A value that is written down. */
    record Literal(Object value) implements Expression {
        @Override
        public boolean isConstant() {
            return true;
        }

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
            scope.budget().list(elements.size());
            List<Object> values = new ArrayList<>();
            elements.forEach(element -> values.add(element.evaluate(scope)));
            return tuple ? new Tuple(values) : values;
        }

        @Override
        public boolean isConstant() {
            return elements.stream().allMatch(Expression::isConstant);
        }
    }

    record DictLiteral(List<Expression> keys, List<Expression> values) implements Expression {
        @Override
        public Object evaluate(Scope scope) {
            scope.budget().step();
            Dict dict = new Dict();
            for (int i = 0; i < keys.size(); i++) {
                dict.put(keys.get(i).evaluate(scope), values.get(i).evaluate(scope), scope.budget());
            }
            return dict;
        }

        @Override
        public boolean isConstant() {
            return keys.stream().allMatch(Expression::isConstant)
                    && values.stream().allMatch(Expression::isConstant);
        }
    }

    /** {@code value.name} */
    record Attribute(Expression value, String name) implements Expression {
        @Override
        public Object evaluate(Scope scope) {
            return Values.attribute(value.evaluate(scope), name, scope.budget());
        }
    }

    /** {@code value[key]} */
    record Element(Expression value, Expression key) implements Expression {
        @Override
        public Object evaluate(Scope scope) {
            return Values.element(value.evaluate(scope), key.evaluate(scope), scope.budget());
        }
    }

    /**
     * {@code value[from:to:step]}; what is left out is None. Of a constant that has no slices it is undefined, as in jinja2,
     * which looks constants up where it reads them.
     */
    record Slice(Expression value, Expression from, Expression to, Expression step) implements Expression {
        @Override
        public Object evaluate(Scope scope) {
            Object sliced = value.evaluate(scope);
            if (value.isConstant() && !(sliced instanceof List<?>) && !Values.isText(sliced)) {
                return Undefined.missing(sliced, "slice");
            }
            return Operators.slice(
                    sliced, from.evaluate(scope), to.evaluate(scope), step.evaluate(scope), scope.budget());
        }
    }

    /** Arguments as they are written, {@code *several} and {@code **named} among them. */
    record ArgumentList(
            List<Expression> positional,
            Map<String, Expression> named,
            @Nullable Expression several,
            @Nullable Expression severalNamed) {
        static final ArgumentList NONE = new ArgumentList(List.of(), Map.of(), null, null);

        Arguments evaluate(Scope scope) {
            if (this == NONE) {
                return Arguments.NONE;
            }
            List<Object> values = new ArrayList<>();
            positional.forEach(expression -> values.add(expression.evaluate(scope)));
            Map<String, Object> namedValues = new LinkedHashMap<>();
            named.forEach((name, expression) -> namedValues.put(name, expression.evaluate(scope)));
            if (several != null) {
                values.addAll(Values.list(several.evaluate(scope), scope.budget()));
            }
            if (severalNamed != null) {
                if (!(Values.require(severalNamed.evaluate(scope)) instanceof Dict dict)) {
                    throw TemplateException.error("argument after ** must be a mapping");
                }
                for (Dict.Item item : dict.items()) {
                    scope.budget().elements(1);
                    String name = Values.requireText(item.key());
                    if (namedValues.put(name, item.value()) != null) {
                        throw TemplateException.error("got multiple values for keyword argument '%s'", name);
                    }
                }
            }
            return new Arguments(values, namedValues);
        }
    }

    /** A call; {@code caller} is what a call block hands over. */
    record Call(Expression function, ArgumentList arguments, int line) implements Expression {
        @Override
        public Object evaluate(Scope scope) {
            return call(scope, null);
        }

        Object call(Scope scope, @Nullable Object caller) {
            Object callee = Values.require(function.evaluate(scope));
            if (!(callee instanceof Callable callable)) {
                throw TemplateException.error("'%s' object is not callable", Values.type(callee));
            }
            Arguments given = arguments.evaluate(scope);
            scope.budget().enter();
            try {
                scope.budget().step();
                return callable.call(caller == null ? given : given.with("caller", caller), scope);
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
            return apply(value.evaluate(scope), scope);
        }

        Object apply(Object filtered, Scope scope) {
            return Filters.apply(name, filtered, arguments.evaluate(scope), scope);
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

    /** {@code + - * / // % **} */
    record Arithmetic(String operator, Expression left, Expression right) implements Expression {
        @Override
        public Object evaluate(Scope scope) {
            scope.budget().step();
            return Operators.apply(operator, left.evaluate(scope), right.evaluate(scope), scope.budget());
        }
    }

    /** {@code a ~ b}: their texts as one, safe where text is escaped and one of them is safe. */
    record Concatenation(List<Expression> parts) implements Expression {
        @Override
        public Object evaluate(Scope scope) {
            Budget budget = scope.budget();
            List<Object> values = new ArrayList<>();
            parts.forEach(part -> values.add(part.evaluate(scope)));
            boolean safe = scope.autoescape() && values.stream().anyMatch(Markup.class::isInstance);
            List<String> texts = new ArrayList<>();
            values.forEach(
                    value -> texts.add(safe ? Markup.escape(value, budget).text() : Repr.text(value, budget)));
            String text = Texts.join("", texts, budget);
            return safe ? new Markup(text) : text;
        }
    }

    record Signed(Expression value, boolean negative) implements Expression {
        @Override
        public Object evaluate(Scope scope) {
            scope.budget().step();
            Object number = Values.require(value.evaluate(scope));
            if (!Values.isNumber(number)) {
                throw TemplateException.error("bad operand type for a sign: '%s'", Values.type(number));
            }
            Object negated = Numbers.negate(number);
            return negative ? negated : Numbers.negate(negated);
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
                case "==" -> Operators.equal(left, right, budget);
                case "!=" -> !Operators.equal(left, right, budget);
                case "in" -> Operators.contains(right, left, budget);
                case "not in" -> !Operators.contains(right, left, budget);
                default -> Operators.ordered(operator, left, right, budget);
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
    record Conditional(
            Expression condition, Expression then, @Nullable Expression otherwise) implements Expression {
        @Override
        public Object evaluate(Scope scope) {
            scope.budget().step();
            if (Values.isTrue(condition.evaluate(scope))) {
                return then.evaluate(scope);
            }
            return otherwise == null
                    ? new Undefined("the inline if-expression evaluated to false and no else section was defined.")
                    : otherwise.evaluate(scope);
        }
    }

    /** What a value is given to. */
    sealed interface Target {
        void assign(Object value, Scope scope);

        /** What has been assigned. */
        Object read(Scope scope);
    }

    record NameTarget(String name) implements Target {
        @Override
        public void assign(Object value, Scope scope) {
            scope.set(name, value);
        }

        @Override
        public Object read(Scope scope) {
            return scope.get(name);
        }
    }

    /** {@code namespace.attribute} */
    record AttributeTarget(String namespace, String attribute) implements Target {
        @Override
        public void assign(Object value, Scope scope) {
            if (!(scope.get(namespace) instanceof Namespace target)) {
                throw TemplateException.error("cannot assign attribute on non-namespace object '%s'", namespace);
            }
            target.set(attribute, value, scope.budget());
        }

        @Override
        public Object read(Scope scope) {
            return Values.attribute(scope.get(namespace), attribute, scope.budget());
        }
    }

    /** Several targets for as many elements. */
    record SeveralTargets(List<Target> targets) implements Target {
        @Override
        public void assign(Object value, Scope scope) {
            Iterator<Object> elements = Values.iterate(value, scope.budget());
            List<Object> values = new ArrayList<>();
            while (elements.hasNext() && values.size() <= targets.size()) {
                values.add(elements.next());
            }
            if (values.size() != targets.size()) {
                throw TemplateException.error(
                        "%s values to unpack (expected %d)",
                        values.size() > targets.size() ? "too many" : "not enough", targets.size());
            }
            for (int i = 0; i < targets.size(); i++) {
                targets.get(i).assign(values.get(i), scope);
            }
        }

        @Override
        public Object read(Scope scope) {
            scope.budget().list(targets.size());
            return new Tuple(targets.stream().map(target -> target.read(scope)).toList());
        }
    }
}
