package icformer.internal.tokenizer;

import java.util.Arrays;

/**
 * Turns words into tokens by merging neighbours: of all pairs of neighbouring symbols that may be merged the best one is,
 * among equals the leftmost, until none is left. The scratch of one encoding, for one thread.
 *
 * <p>Words of few symbols are searched for their best pair again and again; longer ones keep their pairs in a heap, so that
 * a word of n symbols takes O(n log n). A word met before in the same text is answered from a small cache.
 */
abstract class MergeEncoder {
    /** Priority of a pair that cannot be merged. */
    static final int NEVER = Integer.MAX_VALUE;

    private static final int FEW = 32;
    private static final int LONGEST_CACHED = 64;
    private static final int MOST_CACHED = 1 << 13;

    /** The text that words are parts of. */
    final byte[] text;

    final IntList tokens;

    /** Hashes of the prefixes of the word at hand, which begins at {@link #origin}. */
    private long[] prefixes = new long[LONGEST_CACHED + 1];

    private int origin;
    private final RollingHash hash;

    private int[] starts = new int[FEW + 1]; // where symbol i begins; starts[n] is the end
    private int[] priorities = new int[FEW + 1]; // of merging symbol i with symbol i + 1

    // A direct-mapped cache from words to where their tokens lie in `tokens`.
    private final long[] cachedHash;
    private final int[] cachedFrom;
    private final int[] cachedLength;
    private final int[] cachedTokens;
    private final int[] cachedCount;

    MergeEncoder(byte[] text, IntList tokens, RollingHash hash) {
        this.text = text;
        this.tokens = tokens;
        this.hash = hash;
        int size = Integer.highestOneBit(Math.clamp(text.length / 16, 1, MOST_CACHED));
        cachedHash = new long[size];
        cachedFrom = new int[size];
        cachedLength = new int[size];
        cachedTokens = new int[size];
        cachedCount = new int[size];
    }

    /** Priority of merging text[from, middle) and text[middle, to): the lower the sooner; {@link #NEVER}. */
    abstract int priority(int from, int middle, int to);

    /** Appends what stands for a symbol that cannot be merged any more. */
    abstract void symbol(int from, int to);

    /** Bytes of the first symbol of text[from, to). */
    abstract int firstSymbol(int from, int to);

    /** Appends the tokens of a word that merging need not be tried on. */
    boolean wholeWord(int from, int to) {
        return false;
    }

    /** The hash of a part of the word at hand. */
    final long hash(int from, int to) {
        return hash.part(prefixes, from - origin, to - origin);
    }

    final boolean longerThanAny(int from, int to) {
        return to - from > hash.longest();
    }

    /** Appends the tokens of text[from, to). */
    final void word(int from, int to) {
        if (from == to) {
            return;
        }
        if (to - from >= prefixes.length) {
            prefixes = new long[to - from + 1];
        }
        origin = from;
        RollingHash.prefixes(text, from, to, prefixes);
        if (to - from > LONGEST_CACHED) {
            merge(from, to);
            return;
        }
        long whole = prefixes[to - from];
        int slot = (int) RollingHash.mix(whole) & cachedHash.length - 1;
        if (cachedHash[slot] == whole
                && Arrays.equals(text, from, to, text, cachedFrom[slot], cachedFrom[slot] + cachedLength[slot])) {
            tokens.repeat(cachedTokens[slot], cachedCount[slot]);
            return;
        }
        int before = tokens.size();
        merge(from, to);
        cachedHash[slot] = whole;
        cachedFrom[slot] = from;
        cachedLength[slot] = to - from;
        cachedTokens[slot] = before;
        cachedCount[slot] = tokens.size() - before;
    }

    private void merge(int from, int to) {
        if (wholeWord(from, to)) {
            return;
        }
        int count = 0;
        for (int at = from; at < to; at += firstSymbol(at, to)) {
            if (count + 1 == starts.length) {
                starts = Arrays.copyOf(starts, 2 * starts.length);
            }
            starts[count++] = at;
        }
        starts[count] = to;
        if (count <= FEW) {
            mergeFew(count);
        } else {
            mergeMany(count);
        }
    }

    private void mergeFew(int symbols) {
        int count = symbols;
        for (int i = 0; i + 1 < count; i++) {
            priorities[i] = priority(starts[i], starts[i + 1], starts[i + 2]);
        }
        while (count > 1) {
            int best = 0;
            for (int i = 1; i + 1 < count; i++) {
                best = priorities[i] < priorities[best] ? i : best;
            }
            if (priorities[best] == NEVER) {
                break;
            }
            count--;
            System.arraycopy(starts, best + 2, starts, best + 1, count - best);
            System.arraycopy(priorities, best + 1, priorities, best, count - best);
            if (best > 0) {
                priorities[best - 1] = priority(starts[best - 1], starts[best], starts[best + 1]);
            }
            if (best + 1 < count) {
                priorities[best] = priority(starts[best], starts[best + 1], starts[best + 2]);
            }
        }
        for (int i = 0; i < count; i++) {
            symbol(starts[i], starts[i + 1]);
        }
    }

    private void mergeMany(int count) {
        LongWord word = new LongWord(count);
        word.run();
        for (int i = 0; i < count; i = word.ends[i]) {
            symbol(starts[i], starts[word.ends[i]]);
        }
    }

    /** Symbols of a long word by the number of the character they begin with, and the heap of their pairs. */
    private final class LongWord {
        private final int[] ends; // the character behind symbol i; 0 where no symbol begins any more
        private final int[] previous; // the symbol that ends where symbol i begins
        private final int count;

        private long[] heap; // priority, first character: the smallest on top
        private int[] pairEnds; // the character behind the pair, for the same place of the heap
        private int size;

        LongWord(int count) {
            this.count = count;
            ends = new int[count];
            previous = new int[count];
            heap = new long[count];
            pairEnds = new int[count];
            for (int i = 0; i < count; i++) {
                ends[i] = i + 1;
                previous[i] = i - 1;
            }
        }

        void run() {
            for (int i = 0; i + 1 < count; i++) {
                offer(i);
            }
            while (size > 0) {
                int left = (int) heap[0];
                int end = pairEnds[0];
                pop();
                int right = ends[left];
                // A pair is stale when either symbol has been merged: then they are gone, or end elsewhere.
                if (right == 0 || right == count || ends[right] != end) {
                    continue;
                }
                ends[left] = end;
                ends[right] = 0;
                if (end < count) {
                    previous[end] = left;
                    offer(left);
                }
                if (previous[left] >= 0) {
                    offer(previous[left]);
                }
            }
        }

        private void offer(int left) {
            int right = ends[left];
            int priority = priority(starts[left], starts[right], starts[ends[right]]);
            if (priority != NEVER) {
                push((long) priority << 32 | left, ends[right]);
            }
        }

        private void push(long entry, int end) {
            if (size == heap.length) {
                heap = Arrays.copyOf(heap, 2 * size);
                pairEnds = Arrays.copyOf(pairEnds, 2 * size);
            }
            int at = size++;
            for (; at > 0; at = (at - 1) >> 1) {
                int parent = (at - 1) >> 1;
                if (heap[parent] <= entry) {
                    break;
                }
                heap[at] = heap[parent];
                pairEnds[at] = pairEnds[parent];
            }
            heap[at] = entry;
            pairEnds[at] = end;
        }

        private void pop() {
            long entry = heap[--size];
            int end = pairEnds[size];
            int at = 0;
            for (int child = 1; child < size; child = 2 * at + 1) {
                if (child + 1 < size && heap[child + 1] < heap[child]) {
                    child++;
                }
                if (entry <= heap[child]) {
                    break;
                }
                heap[at] = heap[child];
                pairEnds[at] = pairEnds[child];
                at = child;
            }
            heap[at] = entry;
            pairEnds[at] = end;
        }
    }
}
