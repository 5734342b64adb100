package icformer.internal.tokenizer;

/** One step of cutting a text into words. */
interface Splitter {
    /** Appends where the words of points[from, to) end, in order; the last one ends at {@code to}. */
    void split(int[] points, int from, int to, IntList ends);
}
