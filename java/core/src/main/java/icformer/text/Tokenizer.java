package icformer.text;

import icformer.error.IcfException;
import icformer.error.Status;
import icformer.internal.tokenizer.Utf8;
import icformer.metadata.Metadata;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.OptionalInt;

/**
 * Text to tokens and back, with the vocabulary of a GGUF file and the results of llama.cpp.
 *
 * <p>A tokenizer is immutable: any number of threads may use it at once, also after the file it came from is closed.
 *
 * <p><b>Special tokens.</b> Control tokens such as {@code <s>} or {@code <|im_end|>} come out of a text only where
 * {@code parseSpecial} is asked for, which is for prompts written by the program, never for text of others. Tokens that the
 * file calls user-defined are always recognised.
 *
 * <p><b>Bytes.</b> Texts may be given as bytes that are not valid UTF-8. A SentencePiece vocabulary with byte tokens keeps
 * them; byte-level BPE reads each of them as U+FFFD. Tokens may end inside of a character: see {@link Decoder}.
 */
public sealed interface Tokenizer permits VocabularyTokenizer {

    /**
     * The tokenizer of a file, by its keys {@code tokenizer.ggml.*}.
     *
     * @throws IcfException of status FORMAT if keys are missing or contradict each other, such as a vocabulary with the same
     *     token twice or a special token out of its range; UNSUPPORTED if the kind of tokenizer, or its way to cut a text
     *     into words, is not implemented
     */
    static Tokenizer of(Metadata metadata) {
        String model = metadata.text("tokenizer.ggml.model");
        return switch (model) {
            case "llama" -> new SentencePieceTokenizer(metadata);
            case "gpt2" -> new BytePairTokenizer(metadata);
            default ->
                throw new IcfException(
                        Status.UNSUPPORTED,
                        "the tokenizer '" + model
                                + "' is not known; known are llama (SentencePiece) and gpt2 (byte-level BPE)");
        };
    }

    /** Number of tokens: ids are 0 to {@code vocabularySize() - 1}. */
    int vocabularySize();

    /** The tokens of a text on its own: with the special tokens around it that the vocabulary wants, and none within. */
    default int[] encode(String text) {
        return encode(text, true, false);
    }

    /**
     * The tokens of a text.
     *
     * @param text an unpaired surrogate in it counts as a question mark
     * @param addSpecial put the token of the beginning of a sequence before it and that of the end behind it, each where the
     *     vocabulary says so
     * @param parseSpecial take the texts of control tokens for these tokens
     */
    default int[] encode(String text, boolean addSpecial, boolean parseSpecial) {
        return encode(text.getBytes(StandardCharsets.UTF_8), addSpecial, parseSpecial);
    }

    /** {@link #encode(String, boolean, boolean)} of a text in UTF-8, at most 512 MiB of it. */
    int[] encode(byte[] text, boolean addSpecial, boolean parseSpecial);

    /**
     * The text of a sequence without its control tokens. {@code decode(encode(text))} is {@code text}, but for the space that
     * a SentencePiece vocabulary gets behind user-defined tokens, and for U+2581, which is its space.
     */
    default String decode(int... ids) {
        return decode(ids, false);
    }

    /**
     * The text of a sequence from its beginning on. Bytes that are no valid UTF-8 become U+FFFD; a space that encoding put
     * before the text is taken away again.
     *
     * @param showControl give control tokens as their texts instead of leaving them out
     */
    default String decode(int[] ids, boolean showControl) {
        Decoder decoder = newDecoder(true, showControl);
        return decoder.push(ids) + decoder.flush();
    }

    /** The bytes that a token adds to a text; of a control token its own text. */
    byte[] piece(int id);

    /** A decoder of tokens that continue a text, such as generated ones: nothing is taken away, control tokens are left out. */
    default Decoder newDecoder() {
        return newDecoder(false, false);
    }

    /**
     * A decoder of tokens that come one by one.
     *
     * @param beginsText whether they are the beginning of a text, so that a space that encoding put there is taken away
     * @param showControl give control tokens as their texts instead of leaving them out
     */
    default Decoder newDecoder(boolean beginsText, boolean showControl) {
        return new Decoder(this, beginsText && addsSpace(), showControl);
    }

    /** Whether encoding puts a space before the beginning of a text and behind special tokens. */
    boolean addsSpace();

    /** Whether encoding with {@code addSpecial} puts {@link #bos()} before a text. */
    boolean addsBos();

    /** Whether encoding with {@code addSpecial} puts {@link #eos()} behind a text. */
    boolean addsEos();

    /** The token of the beginning of a sequence. */
    OptionalInt bos();

    /** The token of the end of a sequence. */
    OptionalInt eos();

    /** The token of the end of a turn. */
    OptionalInt eot();

    /** The token of what the vocabulary cannot express. */
    OptionalInt unknown();

    /** The token that fills up sequences. */
    OptionalInt padding();

    /** The token whose text in the vocabulary is exactly this, such as {@code <|im_start|>}. */
    OptionalInt id(String text);

    /** Whether a model that draws this token has come to an end: of the sequence, its turn or its message. */
    boolean isEndOfGeneration(int id);

    /** Whether a token has a meaning instead of a text: decoding leaves it out unless asked to show it. */
    boolean isControl(int id);

    /**
     * Tokens to text, as they come. A character whose bytes are spread over tokens is given with the token that completes
     * it. For one thread.
     */
    final class Decoder {
        private static final byte[] NOTHING = {};

        private final Tokenizer tokenizer;
        private final boolean showControl;
        private boolean dropsSpace;
        private byte[] pending = NOTHING; // the beginning of a character, at most 3 bytes

        private Decoder(Tokenizer tokenizer, boolean dropsSpace, boolean showControl) {
            this.tokenizer = tokenizer;
            this.dropsSpace = dropsSpace;
            this.showControl = showControl;
        }

        /**
         * Takes the next tokens.
         *
         * @return the whole characters that they complete; U+FFFD for bytes that no more bytes can make valid
         */
        public String push(int... ids) {
            ByteArrayOutputStream bytes = new ByteArrayOutputStream();
            bytes.writeBytes(pending);
            for (int id : ids) {
                write(id, bytes);
            }
            byte[] text = bytes.toByteArray();
            int whole = text.length - Utf8.unfinished(text, text.length);
            pending = whole == text.length ? NOTHING : Arrays.copyOfRange(text, whole, text.length);
            return new String(text, 0, whole, StandardCharsets.UTF_8);
        }

        private void write(int id, ByteArrayOutputStream bytes) {
            byte[] piece = tokenizer.piece(id);
            if (tokenizer.isControl(id)) {
                if (showControl) {
                    bytes.writeBytes(piece);
                }
                return;
            }
            int from = dropsSpace && piece.length > 0 && piece[0] == ' ' ? 1 : 0;
            dropsSpace &= piece.length == 0;
            bytes.write(piece, from, piece.length - from);
        }

        /** Ends the text: what is left is the beginning of a character that never came, U+FFFD, or nothing. */
        public String flush() {
            String rest = new String(pending, StandardCharsets.UTF_8);
            pending = NOTHING;
            return rest;
        }
    }
}
