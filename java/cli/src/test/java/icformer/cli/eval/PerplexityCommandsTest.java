package icformer.cli.eval;

import static org.assertj.core.api.Assertions.assertThat;

import icformer.cli.Cli;
import icformer.convert.Quantizer;
import icformer.files.TensorType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Commands {@code eval perplexity} and {@code compare}. */
class PerplexityCommandsTest {
    @TempDir
    private Path folder;

    private String text = "";

    @BeforeEach
    void writeText() throws IOException {
        text = Files.writeString(folder.resolve("text.txt"), Cli.CONTEXT).toString();
    }

    @Test
    void perplexityIsALineOrAnObject() throws IOException {
        assertThat(Cli.runModel("eval", "perplexity", "--text", text, "--ctx", "32")
                        .output())
                .matches("perplexity [\\d.]+ \\+/- [\\d.]+ over \\d+ tokens in \\d+ windows of 32\n");

        Map<String, ?> json = Cli.runModel(
                        "eval", "perplexity", "--text", text, "--ctx", "32", "--windows", "2", "--json")
                .json();
        assertThat(json).containsKeys("perplexity", "error", "model", "model_type");
        assertThat(json.get("tokens")).isEqualTo(30L); // rows 16 to 30 of both windows
        assertThat(json.get("windows")).isEqualTo(2L);
        assertThat((double) json.get("perplexity")).isGreaterThan(1);
    }

    @Test
    void aTextTooShortIsTold() {
        assertThat(Cli.runModel("eval", "perplexity", "--text", text, "--ctx", "500")
                        .failure())
                .contains("but windows of 500 need at least 1000");
        assertThat(Cli.runModel("eval", "perplexity", "--text", text, "--ctx", "8", "--stride", "8")
                        .failure())
                .contains("--stride is 8, but must be 0 to 7");
        assertThat(Cli.run("eval").usage()).contains("say what to measure: answers or perplexity");
        assertThat(Cli.runModel("eval", "perplexity").usage()).contains("--text");
    }

    @Test
    void comparesAModelWithItself() throws IOException {
        String model = Cli.MODEL.toString();
        assertThat(Cli.run("compare", model, model, "--text", text, "--ctx", "32", "--threads", "1")
                        .output())
                .startsWith("KL divergence  mean 0.000000 +/- 0.000000, median 0.000000, max 0.000000\n"
                        + "same top token 100.000 %\nA  perplexity ");
    }

    @Test
    void comparesAModelWithItsQuantisation() throws IOException {
        Path quantised = folder.resolve("q4_0.gguf");
        Quantizer.quantize(Cli.MODEL, quantised, Quantizer.Options.of(TensorType.of("q4_0")));
        Map<String, ?> json = Cli.run(
                        "compare",
                        Cli.MODEL.toString(),
                        quantised.toString(),
                        "--text",
                        text,
                        "--ctx",
                        "32",
                        "--threads",
                        "1",
                        "--json")
                .json();
        Map<?, ?> divergence = (Map<?, ?>) json.get("kl_divergence");
        assertThat((double) divergence.get("mean")).isGreaterThan(0);
        assertThat((double) divergence.get("max")).isGreaterThanOrEqualTo((double) divergence.get("median"));
        assertThat((double) json.get("same_top")).isBetween(0.0, 1.0);
        assertThat(json.get("a")).isNotEqualTo(json.get("b"));
    }
}
