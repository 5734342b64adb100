package icformer;

import icformer.error.IcfException;
import icformer.error.Status;
import icformer.metadata.Metadata;
import java.util.List;
import java.util.Optional;

/**
 * The texts around digest and question.
 *
 * @param before text before the digest
 * @param question text that is put before the question
 * @param after text behind the question
 */
record PromptTexts(String before, String question, String after) {
    static final PromptTexts NONE = new PromptTexts("", "", "");

    private static final String BEFORE = "icformer.prompt.before";
    private static final String QUESTION = "icformer.prompt.question";
    private static final String AFTER = "icformer.prompt.after";

    // Stand-ins for what goes between the texts. No tokenizer sees them.
    private static final String CONTEXT_HERE = "\uE000context\uE000";
    private static final String QUESTION_HERE = "\uE000question\uE000";

    /** Those that a former's file names; empty where it names none. */
    static Optional<PromptTexts> in(Metadata metadata) {
        boolean named = metadata.contains(BEFORE) || metadata.contains(QUESTION) || metadata.contains(AFTER);
        return named
                ? Optional.of(new PromptTexts(
                        metadata.text(BEFORE, ""), metadata.text(QUESTION, ""), metadata.text(AFTER, "")))
                : Optional.empty();
    }

    /** A user's message of the context, an empty line and the question. */
    static PromptTexts of(ChatTemplate template) {
        String text = template.apply(List.of(ChatMessage.user(CONTEXT_HERE + "\n\n" + QUESTION_HERE)), true);
        int context = text.indexOf(CONTEXT_HERE);
        int question = text.indexOf(QUESTION_HERE);
        if (context < 0 || question < context) {
            throw new IcfException(
                    Status.UNSUPPORTED, "the model's chat template does not give a message back as it is");
        }
        return new PromptTexts(
                text.substring(0, context),
                text.substring(context + CONTEXT_HERE.length(), question),
                text.substring(question + QUESTION_HERE.length()));
    }
}
