package icformer.internal.tokenizer;

/** Finds the number of a byte string. Of equal strings it knows the first. */
final class ByteStringIndex {
    static final int NONE = -1;

    private final ByteStrings strings;
    private final HashSlots slots;
    private int size;

    /** Of all strings but the empty ones. */
    ByteStringIndex(ByteStrings strings) {
        this.strings = strings;
        slots = new HashSlots(strings.size());
        for (int i = 0; i < strings.size(); i++) {
            if (strings.length(i) > 0) {
                insert(i);
            }
        }
    }

    private void insert(int number) {
        byte[] bytes = strings.bytes();
        int from = strings.start(number);
        int to = strings.end(number);
        long mixed = RollingHash.mix(RollingHash.of(bytes, from, to));
        int slot = slots.first(mixed);
        for (; !slots.free(slot); slot = slots.next(slot)) {
            int other = slots.candidate(slot, mixed);
            if (other >= 0 && strings.equal(other, bytes, from, to)) {
                return;
            }
        }
        slots.set(slot, mixed, number);
        size++;
    }

    /** How many different strings there are. */
    int size() {
        return size;
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
