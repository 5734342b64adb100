package icformer.internal.tokenizer;

import static java.nio.charset.StandardCharsets.US_ASCII;

import icformer.error.IcfException;
import icformer.error.Status;
import icformer.internal.base.ByteStrings;
import icformer.metadata.Metadata;
import java.util.Arrays;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.Set;

/**
 * A SentencePiece vocabulary: characters are merged into the token of the highest score; what is left over becomes tokens
 * of single bytes. Spaces are U+2581 in it.
 */
public final class SentencePieceTokens extends Tokens {
    private static final byte[] SPACE = {(byte) 0xE2, (byte) 0x96, (byte) 0x81}; // U+2581

    private final boolean addsSpace;
    private final ByteStringIndex index;
    private final RollingHash hash;
    private final int[] priorities; // by token: the lower the higher its score
    private final int[] bytes; // the token of a byte, or NONE
    private final Set<Integer> beforeSpace; // characters that a token holds before a space

    /** Reads the keys of {@code tokenizer.ggml.model = llama}. */
    public SentencePieceTokens(Metadata metadata) {
        super(new Vocabulary(metadata, 1, 2, 0, true));
        addsSpace = metadata.bool("tokenizer.ggml.add_space_prefix", true);
        index = vocabulary().index(vocabulary().texts());
        hash = new RollingHash(vocabulary().longest());
        priorities = priorities(metadata, vocabulary().size());
        bytes = new int[256];
        for (int value = 0; value < 256; value++) {
            bytes[value] = tokenOfByte(value);
        }
        beforeSpace = beforeSpace(vocabulary().texts());
    }

    private static int[] priorities(Metadata metadata, int count) {
        Vocabulary.require(metadata.contains("tokenizer.ggml.scores"), "the file has no tokenizer.ggml.scores");
        double[] scores = metadata.numbers("tokenizer.ggml.scores");
        Vocabulary.require(
                scores.length >= count,
                "tokenizer.ggml.scores has " + scores.length + " elements for " + count + " tokens");
        int[] priorities = new int[count];
        for (int id = 0; id < count; id++) {
            float score = (float) scores[id];
            Vocabulary.require(!Float.isNaN(score), "the score of token " + id + " is not a number");
            int bits = Float.floatToIntBits(0f - score); // the lower the better; 0 and -0 become one
            priorities[id] = bits >= 0 ? bits : bits ^ 0x7FFFFFFF; // in the order of the floats
        }
        return priorities;
    }

    private int tokenOfByte(int value) {
        String text = "<0x" + HexFormat.of().withUpperCase().toHexDigits((byte) value) + ">";
        int id = index.find(text.getBytes(US_ASCII));
        return id != ByteStringIndex.NONE ? id : index.find(new byte[] {(byte) value});
    }

    private static Set<Integer> beforeSpace(ByteStrings texts) {
        Set<Integer> before = new HashSet<>();
        byte[] bytes = texts.bytes();
        for (int id = 0; id < texts.size(); id++) {
            if (holdsSpaceBehindOther(bytes, texts.start(id), texts.end(id))) {
                addBeforeSpace(bytes, texts.start(id), texts.end(id), before);
            }
        }
        return before;
    }

    private static boolean holdsSpaceBehindOther(byte[] text, int from, int to) {
        int at = from;
        while (isSpace(text, at, to)) {
            at += 3;
        }
        for (; at < to; at++) {
            if (isSpace(text, at, to)) {
                return true;
            }
        }
        return false;
    }

    private static void addBeforeSpace(byte[] text, int from, int to, Set<Integer> before) {
        int last = from;
        for (int at = from; at < to; at += symbolLength(text, at, to)) {
            if (at > from && isSpace(text, at, to) && !isSpace(text, last, to)) {
                before.add(value(text, last, at));
            }
            last = at;
        }
    }

    private static int symbolLength(byte[] text, int at, int to) {
        return Math.min(Utf8.length(text[at]), to - at);
    }

    private static boolean isSpace(byte[] text, int at, int to) {
        return to - at >= 3 && text[at] == SPACE[0] && text[at + 1] == SPACE[1] && text[at + 2] == SPACE[2];
    }

    /** The bytes of a symbol as one number. */
    private static int value(byte[] text, int from, int to) {
        int value = 0;
        for (int at = from; at < to; at++) {
            value = value << 8 | text[at] & 0xFF;
        }
        return value;
    }

    @Override
    void encode(byte[] text, int from, int to, boolean afterSpecial, IntList tokens) {
        Encoder encoder = new Encoder(escape(text, from, to, addsSpace && afterSpecial), tokens);
        encoder.encode();
    }

    private static byte[] escape(byte[] text, int from, int to, boolean prefix) {
        int spaces = prefix ? 1 : 0;
        for (int at = from; at < to; at++) {
            spaces += text[at] == ' ' ? 1 : 0;
        }
        byte[] escaped = new byte[to - from + 2 * spaces + (prefix ? 1 : 0)];
        int size = 0;
        if (prefix) {
            size = space(escaped, size);
        }
        for (int at = from; at < to; at++) {
            if (text[at] == ' ') {
                size = space(escaped, size);
            } else {
                escaped[size++] = text[at];
            }
        }
        return escaped;
    }

    private static int space(byte[] escaped, int size) {
        System.arraycopy(SPACE, 0, escaped, size, 3);
        return size + 3;
    }

    @Override
    byte[] normalPiece(int id) {
        byte[] text = vocabulary().texts().copy(id);
        byte[] piece = new byte[text.length];
        int size = 0;
        for (int at = 0; at < text.length; ) {
            boolean space = isSpace(text, at, text.length);
            piece[size++] = space ? (byte) ' ' : text[at];
            at += space ? 3 : 1;
        }
        return Arrays.copyOf(piece, size);
    }

    @Override
    public int find(byte[] text) {
        return index.find(text);
    }

    @Override
    public boolean addsSpace() {
        return addsSpace;
    }

    private final class Encoder extends MergeEncoder {
        Encoder(byte[] text, IntList tokens) {
            super(text, tokens, hash);
        }

        /**
         * No token spans a character and a space behind it that no text of the vocabulary has in this order: what lies on
         * either side is merged on its own.
         */
        void encode() {
            int start = 0;
            int last = 0;
            for (int at = 0; at < text.length; at += firstSymbol(at, text.length)) {
                if (at > start
                        && isSpace(text, at, text.length)
                        && !isSpace(text, last, text.length)
                        && (beforeSpace.isEmpty() || !beforeSpace.contains(value(text, last, at)))) {
                    word(start, at);
                    start = at;
                }
                last = at;
            }
            word(start, text.length);
        }

        private int find(int from, int to) {
            return longerThanAny(from, to) ? ByteStringIndex.NONE : index.find(text, from, to, hash(from, to));
        }

        @Override
        int priority(int from, int middle, int to) {
            int id = find(from, to);
            return id == ByteStringIndex.NONE ? NEVER : priorities[id];
        }

        @Override
        int firstSymbol(int from, int to) {
            return symbolLength(text, from, to);
        }

        @Override
        void symbol(int from, int to) {
            int id = find(from, to);
            if (id != ByteStringIndex.NONE) {
                tokens.add(id);
                return;
            }
            for (int at = from; at < to; at++) {
                int ofByte = bytes[text[at] & 0xFF];
                tokens.add(ofByte != ByteStringIndex.NONE ? ofByte : unknown(text[at]));
            }
        }

        private int unknown(byte value) {
            if (vocabulary().unknown() == Vocabulary.NONE) {
                throw new IcfException(
                        Status.FORMAT,
                        "the vocabulary has neither a token for byte 0x%02X nor an unknown token"
                                .formatted(value & 0xFF));
            }
            return vocabulary().unknown();
        }
    }
}
