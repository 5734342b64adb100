package icformer.template;

import java.util.Iterator;
import java.util.NoSuchElementException;
import org.jspecify.annotations.Nullable;

/** Elements that are made one by one, when they are asked for. */
abstract class Lazy implements Iterator<Object> {
    private @Nullable Object next;
    private boolean ended;

    /** The next element, or null where there is none. */
    abstract @Nullable Object compute();

    @Override
    public boolean hasNext() {
        if (next == null && !ended) {
            next = compute();
            ended = next == null;
        }
        return next != null;
    }

    @Override
    public Object next() {
        if (!hasNext()) {
            throw new NoSuchElementException();
        }
        Object element = next;
        next = null;
        return element;
    }
}
