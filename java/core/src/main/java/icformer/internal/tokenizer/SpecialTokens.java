package icformer.internal.tokenizer;

import icformer.internal.base.ByteStrings;
import java.util.Arrays;
import java.util.BitSet;

/**
 * The tokens that are looked for in a text before anything else: control, unknown and user-defined ones.
 *
 * <p>Longer texts are cut out before shorter ones, of equal ones the lower id first, each from left to right out of what
 * the earlier ones left.
 */
final class SpecialTokens {
    /** Receives a text's parts in order. */
    interface Sink {
        void special(int id);

        void text(int from, int to);
    }

    private final ByteStrings texts;
    private final int[] ids; // in the order in which they are cut out
    private final boolean[] onlyParsed; // by place in ids: looked for only when special tokens are parsed
    private final boolean[] stripsRight; // by place in ids: takes the white space behind it along

    // A trie over the texts: node 0 is the root; a node's children are chained by `sibling`.
    private final byte[] label;
    private final int[] child;
    private final int[] sibling;
    private final int[] place; // in ids of the text that ends here, else -1
    private final int[] roots = new int[256]; // the root's child by label, 0 for none

    SpecialTokens(ByteStrings tokens, int[] special, BitSet onlyParsed, BitSet stripsRight) {
        this.texts = tokens;
        ids = Arrays.stream(special)
                .boxed()
                .sorted((a, b) -> tokens.length(a) == tokens.length(b)
                        ? Integer.compare(a, b)
                        : Integer.compare(tokens.length(b), tokens.length(a)))
                .mapToInt(Integer::intValue)
                .toArray();
        this.onlyParsed = new boolean[ids.length];
        this.stripsRight = new boolean[ids.length];
        int nodes = 1;
        for (int i = 0; i < ids.length; i++) {
            this.onlyParsed[i] = onlyParsed.get(ids[i]);
            this.stripsRight[i] = stripsRight.get(ids[i]);
            nodes += tokens.length(ids[i]);
        }
        label = new byte[nodes];
        child = new int[nodes];
        sibling = new int[nodes];
        place = new int[nodes];
        Arrays.fill(place, -1);
        int used = 1;
        for (int i = 0; i < ids.length; i++) {
            used = insert(i, used);
        }
    }

    private int insert(int index, int used) {
        byte[] bytes = texts.bytes();
        int free = used;
        int node = 0;
        for (int at = texts.start(ids[index]); at < texts.end(ids[index]); at++) {
            int next = next(node, bytes[at]);
            if (next == 0) {
                next = free++;
                label[next] = bytes[at];
                if (node == 0) {
                    roots[bytes[at] & 0xFF] = next;
                } else {
                    sibling[next] = child[node];
                    child[node] = next;
                }
            }
            node = next;
        }
        if (place[node] < 0) {
            place[node] = index;
        }
        return free;
    }

    private int next(int node, byte value) {
        if (node == 0) {
            return roots[value & 0xFF];
        }
        int next = child[node];
        while (next != 0 && label[next] != value) {
            next = sibling[next];
        }
        return next;
    }

    /** Cuts text[0, length) into special tokens and the texts between them. */
    void partition(byte[] text, int length, boolean parseSpecial, Sink sink) {
        BitSet found = find(text, length, parseSpecial);
        Parts parts = new Parts(length);
        for (int index = found.nextSetBit(0); index >= 0; index = found.nextSetBit(index + 1)) {
            parts = cut(text, parts, index);
        }
        for (int i = 0; i < parts.count; i++) {
            if (parts.ids[i] >= 0) {
                sink.special(parts.ids[i]);
            } else if (parts.from[i] < parts.to[i]) {
                sink.text(parts.from[i], parts.to[i]);
            }
        }
    }

    /** Which special tokens, by place in {@link #ids}, occur at all. */
    private BitSet find(byte[] text, int length, boolean parseSpecial) {
        BitSet found = new BitSet();
        for (int start = 0; start < length; start++) {
            int node = roots[text[start] & 0xFF];
            for (int at = start + 1; node != 0; at++) {
                if (place[node] >= 0 && (parseSpecial || !onlyParsed[place[node]])) {
                    found.set(place[node]);
                }
                node = at < length ? next(node, text[at]) : 0;
            }
        }
        return found;
    }

    /** Cuts one special token out of all texts among the parts. */
    private Parts cut(byte[] text, Parts parts, int index) {
        int id = ids[index];
        Parts result = new Parts();
        for (int i = 0; i < parts.count; i++) {
            if (parts.ids[i] >= 0) {
                result.add(parts.ids[i], 0, 0);
                continue;
            }
            int from = parts.from[i];
            int to = parts.to[i];
            for (int match = indexOf(text, from, to, id); match >= 0; match = indexOf(text, from, to, id)) {
                if (match > from) {
                    result.add(-1, from, match);
                }
                result.add(id, 0, 0);
                from = match + texts.length(id);
                while (stripsRight[index] && from < to && isSpace(text[from])) {
                    from++;
                }
            }
            if (from < to) {
                result.add(-1, from, to);
            }
        }
        return result;
    }

    private int indexOf(byte[] text, int from, int to, int id) {
        byte[] bytes = texts.bytes();
        int start = texts.start(id);
        int length = texts.length(id);
        byte first = bytes[start];
        for (int at = from; at <= to - length; at++) {
            if (text[at] == first && Arrays.equals(text, at, at + length, bytes, start, start + length)) {
                return at;
            }
        }
        return -1;
    }

    private static boolean isSpace(byte value) {
        return value == ' ' || value >= '\t' && value <= '\r';
    }

    /** Special tokens (an id) and texts (-1, from, to), in order. */
    private static final class Parts {
        private int[] ids = new int[4];
        private int[] from = new int[4];
        private int[] to = new int[4];
        private int count;

        Parts() {}

        Parts(int length) {
            add(-1, 0, length);
        }

        void add(int id, int from, int to) {
            if (count == ids.length) {
                ids = Arrays.copyOf(ids, 2 * count);
                this.from = Arrays.copyOf(this.from, 2 * count);
                this.to = Arrays.copyOf(this.to, 2 * count);
            }
            ids[count] = id;
            this.from[count] = from;
            this.to[count++] = to;
        }
    }
}
