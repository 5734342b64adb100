package icformer.internal.tokenizer;

import static java.nio.charset.StandardCharsets.UTF_8;

import icformer.internal.base.ByteStrings;
import icformer.metadata.Metadata;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;

/**
 * A vocabulary of byte-level BPE: a text is cut into words, and in each word the pair of byte strings that comes first in
 * the list of merges is merged, again and again. Texts of the file, spelled in {@link ByteLevel} letters, are kept as the
 * bytes they stand for.
 */
public final class BytePairTokens extends Tokens {
    private final PreTokenizer preTokenizer;
    private final ByteStrings bytes; // by token; empty for texts with other characters: no bytes become them
    private final ByteStringIndex index; // of `bytes`
    private final Map<String, Integer> others; // the tokens with other characters
    private final MergeRanks ranks;
    private final RollingHash hash;

    /** Reads the keys of {@code tokenizer.ggml.model = gpt2}. */
    public BytePairTokens(Metadata metadata) {
        this(metadata, PreTokenizer.named(metadata.text("tokenizer.ggml.pre", "default")));
    }

    private BytePairTokens(Metadata metadata, PreTokenizer preTokenizer) {
        super(new Vocabulary(metadata, Vocabulary.NONE, Vocabulary.NONE, Vocabulary.NONE, preTokenizer.addsBos()));
        this.preTokenizer = preTokenizer;
        bytes = ByteLevel.decode(vocabulary().texts());
        index = vocabulary().index(bytes);
        others = others();
        ranks = new MergeRanks(Vocabulary.list(metadata, "merges"));
        hash = new RollingHash(Math.max(vocabulary().longest(), ranks.longest()));
    }

    private Map<String, Integer> others() {
        Map<String, Integer> known = new HashMap<>();
        for (int id = 0; id < bytes.size(); id++) {
            if (bytes.length(id) == 0) {
                Integer first = known.putIfAbsent(vocabulary().text(id), id);
                Vocabulary.require(
                        first == null,
                        "tokens " + first + " and " + id + " are both '"
                                + vocabulary().text(id) + "'");
            }
        }
        return known;
    }

    @Override
    void encode(byte[] text, int from, int to, boolean afterSpecial, IntList tokens) {
        int[] points = Utf8.codePoints(text, from, to);
        Encoder encoder = new Encoder(Utf8.encode(points), tokens);
        IntList words = preTokenizer.split(points);
        int begin = 0;
        int start = 0;
        for (int i = 0; i < words.size(); i++) {
            int end = start;
            for (int point = begin; point < words.get(i); point++) {
                end += Utf8.encodedLength(points[point]);
            }
            encoder.word(start, end);
            begin = words.get(i);
            start = end;
        }
    }

    @Override
    byte[] normalPiece(int id) {
        return bytes.length(id) > 0 ? bytes.copy(id) : vocabulary().texts().copy(id);
    }

    @Override
    public int find(byte[] text) {
        byte[] decoded = ByteLevel.decode(text);
        return decoded.length > 0 ? index.find(decoded) : others.getOrDefault(new String(text, UTF_8), Vocabulary.NONE);
    }

    @Override
    public boolean addsSpace() {
        return false;
    }

    private final class Encoder extends MergeEncoder {
        Encoder(byte[] text, IntList tokens) {
            super(text, tokens, hash);
        }

        private int find(int from, int to) {
            return longerThanAny(from, to) ? ByteStringIndex.NONE : index.find(text, from, to, hash(from, to));
        }

        @Override
        boolean wholeWord(int from, int to) {
            int id = preTokenizer.ignoresMerges() ? find(from, to) : ByteStringIndex.NONE;
            if (id != ByteStringIndex.NONE) {
                tokens.add(id);
            }
            return id != ByteStringIndex.NONE;
        }

        @Override
        int priority(int from, int middle, int to) {
            if (longerThanAny(from, to)) {
                return NEVER;
            }
            int rank = ranks.find(text, from, middle, to, hash(from, middle), hash(middle, to));
            return rank == MergeRanks.NONE ? NEVER : rank;
        }

        @Override
        int firstSymbol(int from, int to) {
            return 1;
        }

        @Override
        void symbol(int from, int to) {
            int id = find(from, to);
            if (id != ByteStringIndex.NONE) {
                tokens.add(id);
                return;
            }
            // A vocabulary that lacks the token of a merge, or of a byte: the letters within ASCII are looked up,
            // others lost.
            for (int at = from; at < to; at++) {
                int letter = text[at] > ' ' && text[at] < 0x7F ? index.find(Arrays.copyOfRange(text, at, at + 1)) : -1;
                if (letter != ByteStringIndex.NONE) {
                    tokens.add(letter);
                }
            }
        }
    }
}
