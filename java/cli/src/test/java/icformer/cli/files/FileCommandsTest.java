package icformer.cli.files;

import static org.assertj.core.api.Assertions.assertThat;

import icformer.Devices;
import icformer.cli.Cli;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** convert, quantize, info, tokenize and generate. */
class FileCommandsTest {
    private static final String CHECKPOINT = Cli.GOLDEN.resolve("icformer").toString();

    @TempDir
    private Path folder;

    @Test
    void convertsACheckpoint() throws IOException {
        Path out = folder.resolve("former.gguf");
        Map<String, @Nullable Object> json = Cli.run(
                        "convert",
                        CHECKPOINT,
                        "-o",
                        out.toString(),
                        "--type",
                        "Q8_0",
                        "--name",
                        "small",
                        "--chunk-length",
                        "64",
                        "--prompt-before",
                        "<s>\\tA\\\\n\\n",
                        "--json")
                .json();
        assertThat(json)
                .containsEntry("file", out.toString())
                .containsEntry("bytes", Files.size(out))
                .containsEntry("types", Map.of("f32", 13L, "q8_0", 21L));
        assertThat((List<?>) json.get("tensors")).hasSize(34);

        Map<String, @Nullable Object> info =
                Cli.run("info", out.toString(), "--json").json();
        assertThat(info)
                .containsEntry("architecture", "icformer")
                .containsEntry("name", "small")
                .containsEntry("bytes", Files.size(out));
        assertThat((Map<?, ?>) info.get("metadata")).satisfies(metadata -> {
            assertThat(metadata.get("icformer.chunk_length")).isEqualTo(64L);
            assertThat(metadata.get("icformer.prompt.before")).isEqualTo("<s>\tA\\n\n");
            assertThat(metadata.get("icformer.prompt.after")).isEqualTo("[/INST]");
            assertThat(metadata.get("icformer.attention.layer_norm_rms_epsilon"))
                    .isEqualTo(1e-6);
        });
    }

    @Test
    void existingFilesAreReplacedByForceAlone() throws IOException {
        Path out = Files.writeString(folder.resolve("former.gguf"), "mine");
        assertThat(Cli.run("convert", CHECKPOINT, "-o", out.toString()).failure())
                .isEqualTo("icf convert: " + out + ": exists already; --force replaces it");
        assertThat(Cli.run("quantize", Cli.MODEL.toString(), out.toString(), "q8_0")
                        .failure())
                .isEqualTo("icf quantize: " + out + ": exists already; --force replaces it");
        assertThat(out).hasContent("mine");
        assertThat(Cli.run("convert", CHECKPOINT, "-o", out.toString(), "--force")
                        .output())
                .contains("34 tensors (34 f32)");
        assertThat(Cli.run("quantize", Cli.MODEL.toString(), out.toString(), "q8_0", "--force")
                        .output())
                .contains("q8_0");
    }

    @Test
    void convertNamesWhatIsWrong() throws IOException {
        String out = folder.resolve("former.gguf").toString();
        assertThat(Cli.run("convert", folder.resolve("none").toString(), "-o", out)
                        .failure())
                .isEqualTo("icf convert: " + folder.resolve("none") + ": no folder of that name");
        assertThat(Cli.run("convert", CHECKPOINT, "-o", out, "--type", "q9").failure())
                .contains("there is no tensor type q9; there are f32, f16, q4_0");
        assertThat(Cli.run(
                                "convert",
                                CHECKPOINT,
                                "-o",
                                folder.resolve("none/former.gguf").toString())
                        .failure())
                .isEqualTo("icf convert: " + folder.resolve("none/former.gguf") + ": its folder does not exist");
        assertThat(Cli.run("convert", CHECKPOINT, "-o", out, "--target", CHECKPOINT + "/config.json")
                        .failure())
                .contains("config.json");
        assertThat(folder).isEmptyDirectory();
    }

    @Test
    void quantisesAnLlm() throws IOException {
        Path out = folder.resolve("lm-q8_0.gguf");
        String text = Cli.run("quantize", Cli.MODEL.toString(), out.toString(), "q8_0")
                .output();
        assertThat(text).containsPattern("blk\\.0\\.attn_q\\.weight +f32 -> q8_0 +relative error 0\\.00\\d");
        assertThat(text).doesNotContain("attn_norm").contains(out + ": ");
        Map<String, @Nullable Object> answer = Cli.run(
                        "generate",
                        "--model",
                        out.toString(),
                        "--prompt",
                        "The lamp",
                        "--max-tokens",
                        "4",
                        "--threads",
                        "1",
                        "--json")
                .json();
        assertThat(answer).containsEntry("tokens", 4L).containsEntry("model_type", "q8_0");

        Map<String, @Nullable Object> fallen = Cli.run(
                        "quantize",
                        Cli.MODEL.toString(),
                        folder.resolve("k.gguf").toString(),
                        "q4_K",
                        "--json")
                .json();
        assertThat((List<?>) fallen.get("tensors"))
                .anySatisfy(tensor -> assertThat(((Map<?, ?>) tensor)).satisfies(map -> {
                    assertThat(map.get("name")).isEqualTo("blk.1.attn_q.weight");
                    assertThat(map.get("wanted")).isEqualTo("q4_K");
                    assertThat(map.get("type")).isEqualTo("q5_0");
                    assertThat((Double) map.get("relative_error")).isBetween(0.01, 0.1);
                }));
    }

    @Test
    void quantizeNamesWhatIsWrong() throws IOException {
        String out = folder.resolve("out.gguf").toString();
        assertThat(Cli.run("quantize", Cli.MODEL.toString(), out, "iq1_s").failure())
                .isEqualTo("icf quantize: weights cannot be written as iq1_s without an importance matrix");
        Path text = Files.writeString(folder.resolve("text.gguf"), "this is a text and no model at all");
        assertThat(Cli.run("quantize", text.toString(), out, "q8_0").failure()).contains("text.gguf");
        assertThat(Path.of(out)).doesNotExist();
    }

    @Test
    void infoTellsOfTheMachine() throws IOException {
        Map<String, @Nullable Object> json = Cli.run("info", "--json").json();
        assertThat(json).containsKeys("icformer", "ggml", "java");
        assertThat(((Map<?, ?>) ((List<?>) json.get("devices")).getFirst()).get("kind"))
                .isEqualTo("cpu");
        assertThat(Cli.run("info").output()).contains("java: " + Runtime.version(), "kind cpu");
    }

    @Test
    void infoTellsWhichDeviceComputesWhat() throws IOException {
        String former = Cli.Former.FILE.toString();
        Object cpu = Devices.all().getFirst().name();
        assertThat(Cli.run("info", "--model", Cli.MODEL.toString(), "--former", former, "--device", "0", "--json")
                        .json())
                .containsKey("devices")
                .extracting("parts")
                .isEqualTo(Stream.of("embeddings", "layers and KV cache 0 ... 2", "output", "former")
                        .map(part -> Map.of("part", part, "device", cpu, "type", "f32"))
                        .toList());
        assertThat(Cli.run("info", "--model", Cli.MODEL.toString(), "--device", "none")
                        .failure())
                .startsWith("icf info: there is no device none; there are " + cpu);
        assertThat(Cli.run("info", "--model", Cli.MODEL.toString(), "--gpu-layers", "-2")
                        .failure())
                .isEqualTo("icf info: --gpu-layers is -2, but must be 0 or more");
        assertThat(Cli.run("info", "--former", former).usage()).contains("--former goes with --model");
        assertThat(Cli.run("info", former, "--model", former).usage()).contains("--model opens an LLM");
    }

    @Test
    void infoAbbreviatesLongArrays() throws IOException {
        String text = Cli.run("info", Cli.MODEL.toString()).output();
        assertThat(text)
                .contains("architecture: llama")
                .containsPattern("tokenizer\\.ggml\\.tokens: \\[<unk>, .*\\.\\.\\.] \\(512\\)");
        assertThat(text).doesNotContain("blk.0.attn_q.weight");
        assertThat(Cli.run("info", Cli.MODEL.toString(), "--tensors").output())
                .contains("name blk.0.attn_q.weight, type f32, shape [64, 64], bytes 16384");
        Map<?, ?> metadata = (Map<?, ?>)
                Cli.run("info", Cli.MODEL.toString(), "--json").json().get("metadata");
        assertThat((Map<?, ?>) metadata.get("tokenizer.ggml.tokens"))
                .isEqualTo(Map.of(
                        "count",
                        512L,
                        "first",
                        List.of("<unk>", "<s>", "</s>", "<0x00>", "<0x01>", "<0x02>", "<0x03>", "<0x04>")));
    }

    @Test
    void infoTellsOfSafetensors() throws IOException {
        assertThat(Cli.run("info", Cli.GOLDEN.resolve("golden.safetensors").toString(), "--json")
                        .json())
                .containsEntry("format", "safetensors")
                .containsKey("tensors");
    }

    @Test
    void infoNamesFilesItDoesNotKnow() throws IOException {
        Path text = Files.writeString(folder.resolve("text.txt"), "A text is none of these formats.");
        assertThat(Cli.run("info", text.toString()).failure()).contains("text.txt: not a safetensors file");
        assertThat(Cli.run("info", folder.resolve("none").toString()).failure()).endsWith("none: no such file");
        assertThat(Cli.run("info", folder.toString()).failure())
                .contains(folder.toString())
                .contains("not a regular file");
    }

    @Test
    void aHashIsShownWithAllItsBits() throws IOException {
        Object hash = ((Map<?, ?>) Cli.run("info", Cli.Former.FILE.toString(), "--json")
                        .json()
                        .get("metadata"))
                .get("icformer.target.vocab_hash");
        assertThat(String.valueOf(hash)).matches("\\d{1,20}");
    }

    @Test
    void tokenizesTexts() throws IOException {
        Map<String, @Nullable Object> json = Cli.run("tokenize", "The lamp", "--model", Cli.MODEL.toString(), "--json")
                .json();
        List<?> ids = (List<?>) json.get("ids");
        assertThat(json).containsEntry("count", (long) ids.size());
        assertThat(String.join(
                        "",
                        ((List<?>) json.get("pieces"))
                                .stream().map(String::valueOf).toList()))
                .isEqualTo("<s> The lamp");
        assertThat(Cli.run("tokenize", "The lamp", "--model", Cli.MODEL.toString(), "--no-bos", "--json")
                        .json()
                        .get("ids"))
                .isEqualTo(ids.subList(1, ids.size()));

        byte[] input = "a\n".getBytes(StandardCharsets.UTF_8);
        assertThat(Cli.run(input, "tokenize", "-", "--model", Cli.MODEL.toString())
                        .output())
                .endsWith("\"\\n\"\n");
        assertThat(Cli.run("tokenize", "\u4f60", "--model", Cli.MODEL.toString())
                        .output())
                .contains("\"<0xE4>\"");
        assertThat(Cli.run("tokenize", "<s>", "--no-bos", "--special", "--model", Cli.MODEL.toString(), "--json")
                        .json())
                .containsEntry("ids", List.of(1L));
    }

    @Test
    void generatesFromAPrompt() throws IOException {
        Map<String, @Nullable Object> json = Cli.runModel(
                        "generate", "--prompt", "The lamp", "--max-tokens", "5", "--json")
                .json();
        assertThat(json)
                .containsEntry("tokens", 5L)
                .containsEntry("finish_reason", "limit")
                .containsKey("prompt_tokens");
        assertThat(Cli.runModel("generate", "--prompt", "The lamp", "--max-tokens", "5")
                        .output()
                        .strip())
                .isEqualTo(json.get("text"));
        assertThat(Cli.runModel("generate", "--prompt", "The lamp", "--max-tokens", "-1")
                        .failure())
                .contains("--max-tokens is -1");
        assertThat(Cli.runModel("generate", "--prompt", "The lamp", "--temperature", "-1")
                        .failure())
                .contains("temperature");
        assertThat(Cli.runModel("generate", "--prompt", "The lamp", "--device", "CUDA7")
                        .failure())
                .contains("there is no device CUDA7; there are CPU");
    }

    @Test
    void aChatNeedsATemplate() {
        assertThat(Cli.runModel("generate", "--prompt", "The lamp", "--chat").failure())
                .contains("has no chat template");
    }

    @Test
    void aFailureShowsItsTraceWhenAskedTo() {
        Cli.Result result = Cli.run("info", folder.resolve("none").toString(), "--verbose");
        assertThat(result.code()).isEqualTo(1);
        assertThat(result.err()).contains("no such file").contains("at icformer.cli");
    }
}
