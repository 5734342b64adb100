package icformer;

import icformer.error.IcfException;
import icformer.error.Status;
import icformer.text.BytePairTokenizer;
import icformer.text.Tokenizer;
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
    private final Former former;
    private final Tokenizer tokenizer;
    private final Prompt before;
    private final String questionPrefix;
    private final Prompt after;
    private final boolean spaceBeforeAnswer;
    private final @Nullable Prompt ft;
    private final @Nullable Prompt ae;

    private ContextPrompt(Former former, Tokenizer tokenizer, PromptTexts texts) {
        this.former = former;
        this.tokenizer = tokenizer;
        this.before = Prompt.of(tokenizer.encode(texts.before(), false, true));
        this.questionPrefix = texts.question();
        this.after = Prompt.of(tokenizer.encode(texts.after(), false, true));
        this.spaceBeforeAnswer = tokenizer instanceof BytePairTokenizer && endsInWord(texts.after());
        this.ft = former.marker(Marker.FT).map(Prompt::ofRow).orElse(null);
        this.ae = former.marker(Marker.AE).map(Prompt::ofRow).orElse(null);
    }

    /** The prompt of a former, for the LLM that the tokenizer belongs to. */
    public static ContextPrompt of(Former former, Tokenizer tokenizer) {
        return new ContextPrompt(former, tokenizer, former.promptTexts().orElse(PromptTexts.NONE));
    }

    /**
     * The prompt of a former for an LLM; that of a former which names none is made with the LLM's chat template, where it
     * has one.
     *
     * @throws IcfException as {@link ChatTemplate#of(icformer.metadata.Metadata)} does for a template that cannot be used
     */
    public static ContextPrompt of(Former former, Model model) {
        boolean useTemplate = former.promptTexts().isEmpty() && ChatTemplate.isIn(model.metadata());
        return useTemplate
                ? new ContextPrompt(former, model.tokenizer(), PromptTexts.of(ChatTemplate.of(model.metadata())))
                : of(former, model.tokenizer());
    }

    /** The prompt of a digester's former. It may be used on after the digester is closed. */
    public static ContextPrompt of(Digester digester, Tokenizer tokenizer) {
        return of(digester.former(), tokenizer);
    }

    /** The prompt of a digester's former for an LLM, as {@link #of(Former, Model)} makes it. */
    public static ContextPrompt of(Digester digester, Model model) {
        return of(digester.former(), model);
    }

    /** The tokens of a context's text, for {@link Digester#digest(int[])} and {@link #with(int[], String)}. */
    public int[] encodeContext(String text) {
        return tokenizer.encode(text, false, false);
    }

    private static boolean endsInWord(String text) {
        return !text.isEmpty() && !Character.isWhitespace(text.codePointBefore(text.length()));
    }

    /**
     * The tokens of an answer behind the prompt. Behind a text that ends without white space, an answer in a byte-level
     * vocabulary begins with a space: there it belongs to the word that follows it.
     */
    public int[] encodeAnswer(String text) {
        boolean space = spaceBeforeAnswer && !text.isEmpty() && !Character.isWhitespace(text.codePointAt(0));
        return tokenizer.encode(space ? " " + text : text, false, false);
    }

    /** The prompt with a digest; the former's reader is on, where it brings one. */
    public Prompt with(Digest digest, String question) {
        return front(digest).then(question(question));
    }

    /** What stands before the question, {@code [before, digest rows, FT]}: the same for all questions about a context. */
    public Prompt front(Digest digest) {
        Prompt rows = before.then(Prompt.of(digest)).readBy(former);
        return ft == null ? rows : rows.then(ft);
    }

    /** What stands before the question where the context itself is read: {@code [before, context]}. */
    public Prompt front(int[] context) {
        return before.then(context);
    }

    /** The prompt with the context itself in the place of digest rows and marker, for comparison. */
    public Prompt with(int[] context, String question) {
        return front(context).then(question(question));
    }

    /**
     * The prompt after which the context itself is to be reproduced, {@code [digest rows, AE]}. Formers are trained for this
     * with contexts that begin as every sequence does: {@link Tokenizer#encode(String)}.
     *
     * @throws IcfException of status UNSUPPORTED if the former has no marker AE
     */
    public Prompt forReconstruction(Digest digest) {
        if (ae == null) {
            throw new IcfException(
                    Status.UNSUPPORTED, "the former has no marker AE: it was not trained to reproduce contexts");
        }
        return Prompt.of(digest).then(ae).readBy(former);
    }

    /** What follows the context: question and {@code after}, each tokenised on its own. */
    public Prompt question(String question) {
        return Prompt.of(tokenizer.encode(questionPrefix + question, false, false))
                .then(after);
    }
}
