package icformer.internal.tokenizer;

/**
 * The slots of an open-addressed table from 64-bit hashes to numbers. A hash may stand for several numbers: the caller
 * compares what they stand for.
 */
final class HashSlots {
    private final long[] slots; // 0: free; else 32 bits of the hash, 32 bits of number + 1

    HashSlots(int count) {
        slots = new long[Integer.highestOneBit(Math.max(2, count + count / 2)) << 1]; // at most two of three are taken
    }

    /** Where the search for a hash begins; {@link #next} goes on. */
    int first(long mixed) {
        return (int) mixed & slots.length - 1;
    }

    int next(int slot) {
        return slot + 1 & slots.length - 1;
    }

    boolean free(int slot) {
        return slots[slot] == 0;
    }

    /** The number in a slot if its hash may be this one, else -1. */
    int candidate(int slot, long mixed) {
        long value = slots[slot];
        return ((value ^ mixed) >>> 32) == 0 ? (int) value - 1 : -1;
    }

    void set(int slot, long mixed, int number) {
        slots[slot] = mixed & 0xFFFFFFFF00000000L | number + 1L;
    }
}
