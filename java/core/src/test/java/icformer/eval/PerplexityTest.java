package icformer.eval;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.assertj.core.api.Assertions.withinPercentage;

import icformer.KvType;
import icformer.Model;
import icformer.Session;
import icformer.SessionOptions;
import icformer.TestData;
import icformer.error.IcfException;
import icformer.error.Status;
import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PerplexityTest {
    private static final SessionOptions ONE_THREAD =
            SessionOptions.defaults().withThreads(1).withKvType(KvType.F32);

    @Test
    void computesMeanAndErrorOfThreePredictions() {
        // probabilities 1/2, 1/4 and 1/8: the mean of their logarithms is that of 1/4
        Perplexity.Sum sum = new Perplexity.Sum();
        sum.add(Math.log(2));
        sum.add(Math.log(4));
        sum.add(Math.log(8));
        Perplexity result = sum.result(1);
        assertThat(result.perplexity()).isCloseTo(4, within(1e-12));
        // variance 2/3 · ln²2, over n - 1 = 2
        assertThat(result.error()).isCloseTo(4 * Math.log(2) * Math.sqrt(1.0 / 3), within(1e-12));
        assertThat(result.tokens()).isEqualTo(3);
    }

    @Test
    void knowsNoErrorOfOnePrediction() {
        Perplexity.Sum sum = new Perplexity.Sum();
        sum.add(1);
        assertThat(sum.result(1)).isEqualTo(new Perplexity(Math.E, 0, 1, 1));
    }

    @Test
    void takesLogarithmsOfLargeLogits() {
        float[] logits = {1000, (float) (1000 + Math.log(3)), -1000};
        assertThat(LogProbabilities.negative(logits, 0)).isCloseTo(Math.log(4), within(1e-4));
        assertThat(LogProbabilities.negative(logits, 1)).isCloseTo(Math.log(4.0 / 3), within(1e-4));
        assertThat(LogProbabilities.negative(logits, 2)).isCloseTo(2000 + Math.log(4), within(1e-4));
    }

    @Test
    void predictsEveryRowOfTheSecondHalf() throws IOException {
        int[] tokens = tokens(24);
        try (Model model = Model.open(TestData.LLM)) {
            Perplexity result = Perplexity.of(model, tokens, TextWindows.of(8), ONE_THREAD, (done, total) -> {});
            Perplexity.Sum expected = new Perplexity.Sum();
            for (int start = 0; start < 24; start += 8) {
                int[] window = Arrays.copyOfRange(tokens, start, start + 8);
                window[0] = model.tokenizer().bos().orElseThrow();
                for (int row = 4; row < 7; row++) {
                    expected.add(LogProbabilities.negative(
                            lastLogits(model, Arrays.copyOf(window, row + 1)), window[row + 1]));
                }
            }
            assertThat(result.tokens()).isEqualTo(9);
            assertThat(result.windows()).isEqualTo(3);
            assertThat(result.perplexity())
                    .isCloseTo(expected.result(3).perplexity(), withinPercentage(100 * TestData.rounding(1e-5)));
            assertThat(result.error())
                    .isCloseTo(expected.result(3).error(), withinPercentage(100 * TestData.rounding(1e-5)));
        }
    }

    @Test
    void predictsEveryTokenOnceWithAStride() throws IOException {
        int[] tokens = tokens(20);
        try (Model model = Model.open(TestData.LLM)) {
            Perplexity result =
                    Perplexity.of(model, tokens, TextWindows.of(8).withStride(3), ONE_THREAD, (done, total) -> {});
            assertThat(result.windows()).isEqualTo(4);
            assertThat(result.tokens()).isEqualTo(12);
        }
    }

    @ParameterizedTest
    @CsvSource({"600, 300", "700, 350"})
    void dividesALongWindowIntoBatches(int context, int first) throws IOException {
        try (Model model = Model.open(TestData.LLM);
                LogitRows rows = new LogitRows(model, context, ONE_THREAD)) {
            int[] window = tokens(context);
            int[] seen = new int[context];
            rows.run(window, first, (logits, next) -> seen[++seen[0]] = next);
            assertThat(seen[0]).isEqualTo(context - 1 - first);
            assertThat(Arrays.copyOfRange(seen, 1, seen[0] + 1))
                    .isEqualTo(Arrays.copyOfRange(window, first + 1, context));
        }
    }

    @Test
    void dividesAText() {
        int[] tokens = IntStream.range(0, 11).toArray();
        assertThat(TextWindows.of(4).divide(tokens, 99))
                .containsExactlyElementsOf(List.of(new int[] {99, 1, 2, 3}, new int[] {99, 5, 6, 7}));
        assertThat(TextWindows.of(4).withStride(2).withLimit(3).divide(tokens, -1))
                .containsExactlyElementsOf(
                        List.of(new int[] {0, 1, 2, 3}, new int[] {2, 3, 4, 5}, new int[] {4, 5, 6, 7}));
    }

    @Test
    void wantsTwoWindowsOfText() {
        assertThatThrownBy(() -> TextWindows.of(8).divide(new int[15], -1))
                .isInstanceOfSatisfying(
                        IcfException.class, e -> assertThat(e.status()).isEqualTo(Status.ARGUMENT))
                .hasMessage("the text has 15 tokens, but windows of 8 need at least 16");
        assertThatThrownBy(() -> TextWindows.of(1)).isInstanceOf(IcfException.class);
        assertThatThrownBy(() -> TextWindows.of(8).withStride(8)).isInstanceOf(IcfException.class);
    }

    private static int[] tokens(int count) {
        return IntStream.range(0, count).map(i -> 3 + i * 37 % 250).toArray();
    }

    private static float[] lastLogits(Model model, int[] tokens) {
        float[] logits = new float[model.info().vocabularySize()];
        try (Session session = model.openSession(ONE_THREAD.withContextLength(tokens.length))) {
            session.append(tokens);
            session.logits(logits);
        }
        return logits;
    }
}
