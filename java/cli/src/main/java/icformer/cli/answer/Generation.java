package icformer.cli.answer;

import icformer.FinishReason;
import icformer.Sampling;
import icformer.Session;
import icformer.Token;
import icformer.TokenStream;
import icformer.cli.console.Streams;
import java.util.Locale;
import java.util.Map;

/**
 * A generated text and how long it took.
 *
 * @param text without white space around it
 * @param tokens number of tokens
 * @param firstTokenNanos from the start that the caller gave to the first token, or to the end where none came
 * @param decodeNanos from the first token to the last one
 * @param reason why it ended
 */
record Generation(String text, int tokens, long firstTokenNanos, long decodeNanos, FinishReason reason) {

    /**
     * Generates and prints text as it comes.
     *
     * @param session whose last append kept logits
     * @param start {@link System#nanoTime} from which the first token is timed
     * @param shown whether to print it
     */
    static Generation run(Session session, Sampling sampling, int limit, long start, Streams streams, boolean shown) {
        TokenStream stream = session.generate(sampling, limit);
        StringBuilder text = new StringBuilder();
        long first = 0;
        long last = 0;
        while (stream.hasNext()) {
            Token token = stream.next();
            last = System.nanoTime();
            first = first == 0 ? last : first;
            append(text, token.text(), streams, shown);
        }
        append(text, stream.remainder(), streams, shown);
        if (shown) {
            streams.print("\n");
        }
        long end = first == 0 ? System.nanoTime() : first;
        FinishReason reason = stream.finishReason().orElseThrow();
        return new Generation(text.toString().strip(), stream.count(), end - start, last - first, reason);
    }

    /** White space before the first word belongs to the prompt's end, and is not shown. */
    private static void append(StringBuilder text, String piece, Streams streams, boolean shown) {
        String added = text.isEmpty() ? piece.stripLeading() : piece;
        text.append(added);
        if (shown && !added.isEmpty()) {
            streams.print(added);
        }
    }

    /** Tokens a second behind the first one; 0 where there is none. */
    double tokensPerSecond() {
        return decodeNanos == 0 ? 0 : (tokens - 1) * 1e9 / decodeNanos;
    }

    /** Adds what is told about it in JSON. */
    void describe(Map<String, Object> json) {
        json.put("first_token_ms", millis(firstTokenNanos));
        json.put("tokens", tokens);
        json.put("tokens_per_second", Math.round(tokensPerSecond() * 100) / 100.0);
        json.put("finish_reason", reason.name().toLowerCase(Locale.ROOT));
    }

    /** Milliseconds, to the microsecond. */
    static double millis(long nanos) {
        return Math.round(nanos / 1e3) / 1e3;
    }
}
