package icformer.internal.tokenizer;

/**
 * A polynomial hash of byte strings, modulo 2^64: {@code h(s) = sum (s[i] + 1) * BASE^(n-1-i)}.
 *
 * <p>With the hashes of all prefixes of a text at hand, the hash of any part of it takes one multiplication, whatever its
 * length: that is what looking up every merged pair of a long word costs.
 */
final class RollingHash {
    private static final long BASE = 0x9E3779B97F4A7C15L;

    private final long[] powers; // BASE^0 .. BASE^longest

    /** For parts of at most {@code longest} bytes. */
    RollingHash(int longest) {
        powers = new long[longest + 1];
        powers[0] = 1;
        for (int i = 1; i <= longest; i++) {
            powers[i] = powers[i - 1] * BASE;
        }
    }

    static long append(long hash, byte value) {
        return hash * BASE + (value & 0xFF) + 1;
    }

    static long of(byte[] text, int from, int to) {
        long hash = 0;
        for (int i = from; i < to; i++) {
            hash = append(hash, text[i]);
        }
        return hash;
    }

    /** Fills prefixes[i], i from 0 to {@code to - from}, with the hash of the first i bytes of text[from, to). */
    static void prefixes(byte[] text, int from, int to, long[] prefixes) {
        long hash = 0;
        prefixes[0] = 0;
        for (int i = from; i < to; i++) {
            hash = append(hash, text[i]);
            prefixes[i - from + 1] = hash;
        }
    }

    /** The hash of bytes [from, to) of a text whose prefixes have these hashes. */
    long part(long[] prefixes, int from, int to) {
        return prefixes[to] - prefixes[from] * powers[to - from];
    }

    int longest() {
        return powers.length - 1;
    }

    /** Spreads a hash over all 64 bits, so that any of them make a table index. */
    static long mix(long hash) {
        long mixed = (hash ^ hash >>> 32) * 0xD6E8FEB86659FD93L;
        return mixed ^ mixed >>> 32;
    }
}
