package icformer.template;

import java.util.AbstractList;
import java.util.List;

/** A list that prints in parentheses and is equal to none but its like. */
class Tuple extends AbstractList<Object> {
    private final List<Object> elements;

    Tuple(List<Object> elements) {
        this.elements = List.copyOf(elements);
    }

    static Tuple of(Object... elements) {
        return new Tuple(List.of(elements));
    }

    @Override
    public Object get(int index) {
        return elements.get(index);
    }

    @Override
    public int size() {
        return elements.size();
    }

    /** What {@code groupby} gives: a key and the elements that have it, also by name. */
    static final class Group extends Tuple {
        Group(Object grouper, List<Object> list) {
            super(List.of(grouper, list));
        }
    }
}
