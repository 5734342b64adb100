package icformer.internal.tokenizer;

import icformer.internal.base.ByteStrings;
import java.util.Arrays;

/** The list of merges of byte-level BPE: which two byte strings are merged, the first of the list first. */
final class MergeRanks {
    static final int NONE = -1;

    private final ByteStrings parts; // 2 * rank: the left string, 2 * rank + 1: the right one; both empty for none
    private final HashSlots slots;
    private final int longest;

    /** Of "left right" lines spelled in {@link ByteLevel} letters. Of equal lines the first counts. */
    MergeRanks(ByteStrings lines) {
        ByteStrings.Builder builder = new ByteStrings.Builder(2 * lines.size());
        byte[] text = lines.bytes();
        for (int line = 0; line < lines.size(); line++) {
            int end = lines.end(line);
            int space = lines.start(line) + 1;
            while (space < end && text[space] != ' ') {
                space++;
            }
            boolean whole = space < end && ByteLevel.decode(text, lines.start(line), space, builder);
            builder.end();
            if (whole) {
                ByteLevel.decode(text, space + 1, end, builder);
            }
            builder.end();
        }
        parts = builder.build();
        slots = new HashSlots(lines.size());
        int most = 0;
        for (int rank = 0; rank < lines.size(); rank++) {
            if (parts.length(2 * rank) > 0 && parts.length(2 * rank + 1) > 0) {
                insert(rank);
                most = Math.max(most, parts.end(2 * rank + 1) - parts.start(2 * rank));
            }
        }
        longest = most;
    }

    private void insert(int rank) {
        byte[] bytes = parts.bytes();
        int from = parts.start(2 * rank);
        int middle = parts.end(2 * rank);
        int to = parts.end(2 * rank + 1);
        long mixed = mix(RollingHash.of(bytes, from, middle), RollingHash.of(bytes, middle, to));
        int slot = slots.first(mixed);
        for (; !slots.free(slot); slot = slots.next(slot)) {
            int other = slots.candidate(slot, mixed);
            if (other >= 0 && equal(other, bytes, from, middle, to)) {
                return;
            }
        }
        slots.set(slot, mixed, rank);
    }

    private static long mix(long left, long right) {
        return RollingHash.mix(left * 31 + RollingHash.mix(right));
    }

    private boolean equal(int rank, byte[] text, int from, int middle, int to) {
        int start = parts.start(2 * rank);
        return parts.length(2 * rank) == middle - from
                && Arrays.equals(parts.bytes(), start, parts.end(2 * rank + 1), text, from, to);
    }

    /** Bytes of the longest result of a merge. */
    int longest() {
        return longest;
    }

    /** The place in the list of text[from, middle) and text[middle, to), whose hashes are given; {@link #NONE}. */
    int find(byte[] text, int from, int middle, int to, long left, long right) {
        long mixed = mix(left, right);
        for (int slot = slots.first(mixed); !slots.free(slot); slot = slots.next(slot)) {
            int rank = slots.candidate(slot, mixed);
            if (rank >= 0 && equal(rank, text, from, middle, to)) {
                return rank;
            }
        }
        return NONE;
    }
}
