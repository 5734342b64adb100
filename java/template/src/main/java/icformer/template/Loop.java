package icformer.template;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The variable {@code loop}: where a loop is; called with other values, the loop over those, where it is recursive. */
final class Loop implements Callable {
    /** How a recursive loop goes over other values, so many levels deep. */
    interface Recursion {
        Object run(Object values, int depth, Scope scope);
    }

    private final Object values;
    private final @Nullable Recursion recursion;
    private final int depth;
    private final Budget budget;
    private Iterator<Object> elements;
    private long index = -1;
    private long length = -1;
    private @Nullable Object before;
    private @Nullable Object current;
    private @Nullable Object after;
    private @Nullable Tuple changed;

    Loop(Object values, Iterator<Object> elements, @Nullable Recursion recursion, int depth, Budget budget) {
        this.values = values;
        this.elements = elements;
        this.recursion = recursion;
        this.depth = depth;
        this.budget = budget;
    }

    /** Whether there is a next element. */
    private boolean peek() {
        if (after == null && elements.hasNext()) {
            after = elements.next();
        }
        return after != null;
    }

    /** The next element, or null behind the last. */
    @Nullable Object next() {
        if (!peek()) {
            return null;
        }
        before = current;
        current = after;
        after = null;
        index++;
        return current;
    }

    long length() {
        if (length < 0) {
            if (values instanceof Generator) {
                List<Object> rest = new ArrayList<>();
                elements.forEachRemaining(element -> {
                    budget.list(1);
                    rest.add(element);
                });
                elements = rest.iterator();
                length = rest.size() + index + 1 + (after == null ? 0 : 1);
            } else {
                length = Values.length(values, budget);
            }
        }
        return length;
    }

    @Nullable Object get(String name) {
        return switch (name) {
            case "index" -> index + 1;
            case "index0" -> index;
            case "revindex" -> length() - index;
            case "revindex0" -> length() - index - 1;
            case "first" -> index == 0;
            case "last" -> !peek();
            case "length" -> length();
            case "depth" -> depth + 1L;
            case "depth0" -> (long) depth;
            case "previtem" -> before == null || index == 0 ? new Undefined("there is no previous item") : before;
            case "nextitem" -> peek() ? after : new Undefined("there is no next item");
            case "cycle" -> (Callable) (arguments, _) -> cycle(arguments.positional());
            case "changed" -> (Callable) (arguments, _) -> changed(new Tuple(arguments.positional()));
            default -> null;
        };
    }

    private Object cycle(List<Object> choices) {
        if (choices.isEmpty()) {
            throw TemplateException.error("no items for cycling given");
        }
        return choices.get((int) (index % choices.size()));
    }

    private boolean changed(Tuple now) {
        boolean same = changed != null && Operators.equal(changed, now, budget);
        changed = now;
        return !same;
    }

    @Override
    public Object call(Arguments arguments, Scope scope) {
        if (recursion == null) {
            throw TemplateException.error("The loop must have the 'recursive' marker to be called recursively.");
        }
        return recursion.run(arguments.bind("loop", 1, "iterable")[0], depth + 1, scope);
    }

    @Override
    public String toString() {
        return "<LoopContext " + (index + 1) + "/" + length() + ">";
    }
}
