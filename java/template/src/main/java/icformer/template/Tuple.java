package icformer.template;

import java.util.AbstractList;
import java.util.List;

/** A list that prints in parentheses and is equal to none but its like. */
final class Tuple extends AbstractList<Object> {
    private final List<Object> elements;

    Tuple(List<Object> elements) {
        this.elements = List.copyOf(elements);
    }

    @Override
    public Object get(int index) {
        return elements.get(index);
    }

    @Override
    public int size() {
        return elements.size();
    }
}
