package icformer.convert;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import icformer.Adapter;
import icformer.AdapterFiles;
import icformer.Former;
import icformer.Model;
import icformer.TestData;
import icformer.error.ModelFileException;
import icformer.error.Status;
import icformer.files.GgufFile;
import icformer.files.TensorInfo;
import icformer.files.TensorType;
import icformer.metadata.Metadata;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a checkpoint of this project's trainer has beside an official one: a reader, a prompt and a chunk length. */
class ReaderConversionTest {
    private static final FormerConverter.Options OPTIONS =
            FormerConverter.Options.defaults().withTarget(TestData.LLM);

    @TempDir
    private Path folder;

    private Path checkpoint;
    private Path out;

    @BeforeEach
    void write() throws IOException {
        checkpoint = AdapterFiles.checkpoint(Files.createDirectory(folder.resolve("checkpoint")), 1);
        out = folder.resolve("former.gguf");
    }

    @Test
    void takesTheReaderAlong() throws IOException {
        FormerConverter.convert(checkpoint, out, OPTIONS);
        assertPairs(out, "f16", "f16");
        try (GgufFile file = GgufFile.open(out);
                Model model = Model.open(TestData.LLM);
                Adapter reader = model.openAdapter(out)) {
            assertThat(file.metadata().text("adapter.type")).isEqualTo("lora");
            assertThat(file.metadata().number("adapter.lora.alpha")).isEqualTo(AdapterFiles.RANK * AdapterFiles.SCALE);
            assertThat(reader.info().pairs()).isEqualTo(21);
            assertThat(Former.open(out).hasReader()).isTrue();
            assertThat(Former.open(out).type()).isEqualTo("f32"); // of the former alone
        }
    }

    /** Rows of the second matrix are as long as the rank: 4 are no block of 32. */
    @Test
    void pairsTakeATypeThatFits() throws IOException {
        FormerConverter.convert(checkpoint, out, OPTIONS.withType(TensorType.of("q8_0")));
        assertPairs(out, "q8_0", "f16");
        FormerConverter.convert(
                checkpoint, out, OPTIONS.withType(TensorType.of("f32")).withReplace(true));
        assertPairs(out, "f32", "f32");
        Path quantized = folder.resolve("quantized.gguf");
        Quantizer.quantize(out, quantized, Quantizer.Options.of(TensorType.of("q4_0")));
        assertPairs(quantized, "q8_0", "f16");
        try (Model model = Model.open(TestData.LLM);
                Adapter reader = model.openAdapter(quantized)) {
            assertThat(reader.info().pairs()).isEqualTo(21);
            model.openDigester(quantized).close();
        }
    }

    private static void assertPairs(Path former, String a, String b) throws IOException {
        try (GgufFile file = GgufFile.open(former)) {
            List<TensorInfo> tensors = file.tensors();
            assertThat(tensors)
                    .filteredOn(tensor -> tensor.name().contains(".lora_"))
                    .hasSize(42);
            assertThat(tensors)
                    .filteredOn(tensor -> tensor.name().equals("blk.1.attn_k.weight.lora_a"))
                    .singleElement()
                    .satisfies(tensor -> {
                        assertThat(tensor.type().name()).isEqualTo(a);
                        assertThat(tensor.shape()).containsExactly(64L, (long) AdapterFiles.RANK);
                    });
            assertThat(tensors)
                    .filteredOn(tensor -> tensor.name().equals("blk.1.ffn_up.weight.lora_b"))
                    .singleElement()
                    .satisfies(tensor -> {
                        assertThat(tensor.type().name()).isEqualTo(b);
                        assertThat(tensor.shape()).containsExactly((long) AdapterFiles.RANK, 160L);
                    });
        }
    }

    @Test
    void takesPromptAndChunkLengthAlong() throws IOException {
        Path config = checkpoint.resolve("config.json");
        String json = Files.readString(config);
        Files.writeString(config, json.replaceFirst("\\{", "{\"chunk_length\": 64,"));
        FormerConverter.convert(checkpoint, out, OPTIONS);
        assertPrompt(64, null, null, null); // not that of Llama 2
        Files.writeString(
                checkpoint.resolve("prompt.json"),
                "{\"before\": \"\", \"question\": \"\\nQuestion: \", \"after\": \"\\nAnswer:\"}");
        FormerConverter.convert(checkpoint, out, OPTIONS.withReplace(true));
        assertPrompt(64, "", "\nQuestion: ", "\nAnswer:");
        FormerConverter.convert(
                checkpoint,
                out,
                OPTIONS.withReplace(true)
                        .withChunkLength(32)
                        .withPrompt(new FormerConverter.Prompt("Read: ", null, null)));
        assertPrompt(32, "Read: ", "\nQuestion: ", "\nAnswer:");
        Files.writeString(checkpoint.resolve("prompt.json"), "{\"before\": 1}");
        assertRefused(Status.FORMAT, "prompt.json: has no text 'before'");
    }

    @Test
    void officialCheckpointsHaveThePromptOfLlama2() throws IOException {
        FormerConverter.convert(checkpoint, out, OPTIONS);
        assertPrompt(512, "<s>[INST] Response the Prompt based on the below text:\n\n", "\n\nPrompt: ", "[/INST]");
    }

    private void assertPrompt(long chunkLength, String before, String question, String after) throws IOException {
        try (GgufFile file = GgufFile.open(out)) {
            Metadata metadata = file.metadata();
            assertThat(metadata.integer("icformer.chunk_length")).isEqualTo(chunkLength);
            assertText(metadata, "icformer.prompt.before", before);
            assertText(metadata, "icformer.prompt.question", question);
            assertText(metadata, "icformer.prompt.after", after);
        }
    }

    private static void assertText(Metadata metadata, String key, String text) {
        assertThat(metadata.contains(key)).isEqualTo(text != null);
        if (text != null) {
            assertThat(metadata.text(key)).isEqualTo(text);
        }
    }

    @Test
    void refusesReadersThatDoNotFit() throws IOException {
        Files.writeString(checkpoint.resolve("reader.json"), "{\"rank\": 5, \"scale\": 2}");
        assertRefused(Status.FORMAT, "has rank 4, but 5.0 is told");
        Files.writeString(checkpoint.resolve("reader.json"), "{\"rank\": 4}");
        assertRefused(Status.FORMAT, "reader.json: scale is null");
        Files.delete(checkpoint.resolve("reader.json"));
        assertRefused(Status.FORMAT, "reader.safetensors: scale is null");
        Files.copy(checkpoint.resolve("model.safetensors"), checkpoint.resolve("m"));
        Files.move(
                checkpoint.resolve("m"), checkpoint.resolve("reader.safetensors"), StandardCopyOption.REPLACE_EXISTING);
        assertRefused(Status.FORMAT, "is unknown");
    }

    @Test
    void refusesReadersOfAnotherModel() {
        assertThatThrownBy(() -> FormerConverter.convert(
                        checkpoint, out, OPTIONS.withTarget(TestData.fixture("decoder-llama-gqa.gguf"))))
                .isInstanceOfSatisfying(
                        ModelFileException.class, e -> assertThat(e.status()).isEqualTo(Status.MISMATCH));
    }

    private void assertRefused(Status status, String says) {
        assertThatThrownBy(() -> FormerConverter.convert(checkpoint, out, OPTIONS.withReplace(true)))
                .isInstanceOfSatisfying(
                        ModelFileException.class, e -> assertThat(e.status()).isEqualTo(status))
                .hasMessageContaining(says);
    }
}
