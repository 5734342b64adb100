package icformer;

import icformer.text.Tokenizer;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Tokens that are generated as they are pulled; to cancel, stop pulling.
 *
 * <p>A token is appended to the session when the one after it is asked for, so that it can be shown before the next one is
 * computed. Once the stream has ended, the session holds every token that it gave, except after
 * {@link FinishReason#CONTEXT_FULL} the last one; the token that ended the generation is neither given nor appended. Until
 * then the session must not be changed by others.
 */
public final class TokenStream implements Iterator<Token> {
    private final Session session;
    private final Sampling sampling;
    private final int limit;
    private final Tokenizer tokenizer;
    private final Tokenizer.Decoder decoder;

    private int count;
    private int lastId;
    private @Nullable Token next;
    private @Nullable FinishReason finishReason;

    TokenStream(Session session, Sampling sampling, int limit, Tokenizer tokenizer) {
        this.session = session;
        this.sampling = sampling;
        this.limit = limit;
        this.tokenizer = tokenizer;
        this.decoder = tokenizer.newDecoder();
    }

    @Override
    public boolean hasNext() {
        if (next == null && finishReason == null) {
            advance();
        }
        return next != null;
    }

    @Override
    public Token next() {
        if (!hasNext()) {
            throw new NoSuchElementException("the stream has ended");
        }
        Token token = Objects.requireNonNull(next);
        next = null;
        return token;
    }

    /** Appends the token that was given last, and draws the next one. */
    private void advance() {
        if (count > 0) {
            if (session.length() == session.info().contextLength()) {
                finishReason = FinishReason.CONTEXT_FULL;
                return;
            }
            session.append(lastId);
        }
        if (count == limit) {
            finishReason = FinishReason.LIMIT;
            return;
        }
        int id = session.sample(sampling);
        if (tokenizer.isEndOfGeneration(id)) {
            finishReason = FinishReason.END_OF_GENERATION;
            return;
        }
        lastId = id;
        count++;
        next = new Token(id, decoder.push(id));
    }

    /** How many tokens were generated so far. */
    public int count() {
        return count;
    }

    /** Why the stream ended; empty until it has. */
    public Optional<FinishReason> finishReason() {
        return Optional.ofNullable(finishReason);
    }

    /** What the last tokens began and did not finish: replacement characters where the stream ended inside of a character. */
    public String remainder() {
        return decoder.flush();
    }

    /** Pulls the rest of the stream: its text. */
    public String text() {
        StringBuilder text = new StringBuilder();
        while (hasNext()) {
            text.append(next().text());
        }
        return text.append(remainder()).toString();
    }
}
