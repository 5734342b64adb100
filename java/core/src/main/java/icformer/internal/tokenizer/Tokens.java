package icformer.internal.tokenizer;

import icformer.error.IcfException;
import icformer.error.Status;

/** A vocabulary and the way into it and out of it: what is left to a tokenizer is its public face. Immutable. */
public abstract class Tokens {
    private static final int LONGEST_TEXT = 1 << 29; // bytes, so that no array of an encoding can outgrow an int

    private final Vocabulary vocabulary;
    private final SpecialTokens special;

    Tokens(Vocabulary vocabulary) {
        this.vocabulary = vocabulary;
        this.special = vocabulary.specialTokens();
    }

    public final Vocabulary vocabulary() {
        return vocabulary;
    }

    /**
     * The tokens of a text.
     *
     * @param addSpecial put BOS before and EOS behind it where the vocabulary says so
     * @param parseSpecial take the texts of control tokens for these tokens
     */
    public final int[] encode(byte[] text, boolean addSpecial, boolean parseSpecial) {
        if (text.length > LONGEST_TEXT) {
            throw new IcfException(
                    Status.ARGUMENT, "a text of " + text.length + " bytes is longer than " + LONGEST_TEXT + " bytes");
        }
        IntList tokens = new IntList(text.length / 4 + 16);
        if (addSpecial && vocabulary.addsBos()) {
            tokens.add(vocabulary.bos());
        }
        encode(text, parseSpecial, tokens);
        if (addSpecial && vocabulary.addsEos()) {
            tokens.add(vocabulary.eos());
        }
        return tokens.toArray();
    }

    private void encode(byte[] text, boolean parseSpecial, IntList tokens) {
        special.partition(text, text.length, parseSpecial, new SpecialTokens.Sink() {
            private boolean afterSpecial = true;

            @Override
            public void special(int id) {
                tokens.add(id);
                afterSpecial = true;
            }

            @Override
            public void text(int from, int to) {
                encode(text, from, to, afterSpecial, tokens);
                afterSpecial = false;
            }
        });
    }

    /**
     * Appends the tokens of text[from, to), which holds no special token.
     *
     * @param afterSpecial whether nothing or a special token is before it
     */
    abstract void encode(byte[] text, int from, int to, boolean afterSpecial, IntList tokens);

    /** What a token stands for: bytes of a text, which may end inside of a character. Control tokens have their text. */
    public final byte[] piece(int id) {
        if (vocabulary.isLiteral(id)) {
            return vocabulary.texts().copy(id);
        }
        if (vocabulary.isNormal(id)) {
            return normalPiece(id);
        }
        return vocabulary.isByte(id) ? new byte[] {vocabulary.byteOf(id)} : new byte[0];
    }

    abstract byte[] normalPiece(int id);

    /** The token whose text is exactly this, as the vocabulary spells it; {@link Vocabulary#NONE}. */
    public abstract int find(byte[] text);

    /** Whether encoding puts a space before a text, so that decoding has to take it away. */
    public abstract boolean addsSpace();
}
