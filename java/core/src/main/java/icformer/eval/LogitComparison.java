package icformer.eval;

import icformer.Model;
import icformer.ModelInfo;
import icformer.SessionOptions;
import icformer.error.IcfException;
import icformer.error.Status;
import java.util.Arrays;
import java.util.List;

/**
 * How far the predictions of two models with the same vocabulary are apart over a text, such as a model and its
 * quantisation. Distributions are compared in nats, that of the first model being the true one: {@code KL(A ‖ B)}.
 *
 * @param meanDivergence mean of the Kullback-Leibler divergences
 * @param divergenceError its standard error
 * @param medianDivergence their median
 * @param maxDivergence the largest of them
 * @param sameTop share of the rows for which both models hold the same token for the likeliest, 0 to 1
 * @param first perplexity of the first model
 * @param second perplexity of the second model
 */
public record LogitComparison(
        double meanDivergence,
        double divergenceError,
        double medianDivergence,
        double maxDivergence,
        double sameTop,
        Perplexity first,
        Perplexity second) {

    /**
     * Compares two models over a text, window by window; the logits of one window of the first model are kept meanwhile.
     *
     * @param tokens the text, with the tokens around it that the vocabulary wants
     * @param options of the sessions that compute; their lengths are chosen by the windows
     * @throws IcfException of status MISMATCH if the vocabularies differ; ARGUMENT if the text does not fill two windows
     */
    public static LogitComparison of(
            Model first,
            Model second,
            int[] tokens,
            TextWindows windows,
            SessionOptions options,
            Perplexity.Progress progress) {
        checkVocabularies(first.info(), second.info());
        List<int[]> divided = windows.divide(tokens, Perplexity.bos(first));
        Rows sum = new Rows(
                windows.context() - 1 - windows.firstRow(), first.info().vocabularySize(), divided.size());
        try (LogitRows rowsOfFirst = new LogitRows(first, windows.context(), options);
                LogitRows rowsOfSecond = new LogitRows(second, windows.context(), options)) {
            for (int i = 0; i < divided.size(); i++) {
                sum.nextWindow();
                rowsOfFirst.run(divided.get(i), windows.firstRow(), sum::addFirst);
                rowsOfSecond.run(divided.get(i), windows.firstRow(), sum::addSecond);
                progress.onWindow(i + 1, divided.size());
            }
        }
        return sum.result(divided.size());
    }

    private static void checkVocabularies(ModelInfo first, ModelInfo second) {
        if (first.vocabularySize() != second.vocabularySize() || first.vocabularyHash() != second.vocabularyHash()) {
            throw new IcfException(
                    Status.MISMATCH,
                    "'%s' and '%s' have different vocabularies, so that their predictions cannot be compared"
                            .formatted(first.name(), second.name()));
        }
    }

    /** Compares row by row. */
    static final class Rows {
        private final float[][] window; // rows of the first model [rows, vocabulary]
        private final double[] divergences;
        private final Perplexity.Sum first = new Perplexity.Sum();
        private final Perplexity.Sum second = new Perplexity.Sum();
        private int filled;
        private int compared;
        private int count;
        private long same;

        Rows(int rowsOfWindow, int vocabulary, int windows) {
            this.window = new float[rowsOfWindow][vocabulary];
            this.divergences = new double[Math.multiplyExact(rowsOfWindow, windows)];
        }

        void nextWindow() {
            filled = 0;
            compared = 0;
        }

        void addFirst(float[] logits, int next) {
            System.arraycopy(logits, 0, window[filled++], 0, logits.length);
            first.add(LogProbabilities.negative(logits, next));
        }

        void addSecond(float[] logits, int next) {
            float[] other = window[compared++];
            second.add(LogProbabilities.negative(logits, next));
            divergences[count++] = LogProbabilities.divergence(other, logits);
            same += LogProbabilities.largest(other) == LogProbabilities.largest(logits) ? 1 : 0;
        }

        LogitComparison result(int windows) {
            double[] sorted = Arrays.copyOf(divergences, count);
            Arrays.sort(sorted);
            double mean = Arrays.stream(sorted).sum() / count;
            double variance = Arrays.stream(sorted)
                            .map(each -> (each - mean) * (each - mean))
                            .sum()
                    / count;
            double median = (sorted[(count - 1) / 2] + sorted[count / 2]) / 2;
            return new LogitComparison(
                    mean,
                    count > 1 ? Math.sqrt(variance / (count - 1)) : 0,
                    median,
                    sorted[count - 1],
                    (double) same / count,
                    first.result(windows),
                    second.result(windows));
        }
    }
}
