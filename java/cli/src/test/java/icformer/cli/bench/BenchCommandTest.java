package icformer.cli.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import icformer.DigesterInfo;
import icformer.DigesterOptions;
import icformer.Model;
import icformer.ModelInfo;
import icformer.Outputs;
import icformer.Session;
import icformer.cli.Cli;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** bench, and what it counts. */
class BenchCommandTest {
    /** The former of the paper: 607 million parameters. */
    private static final DigesterInfo PAPER = new DigesterInfo(
            "",
            "q8_0",
            4096,
            3,
            32,
            32,
            11008,
            128,
            512,
            1,
            true,
            true,
            1,
            0,
            DigesterOptions.Method.FAST,
            0,
            0,
            0,
            0,
            0);

    @TempDir
    private Path folder;

    @Test
    void measuresAPairOfFiles() throws IOException {
        List<?> results = (List<?>) Cli.runPair("bench", "--runs", "2", "--warm-up", "0", "--n", "8", "--json")
                .json()
                .get("results");
        assertThat(results)
                .extracting(result -> String.valueOf(((Map<?, ?>) result).get("name")))
                .containsExactly(
                        "compress",
                        "compress_cold",
                        "compress_plain",
                        "compress_self_attention",
                        "prefill",
                        "decode",
                        "first_token",
                        "first_token_full");
        for (Object each : results) {
            Map<?, ?> result = (Map<?, ?>) each;
            assertThat(result.get("n")).isEqualTo(8L);
            assertThat(result.get("threads")).isEqualTo(1L);
            assertThat(result.get("runs")).isEqualTo(2L);
            assertThat((List<?>) result.get("samples_ms"))
                    .hasSize(result.get("name").equals("decode") ? 16 : 2);
            double least = ((Number) result.get("min_ms")).doubleValue();
            double median = ((Number) result.get("median_ms")).doubleValue();
            double most = ((Number) result.get("max_ms")).doubleValue();
            assertThat(least).isPositive().isLessThanOrEqualTo(median);
            assertThat(most).isGreaterThanOrEqualTo(median);
            assertThat(((Number) result.get("per_second")).doubleValue()).isPositive();
            assertThat(((Number) result.get("gflops")).doubleValue()).isPositive();
        }
    }

    @Test
    void printsATableAndCommaSeparatedValues() {
        String[] table = Cli.runModel("bench", "--runs", "1", "--n", "4", "--only", "prefill,decode")
                .output()
                .split("\n");
        assertThat(table).hasSize(3);
        assertThat(table[1]).startsWith("prefill ").contains("lm-f32.gguf", "f32");
        String[] lines = Cli.runModel("bench", "--runs", "1", "--n", "4", "--only", "prefill", "--csv")
                .output()
                .split("\n");
        assertThat(lines).hasSize(2);
        assertThat(lines[0].split(",")).hasSameSizeAs(lines[1].split(",")).startsWith("name", "shape", "type", "n");
        assertThat(lines[1]).startsWith("prefill,lm-f32.gguf,f32,4,");
    }

    @Test
    void makesAPairOnTheSpot() throws IOException {
        Cli.run(
                        "bench",
                        "--shape",
                        "demo",
                        "--type",
                        "q4_0",
                        "--former-type",
                        "f16",
                        "--keep",
                        folder.toString(),
                        "--n",
                        "8",
                        "--runs",
                        "1",
                        "--only",
                        "compress",
                        "--threads",
                        "1")
                .output();
        Path model = folder.resolve("llm-demo-q4_0.gguf");
        assertThat(folder.resolve("former-demo-f16.gguf")).exists();
        long written = Files.getLastModifiedTime(model).toMillis();
        try (Model llm = Model.open(model);
                Session session = llm.openSession()) {
            ModelInfo info = llm.info();
            assertThat(info.type()).isEqualTo("q4_0");
            assertThat(info.width()).isEqualTo(128);
            assertThat(llm.tokenizer().decode(llm.tokenizer().encode("t17"))).contains("t17");
            session.append(new int[] {700, 800}, Outputs.LAST);
            float[] logits = new float[info.vocabularySize()];
            session.logits(logits);
            for (float logit : logits) {
                assertThat(logit).isFinite();
            }
        }
        Cli.run(
                        "bench",
                        "--shape",
                        "demo",
                        "--type",
                        "q4_0",
                        "--keep",
                        folder.toString(),
                        "--n",
                        "2",
                        "--runs",
                        "1",
                        "--only",
                        "decode",
                        "--threads",
                        "1")
                .output();
        assertThat(Files.getLastModifiedTime(model).toMillis()).isEqualTo(written);
    }

    @Test
    void saysWhatCannotBeMeasured() {
        assertThat(Cli.runModel("bench", "--only", "compress").failure()).contains("--former");
        assertThat(Cli.run("bench", "--only", "speed").usage()).contains("nothing named speed", "compress_cold");
        assertThat(Cli.run("bench", "--shape", "70b").usage()).contains("no shape 70b");
        assertThat(Cli.run("bench", "--shape", "demo", "--type", "q4_K", "--only", "decode")
                        .failure())
                .contains("q4_K", "384");
        assertThat(Cli.runModel("bench", "--shape", "demo").usage()).contains("--model");
        assertThat(Cli.run("bench", "--runs", "0").usage()).contains("--runs");
        assertThat(Cli.run("bench", "--csv", "--json").usage()).contains("--csv");
    }

    /** The figures of the reference, in G multiply-adds: 131.26 for 512 tokens, 64.4 with a full table. */
    @Test
    void countsTheWorkOfTheReference() {
        assertThat(BenchWork.plainChunk(PAPER, 512) * 1e-9).isCloseTo(131.26, within(0.01));
        assertThat(BenchWork.fastChunk(PAPER, 512) * 1e-9).isCloseTo(64.49, within(0.01));
        assertThat(BenchWork.contributions(PAPER, 512) * 1e-9).isCloseTo(51.54, within(0.01));
    }

    @Test
    void medianOfAnEvenNumberOfSamplesLiesBetweenThem() {
        BenchResult result =
                new BenchResult("prefill", "demo", "q8_0", 512, 512, 1, 512, 1_000_000, List.of(4.0, 1.0, 2.0, 8.0), 4);
        assertThat(result.median()).isEqualTo(3.0);
        assertThat(result.columns()).containsEntry("per_second", 170667.0).containsEntry("gflops", 0.666667);
    }
}
