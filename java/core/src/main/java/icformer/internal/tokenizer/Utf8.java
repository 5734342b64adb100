package icformer.internal.tokenizer;

import java.util.Arrays;

/** UTF-8 as tokenisers need it: over bytes that need not be valid. */
public final class Utf8 {
    private static final int REPLACEMENT = 0xFFFD;
    private static final int INVALID = -1;

    private Utf8() {}

    /** Bytes of a character by its first byte alone, 1 for bytes that begin none. */
    static int length(byte first) {
        int value = first & 0xFF;
        return value < 0xC0 ? 1 : value < 0xE0 ? 2 : value < 0xF0 ? 3 : 4;
    }

    /** Bytes of the encoding of a code point. */
    static int encodedLength(int codePoint) {
        return codePoint < 0x80 ? 1 : codePoint < 0x800 ? 2 : codePoint < 0x10000 ? 3 : 4;
    }

    /**
     * The code points of a text, the way byte-level BPE reads it: surrogates count as what they encode; each byte of a
     * sequence that is cut short, longer than it need be, or beyond U+10FFFF is one U+FFFD.
     */
    static int[] codePoints(byte[] text, int from, int to) {
        int[] points = new int[to - from];
        int count = 0;
        for (int at = from; at < to; ) {
            int first = text[at];
            if (first >= 0) {
                points[count++] = first;
                at++;
                continue;
            }
            int length = length(text[at]);
            int point = point(text, at, length, to);
            points[count++] = point == INVALID ? REPLACEMENT : point;
            at += point == INVALID ? 1 : length;
        }
        return count == points.length ? points : Arrays.copyOf(points, count);
    }

    private static int point(byte[] text, int at, int length, int to) {
        int first = text[at] & 0xFF;
        if (length == 1 || first >= 0xF8 || at + length > to) {
            return INVALID;
        }
        int point = first & 0x7F >> length;
        for (int i = 1; i < length; i++) {
            if ((text[at + i] & 0xC0) != 0x80) {
                return INVALID;
            }
            point = point << 6 | text[at + i] & 0x3F;
        }
        return point <= Character.MAX_CODE_POINT && encodedLength(point) == length ? point : INVALID;
    }

    /** The code points' encodings one after the other; surrogates have three bytes each. */
    static byte[] encode(int[] points) {
        int size = 0;
        for (int point : points) {
            size = Math.addExact(size, encodedLength(point));
        }
        byte[] bytes = new byte[size];
        int at = 0;
        for (int point : points) {
            at = encode(point, bytes, at);
        }
        return bytes;
    }

    private static int encode(int point, byte[] bytes, int at) {
        int length = encodedLength(point);
        if (length == 1) {
            bytes[at] = (byte) point;
            return at + 1;
        }
        int rest = point;
        for (int i = length - 1; i > 0; i--) {
            bytes[at + i] = (byte) (0x80 | rest & 0x3F);
            rest >>= 6;
        }
        bytes[at] = (byte) (0xF00 >> length | rest);
        return at + length;
    }

    /**
     * How many bytes at the end of a text are the beginning of a character that more bytes can complete, 0 to 3. Decoding
     * what lies before them and, later, them with what follows, gives the same text as decoding all at once.
     */
    public static int unfinished(byte[] text, int length) {
        for (int back = 1; back <= Math.min(3, length); back++) {
            byte value = text[length - back];
            if ((value & 0xC0) != 0x80) {
                return length(value) > back && beginsCharacter(text, length - back, back) ? back : 0;
            }
        }
        return 0;
    }

    /**
     * Whether {@code count} bytes, a first one and continuation bytes, can be the beginning of a character. So can those of
     * a surrogate: the JDK replaces its three bytes at once.
     */
    private static boolean beginsCharacter(byte[] text, int at, int count) {
        int first = text[at] & 0xFF;
        if (first < 0xC2 || first > 0xF4) {
            return false;
        }
        if (count == 1) {
            return true;
        }
        int second = text[at + 1] & 0xFF;
        return switch (first) {
            case 0xE0 -> second >= 0xA0; // shorter forms exist below
            case 0xF0 -> second >= 0x90;
            case 0xF4 -> second < 0x90; // beyond U+10FFFF above
            default -> true;
        };
    }
}
