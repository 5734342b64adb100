package icformer.text;

import icformer.internal.base.Checks;
import icformer.internal.tokenizer.Tokens;
import icformer.internal.tokenizer.Vocabulary;
import java.nio.charset.StandardCharsets;
import java.util.OptionalInt;

/** What both kinds of tokenizers have in common: all but how a text is divided. */
abstract sealed class VocabularyTokenizer implements Tokenizer permits BytePairTokenizer, SentencePieceTokenizer {
    private final Tokens tokens;
    private final Vocabulary vocabulary;

    VocabularyTokenizer(Tokens tokens) {
        this.tokens = tokens;
        this.vocabulary = tokens.vocabulary();
    }

    @Override
    public int vocabularySize() {
        return vocabulary.size();
    }

    @Override
    public int[] encode(byte[] text, boolean addSpecial, boolean parseSpecial) {
        return tokens.encode(text, addSpecial, parseSpecial);
    }

    @Override
    public byte[] piece(int id) {
        return tokens.piece(check(id));
    }

    @Override
    public boolean addsSpace() {
        return tokens.addsSpace();
    }

    @Override
    public boolean addsBos() {
        return vocabulary.addsBos();
    }

    @Override
    public boolean addsEos() {
        return vocabulary.addsEos();
    }

    @Override
    public OptionalInt bos() {
        return optional(vocabulary.bos());
    }

    @Override
    public OptionalInt eos() {
        return optional(vocabulary.eos());
    }

    @Override
    public OptionalInt eot() {
        return optional(vocabulary.eot());
    }

    @Override
    public OptionalInt unknown() {
        return optional(vocabulary.unknown());
    }

    @Override
    public OptionalInt padding() {
        return optional(vocabulary.padding());
    }

    @Override
    public OptionalInt id(String text) {
        return optional(tokens.find(text.getBytes(StandardCharsets.UTF_8)));
    }

    @Override
    public boolean isEndOfGeneration(int id) {
        return vocabulary.isEndOfGeneration(check(id));
    }

    @Override
    public boolean isControl(int id) {
        return vocabulary.isControl(check(id));
    }

    private int check(int id) {
        Checks.argument(
                id >= 0 && id < vocabulary.size(), "token %d is not within 0 and %d", id, vocabulary.size() - 1);
        return id;
    }

    private static OptionalInt optional(int id) {
        return id == Vocabulary.NONE ? OptionalInt.empty() : OptionalInt.of(id);
    }
}
