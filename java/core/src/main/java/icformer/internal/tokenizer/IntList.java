package icformer.internal.tokenizer;

import java.util.Arrays;

/** A growing list of ints. */
public final class IntList {
    private int[] values;
    private int size;

    public IntList(int capacity) {
        values = new int[Math.max(capacity, 4)];
    }

    public void add(int value) {
        if (size == values.length) {
            grow(1);
        }
        values[size++] = value;
    }

    /** Appends {@code count} elements of this list, from {@code from} on. */
    void repeat(int from, int count) {
        if (values.length - size < count) {
            grow(count);
        }
        System.arraycopy(values, from, values, size, count);
        size += count;
    }

    int get(int index) {
        return values[index];
    }

    int size() {
        return size;
    }

    void clear() {
        size = 0;
    }

    public int[] toArray() {
        return Arrays.copyOf(values, size);
    }

    private void grow(int more) {
        values = Arrays.copyOf(values, Math.max(Math.addExact(size, more), values.length + (values.length >> 1)));
    }
}
