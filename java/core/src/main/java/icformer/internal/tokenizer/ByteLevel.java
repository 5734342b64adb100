package icformer.internal.tokenizer;

import icformer.internal.base.ByteStrings;
import java.util.Arrays;

/**
 * The alphabet of byte-level BPE (GPT-2): a letter for each byte. Printable bytes of Latin-1 stand for themselves, the
 * others for U+0100, U+0101 and so on in their order.
 */
final class ByteLevel {
    private static final byte[] BYTES = new byte[256 + 68];
    private static final boolean[] LETTERS = new boolean[256 + 68];

    static {
        int other = 256;
        for (int value = 0; value < 256; value++) {
            boolean printable = value >= '!' && value <= '~' || value >= 0xA1 && value <= 0xFF && value != 0xAD;
            int letter = printable ? value : other++;
            BYTES[letter] = (byte) value;
            LETTERS[letter] = true;
        }
    }

    private ByteLevel() {}

    /** Whether a character is the letter of a byte. */
    private static boolean isLetter(int character) {
        return character < LETTERS.length && LETTERS[character];
    }

    /**
     * Puts the bytes that the letters text[from, to), in UTF-8, stand for.
     *
     * @return false, and nothing is put, if there is a character that is no letter
     */
    static boolean decode(byte[] text, int from, int to, ByteStrings.Builder bytes) {
        for (int at = from; at < to; ) {
            int character = text[at++];
            if (character < 0) {
                // All letters beyond ASCII have two bytes.
                character = at < to ? (character & 0x3F) << 6 | text[at++] & 0x3F : Integer.MAX_VALUE;
                if ((text[at - 2] & 0xE0) != 0xC0) {
                    character = Integer.MAX_VALUE;
                }
            }
            if (!isLetter(character)) {
                bytes.drop();
                return false;
            }
            bytes.put(BYTES[character]);
        }
        return true;
    }

    /** The strings that the letters of each text stand for; empty where a text holds a character that is no letter. */
    static ByteStrings decode(ByteStrings texts) {
        ByteStrings.Builder bytes = new ByteStrings.Builder(texts.size());
        for (int i = 0; i < texts.size(); i++) {
            decode(texts.bytes(), texts.start(i), texts.end(i), bytes);
            bytes.end();
        }
        return bytes.build();
    }

    /** The bytes that the letters of a text stand for; empty where it holds a character that is no letter. */
    static byte[] decode(byte[] text) {
        ByteStrings.Builder bytes = new ByteStrings.Builder(1);
        decode(text, 0, text.length, bytes);
        bytes.end();
        return Arrays.copyOf(bytes.build().bytes(), bytes.build().length(0));
    }
}
