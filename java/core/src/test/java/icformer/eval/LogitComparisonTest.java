package icformer.eval;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import icformer.KvType;
import icformer.Model;
import icformer.SessionOptions;
import icformer.TestData;
import icformer.convert.Quantizer;
import icformer.error.IcfException;
import icformer.error.Status;
import icformer.files.TensorType;
import java.io.IOException;
import java.nio.file.Path;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LogitComparisonTest {
    private static final SessionOptions ONE_THREAD =
            SessionOptions.defaults().withThreads(1).withKvType(KvType.F32);

    @TempDir
    private Path folder;

    @Test
    void computesADivergence() {
        // p = (1/2, 1/2), q = (1/4, 3/4): 1/2 · ln 2 + 1/2 · ln 2/3 = ln(2/√3)
        float[] p = {7, 7};
        float[] q = {-2, (float) (Math.log(3) - 2)};
        assertThat(LogProbabilities.divergence(p, q)).isCloseTo(Math.log(2 / Math.sqrt(3)), within(1e-6));
        // the other way round: 1/4 · ln 1/2 + 3/4 · ln 3/2
        assertThat(LogProbabilities.divergence(q, p))
                .isCloseTo(0.25 * Math.log(0.5) + 0.75 * Math.log(1.5), within(1e-6));
        assertThat(LogProbabilities.divergence(p, p)).isZero();
    }

    @Test
    void sumsUpRows() {
        float ln3 = (float) Math.log(3);
        LogitComparison.Rows rows = new LogitComparison.Rows(2, 2, 1);
        rows.nextWindow();
        rows.addFirst(new float[] {0, 0}, 0);
        rows.addFirst(new float[] {0, ln3}, 1);
        rows.addSecond(new float[] {0, ln3}, 0); // diverges by ln(2/√3), and its top is another one
        rows.addSecond(new float[] {0, ln3}, 1); // the same
        LogitComparison result = rows.result(1);
        double divergence = Math.log(2 / Math.sqrt(3));
        assertThat(result.meanDivergence()).isCloseTo(divergence / 2, within(1e-6));
        assertThat(result.divergenceError()).isCloseTo(divergence / 2, within(1e-6)); // both lie that far from the mean
        assertThat(result.medianDivergence()).isCloseTo(divergence / 2, within(1e-6));
        assertThat(result.maxDivergence()).isCloseTo(divergence, within(1e-6));
        assertThat(result.sameTop()).isEqualTo(0.5);
        assertThat(result.first().perplexity()).isCloseTo(Math.sqrt(2 * 4.0 / 3), within(1e-6));
        assertThat(result.second().perplexity()).isCloseTo(Math.sqrt(4 * 4.0 / 3), within(1e-6));
    }

    @Test
    void findsAModelEqualToItselfAndNotToItsQuantisation() throws IOException {
        Path quantised = folder.resolve("q8_0.gguf");
        Quantizer.quantize(TestData.LLM, quantised, Quantizer.Options.of(TensorType.of("q8_0")));
        int[] tokens = IntStream.range(0, 64).map(i -> 3 + i * 37 % 250).toArray();
        try (Model model = Model.open(TestData.LLM);
                Model other = Model.open(quantised)) {
            LogitComparison same =
                    LogitComparison.of(model, model, tokens, TextWindows.of(16), ONE_THREAD, (done, total) -> {});
            assertThat(same.maxDivergence()).isZero();
            assertThat(same.sameTop()).isEqualTo(1);
            assertThat(same.first()).isEqualTo(same.second());

            LogitComparison near =
                    LogitComparison.of(model, other, tokens, TextWindows.of(16), ONE_THREAD, (done, total) -> {});
            assertThat(near.first()).isEqualTo(same.first());
            assertThat(near.meanDivergence()).isGreaterThan(0).isLessThan(0.1);
            assertThat(near.medianDivergence()).isGreaterThan(0).isLessThanOrEqualTo(near.maxDivergence());
        }
    }

    @Test
    void refusesAnotherVocabulary() throws IOException {
        try (Model llama = Model.open(TestData.LLM);
                Model qwen = Model.open(TestData.fixture("decoder-qwen2.gguf"))) {
            assertThatThrownBy(() -> LogitComparison.of(
                            llama, qwen, new int[64], TextWindows.of(16), ONE_THREAD, (done, total) -> {}))
                    .isInstanceOfSatisfying(
                            IcfException.class, e -> assertThat(e.status()).isEqualTo(Status.MISMATCH));
        }
    }
}
