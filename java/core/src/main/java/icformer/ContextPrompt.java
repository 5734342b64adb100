package icformer;

import icformer.error.IcfException;
import icformer.error.Status;
import icformer.metadata.Metadata;
import icformer.text.Tokenizer;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
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
    private final int[] before;
    private final String questionPrefix;
    private final int[] after;
    private final @Nullable MemorySegment ft;
    private final @Nullable MemorySegment ae;

    private ContextPrompt(Digester digester, Tokenizer tokenizer, Texts texts) {
        this.tokenizer = tokenizer;
        this.before = tokenizer.encode(texts.before(), false, true);
        this.questionPrefix = texts.question();
        this.after = tokenizer.encode(texts.after(), false, true);
        this.ft = digester.info().hasFt() ? digester.marker(Marker.FT, Arena.ofAuto()) : null;
        this.ae = digester.info().hasAe() ? digester.marker(Marker.AE, Arena.ofAuto()) : null;
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

    /** The tokens of a context's text, for {@link Digester#digest(int[])} and {@link #append(Session, int[], String)}. */
    public int[] encodeContext(String text) {
        return tokenizer.encode(text, false, false);
    }

    /** Positions that {@link #append(Session, Digest, String)} takes. */
    public long length(Digest digest, String question) {
        return before.length + digest.rowCount() + (ft == null ? 0 : 1) + tail(question).length;
    }

    /** Positions that {@link #append(Session, int[], String)} takes. */
    public long length(int[] context, String question) {
        return (long) before.length + context.length + tail(question).length;
    }

    /** Appends the prompt with a digest and keeps the logits of the last row, from which the answer is generated. */
    public void append(Session session, Digest digest, String question) {
        checkRoom(session, length(digest, question));
        if (before.length > 0) {
            session.append(before, Outputs.NONE);
        }
        int[] tail = tail(question);
        session.append(digest, ft == null && tail.length == 0 ? Outputs.LAST : Outputs.NONE);
        if (ft != null) {
            session.append(ft, RowType.F32, 1, tail.length == 0 ? Outputs.LAST : Outputs.NONE);
        }
        if (tail.length > 0) {
            session.append(tail);
        }
    }

    /** Appends the prompt with the context itself in the place of digest rows and marker, for comparison. */
    public void append(Session session, int[] context, String question) {
        checkRoom(session, length(context, question));
        session.append(concatenate(before, context, tail(question)));
    }

    /**
     * Appends the prompt after which the context itself is to be reproduced, {@code [digest rows, AE]}, and keeps the logits
     * of the last row. Formers are trained for this with contexts that begin as every sequence does:
     * {@link Tokenizer#encode(String)}.
     *
     * @throws IcfException of status UNSUPPORTED if the former has no marker AE
     */
    public void appendForReconstruction(Session session, Digest digest) {
        if (ae == null) {
            throw new IcfException(Status.UNSUPPORTED, "the former has no marker AE: it was not trained to reproduce contexts");
        }
        checkRoom(session, digest.rowCount() + 1);
        session.append(digest, Outputs.NONE);
        session.append(ae, RowType.F32, 1);
    }

    /** Question and {@code after}, each tokenised on its own. */
    private int[] tail(String question) {
        return concatenate(tokenizer.encode(questionPrefix + question, false, false), after);
    }

    private static int[] concatenate(int[]... parts) {
        return Stream.of(parts).flatMapToInt(IntStream::of).toArray();
    }

    /** All or nothing: a prompt that does not fit is refused before its first part is appended. */
    private static void checkRoom(Session session, long length) {
        long room = session.info().contextLength() - session.length();
        if (length > room) {
            throw new IcfException(
                    Status.CAPACITY,
                    "the prompt takes %d positions, but only %d of the session's %d are free"
                            .formatted(length, room, session.info().contextLength()));
        }
    }
}
