package icformer.template;

import java.util.AbstractList;

/** Numbers from {@code start} up to, or down to, {@code stop}, which is not one of them: Python's {@code range}. */
final class Range extends AbstractList<Object> {
    private final long start;
    private final long stop;
    private final long step;
    private final int size;

    Range(long start, long stop, long step, int size) {
        this.start = start;
        this.stop = stop;
        this.step = step;
        this.size = size;
    }

    /** How many numbers there are. */
    static double count(long start, long stop, long step) {
        return Math.max(0, Math.ceil(((double) stop - start) / step));
    }

    @Override
    public Object get(int index) {
        return start + index * step;
    }

    @Override
    public int size() {
        return size;
    }

    /** Every {@code by}th of {@code count} numbers from the one at {@code from}. */
    Range part(long from, long to, long by, int count) {
        boolean fits = Math.multiplyHigh(step, by) == (step * by) >> 63;
        return new Range(start + from * step, start + to * step, fits ? step * by : by, count);
    }

    /** One of its three attributes. */
    Object get(String name) {
        return switch (name) {
            case "start" -> start;
            case "stop" -> stop;
            default -> step;
        };
    }

    @Override
    public String toString() {
        return "range(" + start + ", " + stop + (step == 1 ? ")" : ", " + step + ")");
    }
}
