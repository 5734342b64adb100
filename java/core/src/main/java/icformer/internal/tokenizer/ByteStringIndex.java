package icformer.internal.tokenizer;

import icformer.internal.base.ByteStrings;

/** Finds the number of a byte string. Of equal strings it knows the first. */
final class ByteStringIndex {
    static final int NONE = -1;

    /** What to do about a string that is there already. */
    interface Repetition {
        void accept(int first, int second);
    }

    private final ByteStrings strings;
    private final HashSlots slots;

    /**
     * Of all strings but the empty ones.
     *
     * @param onRepetition told of the first of two equal strings and of the other one
     */
    ByteStringIndex(ByteStrings strings, Repetition onRepetition) {
        this.strings = strings;
        slots = new HashSlots(strings.size());
        for (int i = 0; i < strings.size(); i++) {
            if (strings.length(i) > 0) {
                int first = insert(i);
                if (first != i) {
                    onRepetition.accept(first, i);
                }
            }
        }
    }

    /** Inserts a string that is new. */
    private int insert(int number) {
        byte[] bytes = strings.bytes();
        int from = strings.start(number);
        int to = strings.end(number);
        long mixed = RollingHash.mix(RollingHash.of(bytes, from, to));
        int slot = slots.first(mixed);
        for (; !slots.free(slot); slot = slots.next(slot)) {
            int other = slots.candidate(slot, mixed);
            if (other >= 0 && strings.equal(other, bytes, from, to)) {
                return other;
            }
        }
        slots.set(slot, mixed, number);
        return number;
    }

    /** The number of text[from, to), whose {@link RollingHash} is given; {@link #NONE} if it is none of the strings. */
    int find(byte[] text, int from, int to, long hash) {
        long mixed = RollingHash.mix(hash);
        for (int slot = slots.first(mixed); !slots.free(slot); slot = slots.next(slot)) {
            int number = slots.candidate(slot, mixed);
            if (number >= 0 && strings.equal(number, text, from, to)) {
                return number;
            }
        }
        return NONE;
    }

    int find(byte[] text) {
        return find(text, 0, text.length, RollingHash.of(text, 0, text.length));
    }
}
