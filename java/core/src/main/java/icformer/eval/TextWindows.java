package icformer.eval;

import icformer.internal.base.Checks;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * How a text is divided into windows of a model's context, as llama-perplexity divides it: the logits of a window's second half,
 * so that every prediction has at least half a window before it, or of its last {@code stride} positions.
 *
 * @param context positions of a window; at least 2
 * @param stride 0: windows follow one another, and rows from {@code context / 2} on count; else windows begin every
 *     {@code stride} tokens, and the last {@code stride} predictions count, so that each token is predicted once
 * @param limit most windows; 0 for as many as the text fills
 */
public record TextWindows(int context, int stride, int limit) {

    public TextWindows {
        Checks.argument(context >= 2, "context is %d, but must be 2 or more", context);
        Checks.argument(
                stride >= 0 && stride < context,
                "stride is %d, but must be 0 to %d, below the context",
                stride,
                context - 1);
        Checks.argument(limit >= 0, "limit is %d, but must be 0 or more", limit);
    }

    /** Windows of {@code context} positions that follow one another. */
    public static TextWindows of(int context) {
        return new TextWindows(context, 0, 0);
    }

    /** The same with windows that overlap. */
    public TextWindows withStride(int stride) {
        return new TextWindows(context, stride, limit);
    }

    /** The same, over the first windows of a text only. */
    public TextWindows withLimit(int limit) {
        return new TextWindows(context, stride, limit);
    }

    /** First row of a window whose prediction counts. */
    int firstRow() {
        return stride == 0 ? context / 2 : context - stride - 1;
    }

    /**
     * The windows of a text.
     *
     * @param tokens the text, with the tokens around it that the vocabulary wants
     * @param bos what takes the place of a window's first token; negative to leave it
     * @throws icformer.error.IcfException of status ARGUMENT if the text does not fill two windows
     */
    List<int[]> divide(int[] tokens, int bos) {
        Checks.argument(
                tokens.length >= 2L * context,
                "the text has %d tokens, but windows of %d need at least %d",
                tokens.length,
                context,
                2L * context);
        int step = stride == 0 ? context : stride;
        int count = stride == 0 ? tokens.length / context : Math.ceilDiv(tokens.length - context, stride);
        List<int[]> windows = new ArrayList<>();
        for (int i = 0; i < (limit == 0 ? count : Math.min(count, limit)); i++) {
            int[] window = Arrays.copyOfRange(tokens, i * step, i * step + context);
            if (bos >= 0) {
                window[0] = bos;
            }
            windows.add(window);
        }
        return windows;
    }
}
