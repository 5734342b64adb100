package icformer.eval;

import icformer.Model;
import icformer.SessionOptions;
import icformer.error.IcfException;
import icformer.error.Status;
import icformer.text.Tokenizer;
import java.util.List;

/**
 * How well a model predicts a text: the exponential of the mean negative log-likelihood of its tokens, computed as
 * llama-perplexity computes it, so that the figures can be compared.
 *
 * @param perplexity {@code exp(mean(-ln p(token | tokens before it)))}
 * @param error standard error of the perplexity, by the variance of the log-likelihoods: {@code perplexity ·
 *     sqrt((mean(x²) - mean(x)²) / (n - 1))}; 0 for fewer than two predictions
 * @param tokens predictions that count
 * @param windows windows that were computed
 */
public record Perplexity(double perplexity, double error, long tokens, int windows) {

    /** Is told of progress, on the computing thread. An exception it throws ends the computation. */
    @FunctionalInterface
    public interface Progress {
        /**
         * Called after every window.
         *
         * @param done windows that are computed
         * @param total all windows
         */
        void onWindow(int done, int total);
    }

    /**
     * Computes the perplexity of a text. A session and the logits of a batch are the memory it takes, however long the text
     * is.
     *
     * @param tokens the text, with the tokens around it that the vocabulary wants
     * @param options of the session that computes; its lengths are chosen by the windows
     * @throws icformer.error.IcfException of status ARGUMENT if the text does not fill two windows
     */
    public static Perplexity of(
            Model model, int[] tokens, TextWindows windows, SessionOptions options, Progress progress) {
        List<int[]> divided = windows.divide(tokens, bos(model));
        Sum sum = new Sum();
        try (LogitRows rows = new LogitRows(model, windows.context(), options)) {
            for (int i = 0; i < divided.size(); i++) {
                rows.run(
                        divided.get(i),
                        windows.firstRow(),
                        (logits, next) -> sum.add(LogProbabilities.negative(logits, next)));
                progress.onWindow(i + 1, divided.size());
            }
        }
        return sum.result(divided.size());
    }

    /** The token that begins each window; -1 where the vocabulary wants none. */
    static int bos(Model model) {
        Tokenizer tokenizer = model.tokenizer();
        return tokenizer.addsBos() ? tokenizer.bos().orElse(-1) : -1;
    }

    /** Negative log-likelihoods, summed up. */
    static final class Sum {
        private long count;
        private double sum;
        private double squares;

        void add(double negativeLogLikelihood) {
            count++;
            sum += negativeLogLikelihood;
            squares += negativeLogLikelihood * negativeLogLikelihood;
        }

        Perplexity result(int windows) {
            if (Double.isNaN(sum)) {
                throw new IcfException(
                        Status.STATE,
                        "the model's logits are not numbers: its weights are damaged, and there is no perplexity");
            }
            double mean = sum / count;
            double variance = squares / count - mean * mean;
            double perplexity = Math.exp(mean);
            double error = count > 1 && variance > 0 ? perplexity * Math.sqrt(variance / (count - 1)) : 0;
            return new Perplexity(perplexity, error, count, windows);
        }
    }
}
