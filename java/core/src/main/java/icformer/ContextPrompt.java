package icformer;

import icformer.error.IcfException;
import icformer.error.Status;
import icformer.metadata.Metadata;
import icformer.text.Tokenizer;
import java.lang.foreign.Arena;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The prompt that a former was fine-tuned with: {@code [before, digest rows, FT, question, after]}. The texts are those of
 * its file: {@code icformer.prompt.before}, {@code icformer.prompt.question} (which stands before the question), and
 * {@code icformer.prompt.after}.
 *
 * <p>Each text is tokenised on its own, without an automatic token at its beginning. Special tokens are recognised in
 * {@code before} and {@code after} alone: a question or a context cannot smuggle any in.
 */
public final class ContextPrompt {
    /** The texts around digest and question. */
    record Texts(String before, String question, String after) {
        private static final String BEFORE = "icformer.prompt.before";
        private static final String QUESTION = "icformer.prompt.question";
        private static final String AFTER = "icformer.prompt.after";

        // Stand-ins for what goes between the texts. No tokenizer sees them.
        private static final String CONTEXT_HERE = "\uE000context\uE000";
        private static final String QUESTION_HERE = "\uE000question\uE000";

        static boolean areIn(Metadata metadata) {
            return metadata.contains(BEFORE) || metadata.contains(QUESTION) || metadata.contains(AFTER);
        }

        static Texts of(Metadata metadata) {
            return new Texts(metadata.text(BEFORE, ""), metadata.text(QUESTION, ""), metadata.text(AFTER, ""));
        }

        /** A user's message of the context, an empty line and the question. */
        static Texts of(ChatTemplate template) {
            String text = template.apply(List.of(ChatMessage.user(CONTEXT_HERE + "\n\n" + QUESTION_HERE)), true);
            int context = text.indexOf(CONTEXT_HERE);
            int question = text.indexOf(QUESTION_HERE);
            if (context < 0 || question < context) {
                throw new IcfException(
                        Status.UNSUPPORTED, "the model's chat template does not give a message back as it is");
            }
            return new Texts(
                    text.substring(0, context),
                    text.substring(context + CONTEXT_HERE.length(), question),
                    text.substring(question + QUESTION_HERE.length()));
        }
    }

    private final Tokenizer tokenizer;
    private final Prompt before;
    private final String questionPrefix;
    private final Prompt after;
    private final @Nullable Prompt ft;
    private final @Nullable Prompt ae;

    private ContextPrompt(Digester digester, Tokenizer tokenizer, Texts texts) {
        this.tokenizer = tokenizer;
        this.before = Prompt.of(tokenizer.encode(texts.before(), false, true));
        this.questionPrefix = texts.question();
        this.after = Prompt.of(tokenizer.encode(texts.after(), false, true));
        this.ft = digester.info().hasFt() ? Prompt.ofRow(digester.marker(Marker.FT, Arena.ofAuto())) : null;
        this.ae = digester.info().hasAe() ? Prompt.ofRow(digester.marker(Marker.AE, Arena.ofAuto())) : null;
    }

    /** The prompt of a former, for the LLM that the tokenizer belongs to. It may be used on after the digester is closed. */
    public static ContextPrompt of(Digester digester, Tokenizer tokenizer) {
        return new ContextPrompt(digester, tokenizer, Texts.of(digester.metadata()));
    }

    /**
     * The same for an LLM; the prompt of a former that names none is made with the LLM's chat template, where it has one.
     *
     * @throws IcfException as {@link ChatTemplate#of(Metadata)} does for a template that cannot be used
     */
    public static ContextPrompt of(Digester digester, Model model) {
        boolean useTemplate = !Texts.areIn(digester.metadata()) && ChatTemplate.isIn(model.metadata());
        Texts texts = useTemplate ? Texts.of(ChatTemplate.of(model.metadata())) : Texts.of(digester.metadata());
        return new ContextPrompt(digester, model.tokenizer(), texts);
    }

    /** The tokens of a context's text, for {@link Digester#digest(int[])} and {@link #with(int[], String)}. */
    public int[] encodeContext(String text) {
        return tokenizer.encode(text, false, false);
    }

    /** The prompt with a digest. */
    public Prompt with(Digest digest, String question) {
        Prompt rows = before.then(Prompt.of(digest));
        return (ft == null ? rows : rows.then(ft)).then(tail(question));
    }

    /** The prompt with the context itself in the place of digest rows and marker, for comparison. */
    public Prompt with(int[] context, String question) {
        return before.then(context).then(tail(question));
    }

    /**
     * The prompt after which the context itself is to be reproduced, {@code [digest rows, AE]}. Formers are trained for this
     * with contexts that begin as every sequence does: {@link Tokenizer#encode(String)}.
     *
     * @throws IcfException of status UNSUPPORTED if the former has no marker AE
     */
    public Prompt forReconstruction(Digest digest) {
        if (ae == null) {
            throw new IcfException(Status.UNSUPPORTED, "the former has no marker AE: it was not trained to reproduce contexts");
        }
        return Prompt.of(digest).then(ae);
    }

    /** Question and {@code after}, each tokenised on its own. */
    private Prompt tail(String question) {
        return Prompt.of(tokenizer.encode(questionPrefix + question, false, false)).then(after);
    }
}
