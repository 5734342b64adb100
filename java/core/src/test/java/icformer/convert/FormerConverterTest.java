package icformer.convert;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import icformer.Digest;
import icformer.DigestOptions;
import icformer.Digester;
import icformer.Model;
import icformer.TestData;
import icformer.error.IcfException;
import icformer.error.ModelFileException;
import icformer.error.Status;
import icformer.files.AtomicFile;
import icformer.files.Checkpoint;
import icformer.files.Checkpoints;
import icformer.files.ElementType;
import icformer.files.GgufFile;
import icformer.files.Safetensors;
import icformer.files.SafetensorsWriter;
import icformer.files.SourceFile;
import icformer.files.StoredTensor;
import icformer.files.TensorInfo;
import icformer.files.TensorType;
import icformer.files.TorchFiles;
import icformer.metadata.Metadata;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CancellationException;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class FormerConverterTest {
    private static final FormerConverter.Options OPTIONS = FormerConverter.Options.defaults();

    @TempDir
    private Path folder;

    @Test
    void keepsEveryBitOfTheMatricesAndWidensTheRest() throws IOException {
        for (Path checkpoint : List.of(Checkpoints.TINY, Checkpoints.TINY_BF16)) {
            Path out = folder.resolve(checkpoint.getFileName() + ".gguf");
            ConversionReport report = FormerConverter.convert(checkpoint, out, OPTIONS);
            assertThat(report.bytes()).isEqualTo(Files.size(out));
            // the smaller set is of pretraining: it has no marker FT
            assertThat(report.tensors()).hasSize(3 * 10 + (checkpoint.equals(Checkpoints.TINY) ? 4 : 3));
            try (Arena arena = Arena.ofConfined();
                    GgufFile file = GgufFile.open(out)) {
                Map<String, StoredTensor> weights = Checkpoint.readWeights(checkpoint, arena);
                assertSame(file, out, "blk.1.ffn_down.weight", weights.get("encoder.layers.1.mlp.down_proj.weight"));
                assertSame(
                        file,
                        out,
                        "blk.2.attn_output.weight",
                        weights.get("encoder.layers.2.cross_attn.o_proj.weight"));
                assertWidened(
                        file,
                        out,
                        "blk.0.context_norm.weight",
                        weights.get("encoder.layers.0.context_layernorm.weight"));
                assertWidened(file, out, "output_norm.weight", weights.get("encoder.norm.weight"));
                Safetensors learned = Safetensors.open(checkpoint.resolve("param_check.safetensors"), arena);
                assertWidened(file, out, "digest_embd.weight", learned.tensors().get("digest_embeddings"));
                assertWidened(file, out, "marker_ae.weight", learned.tensors().get("AE"));
            }
        }
    }

    @Test
    void recordsSizesPromptsAndName() throws IOException {
        Path out = folder.resolve("out.gguf");
        FormerConverter.convert(
                Checkpoints.TINY,
                out,
                OPTIONS.withName("tiny").withChunkLength(64).withPrompt("<s>a\n", "Q: ", "\nA:"));
        try (GgufFile file = GgufFile.open(out)) {
            Metadata metadata = file.metadata();
            assertThat(metadata.text("general.architecture")).isEqualTo("icformer");
            assertThat(metadata.text("general.name")).isEqualTo("tiny");
            assertThat(metadata.integer("general.file_type")).isZero();
            assertThat(metadata.integer("icformer.block_count")).isEqualTo(3);
            assertThat(metadata.integer("icformer.embedding_length")).isEqualTo(64);
            assertThat(metadata.integer("icformer.feed_forward_length")).isEqualTo(160);
            assertThat(metadata.integer("icformer.attention.head_count")).isEqualTo(4);
            assertThat(metadata.integer("icformer.attention.head_count_kv")).isEqualTo(4);
            assertThat(metadata.number("icformer.attention.layer_norm_rms_epsilon"))
                    .isEqualTo((double) 1e-6f);
            assertThat(metadata.number("icformer.rope.freq_base")).isEqualTo(10000);
            assertThat(metadata.contains("icformer.rope.scaling.type")).isFalse();
            assertThat(metadata.integer("icformer.digest_count")).isEqualTo(16);
            assertThat(metadata.integer("icformer.chunk_length")).isEqualTo(64);
            assertThat(metadata.integer("icformer.cross_attention_interval")).isEqualTo(1);
            assertThat(metadata.text("icformer.prompt.before")).isEqualTo("<s>a\n");
            assertThat(metadata.text("icformer.prompt.question")).isEqualTo("Q: ");
            assertThat(metadata.text("icformer.prompt.after")).isEqualTo("\nA:");
            assertThat(metadata.contains("icformer.target.vocab_hash")).isFalse();
            assertThat(metadata.contains("general.quantization_version")).isFalse();
        }
    }

    @Test
    void theDefaultsAreThoseOfTheOfficialCheckpoints() throws IOException {
        Path out = folder.resolve("out.gguf");
        FormerConverter.convert(Checkpoints.TINY, out, OPTIONS);
        try (GgufFile file = GgufFile.open(out)) {
            assertThat(file.metadata().text("general.name")).isEqualTo("tiny-mha");
            assertThat(file.metadata().integer("icformer.chunk_length")).isEqualTo(512);
            assertThat(file.metadata().text("icformer.prompt.before"))
                    .isEqualTo("<s>[INST] Response the Prompt based on the below text:\n\n");
            assertThat(file.metadata().text("icformer.prompt.question")).isEqualTo("\n\nPrompt: ");
            assertThat(file.metadata().text("icformer.prompt.after")).isEqualTo("[/INST]");
        }
    }

    /** The reference's own output; its bf16 weights were widened to f32 for it, so both sets must agree closely. */
    @ParameterizedTest
    @CsvSource({"tiny-mha, n7_nochunk, 7", "tiny-mha-bf16, n7_nochunk, 7"})
    void theResultDigestsAsTheReferenceDoes(String set, String name, int count) throws IOException {
        Path checkpoint = set.equals("tiny-mha") ? Checkpoints.TINY : Checkpoints.TINY_BF16;
        Path out = folder.resolve("out.gguf");
        FormerConverter.convert(checkpoint, out, OPTIONS.withType(TensorType.of("f32")));
        try (Arena arena = Arena.ofConfined();
                Digester digester = Digester.open(out, TestData.ONE_THREAD)) {
            StoredTensor context = Safetensors.open(checkpoint.resolve("inputs.safetensors"), arena)
                    .onlyTensor();
            StoredTensor expected = Safetensors.open(checkpoint.resolve("outputs.safetensors"), arena)
                    .tensors()
                    .get(name + ".digest");
            Digest digest = digester.digestEmbeddings(
                    TestData.bytes(context), count, DigestOptions.defaults().withMaxChunk(DigestOptions.ONE_CHUNK));
            assertThat(TestData.relativeL2(digest.rows(), TestData.bytes(expected)))
                    .isLessThan(TestData.rounding(2e-5));
        }
    }

    @Test
    void quantisesMatricesAndReportsWhereTheirRowsDoNotFit() throws IOException {
        Path out = folder.resolve("out.gguf");
        ConversionReport report =
                FormerConverter.convert(Checkpoints.TINY, out, OPTIONS.withType(TensorType.of("q8_0")));
        for (ConversionReport.Tensor tensor : report.tensors()) {
            boolean matrix = tensor.shape().size() == 2 && !tensor.name().equals("digest_embd.weight");
            assertThat(tensor.to().name()).as(tensor.name()).isEqualTo(matrix ? "q8_0" : "f32");
            assertThat(tensor.error()).as(tensor.name()).isBetween(matrix ? 1e-4 : 0, matrix ? 2e-2 : 0);
            assertThat(tensor.fellBack()).isFalse();
        }
        try (GgufFile file = GgufFile.open(out)) {
            assertThat(file.metadata().integer("general.file_type")).isEqualTo(7);
            assertThat(file.metadata().integer("general.quantization_version")).isEqualTo(2);
        }

        // rows of 64 and 160 elements are no blocks of 256
        ConversionReport fallen = FormerConverter.convert(
                Checkpoints.TINY, out, OPTIONS.withType(TensorType.of("q4_K")).withReplace(true));
        ConversionReport.Tensor matrix = fallen.tensors().stream()
                .filter(tensor -> tensor.name().equals("blk.0.ffn_down.weight"))
                .findFirst()
                .orElseThrow();
        assertThat(matrix.fellBack()).isTrue();
        assertThat(matrix.wanted().name()).isEqualTo("q4_K");
        assertThat(matrix.to().name()).isEqualTo("q5_0");
        assertThat(matrix.error()).isCloseTo(0.04, within(0.02));
    }

    @Test
    void fallsBackToF16WhereNoBlockFits() throws IOException {
        Path checkpoint = randomCheckpoint(Map.of("hidden_size", "40", "context_hidden_size", "40"), 40, 1, false);
        ConversionReport report = FormerConverter.convert(
                checkpoint, folder.resolve("out.gguf"), OPTIONS.withType(TensorType.of("q4_0")));
        assertThat(report.tensors())
                .filteredOn(tensor -> tensor.name().endsWith("ffn_down.weight"))
                .allSatisfy(tensor -> assertThat(tensor.to().name()).isEqualTo("q4_0"));
        assertThat(report.tensors())
                .filteredOn(tensor -> tensor.name().endsWith("ffn_up.weight"))
                .isNotEmpty()
                .allSatisfy(tensor -> {
                    assertThat(tensor.to().name()).isEqualTo("f16");
                    assertThat(tensor.fellBack()).isTrue();
                });
    }

    @Test
    void refusesTypesThatCannotBeWritten() {
        assertThatThrownBy(() -> FormerConverter.convert(
                        Checkpoints.TINY, folder.resolve("out.gguf"), OPTIONS.withType(TensorType.of("q8_K"))))
                .isInstanceOf(IcfException.class)
                .hasMessageContaining("q8_K");
        assertThat(folder).isEmptyDirectory();
    }

    @Test
    void convertsSelfAttentionLayersBiasesAndLinearScaling() throws IOException {
        Path checkpoint = randomCheckpoint(
                Map.of(
                        "cross_attention_frequency", "2",
                        "attention_bias", "true",
                        "num_key_value_heads", "2",
                        "rope_scaling", "{\"rope_type\": \"linear\", \"factor\": 4}"),
                64,
                2,
                true);
        Path out = folder.resolve("out.gguf");
        FormerConverter.convert(checkpoint, out, OPTIONS);
        try (GgufFile file = GgufFile.open(out);
                Digester digester = Digester.open(out)) {
            List<String> names = file.tensors().stream().map(TensorInfo::name).toList();
            assertThat(names)
                    .contains(
                            "blk.0.context_norm.weight",
                            "blk.0.attn_k.bias",
                            "blk.1.attn_output.bias",
                            "blk.1.attn_norm.weight")
                    .doesNotContain("blk.1.context_norm.weight", "marker_ft.weight");
            assertThat(file.metadata().text("icformer.rope.scaling.type")).isEqualTo("linear");
            assertThat(file.metadata().number("icformer.rope.scaling.factor")).isEqualTo(4);
            assertThat(digester.info().crossInterval()).isEqualTo(2);
            assertThat(digester.info().kvHeads()).isEqualTo(2);
            assertThat(digester.info().hasFt()).isFalse();
        }
    }

    @Test
    void readsPyTorchWeightsAndShards() throws IOException {
        Path expected = folder.resolve("expected.gguf");
        FormerConverter.Options options = OPTIONS.withName("same");
        FormerConverter.convert(Checkpoints.TINY_BF16, expected, options);
        try (Arena arena = Arena.ofConfined()) {
            Map<String, StoredTensor> weights = Checkpoint.readWeights(Checkpoints.TINY_BF16, arena);
            Path torch = emptyCheckpoint("torch", Checkpoints.TINY_BF16);
            TorchFiles.write(torch.resolve("pytorch_model.bin"), weights);
            FormerConverter.convert(torch, folder.resolve("torch.gguf"), options);
            assertThat(folder.resolve("torch.gguf")).hasSameBinaryContentAs(expected);

            Path shards = emptyCheckpoint("shards", Checkpoints.TINY_BF16);
            writeShards(shards, weights);
            FormerConverter.convert(shards, folder.resolve("shards.gguf"), options);
            assertThat(folder.resolve("shards.gguf")).hasSameBinaryContentAs(expected);
        }
    }

    @Test
    void recordsItsTargetAndIsRefusedByOthers() throws IOException {
        Path target = TestData.fixture("decoder-llama-gqa.gguf");
        Path out = folder.resolve("out.gguf");
        FormerConverter.convert(Checkpoints.TINY, out, OPTIONS.withTarget(target));
        try (Model model = Model.open(target);
                GgufFile file = GgufFile.open(out);
                Digester digester = model.openDigester(out)) {
            assertThat(file.metadata().text("icformer.target.architecture")).isEqualTo("llama");
            assertThat(file.metadata().integer("icformer.target.embedding_length"))
                    .isEqualTo(64);
            assertThat(file.metadata().integer("icformer.target.vocab_size"))
                    .isEqualTo(model.info().vocabularySize());
            assertThat(file.metadata().integer("icformer.target.vocab_hash"))
                    .isEqualTo(model.info().vocabularyHash())
                    .isNotZero();
            assertThat(digester.info().targetVocabularyHash())
                    .isEqualTo(model.info().vocabularyHash());
        }

        Path narrower = TestData.fixture("decoder-llama-bias.gguf");
        assertThatThrownBy(() -> FormerConverter.convert(
                        Checkpoints.TINY, out, OPTIONS.withTarget(narrower).withReplace(true)))
                .isInstanceOfSatisfying(
                        ModelFileException.class, e -> assertThat(e.status()).isEqualTo(Status.MISMATCH))
                .hasMessageContaining("its embedding width is 32, but that of the former is 64");
    }

    @Test
    void namesEveryTensorThatIsMissingUnknownOrOfAnotherShape() throws IOException {
        Path checkpoint = emptyCheckpoint("bad", Checkpoints.TINY);
        try (Arena arena = Arena.ofConfined()) {
            Map<String, StoredTensor> weights = new LinkedHashMap<>(Checkpoint.readWeights(Checkpoints.TINY, arena));
            weights.remove("encoder.norm.weight");
            weights.put(
                    "encoder.layers.0.mlp.up_proj.weight", weights.get("encoder.layers.0.cross_attn.q_proj.weight"));
            weights.put(
                    "encoder.layers.0.cross_attn.q_proj.bias",
                    weights.get("encoder.layers.0.context_layernorm.weight"));
            weights.put("lm_head.weight", weights.get("encoder.layers.0.context_layernorm.weight"));
            write(checkpoint.resolve("model.safetensors"), weights);
        }
        assertThatThrownBy(() -> FormerConverter.convert(checkpoint, folder.resolve("out.gguf"), OPTIONS))
                .isInstanceOfSatisfying(
                        ModelFileException.class, e -> assertThat(e.status()).isEqualTo(Status.FORMAT))
                .hasMessageContaining("encoder.norm.weight is missing")
                .hasMessageContaining(
                        "encoder.layers.0.mlp.up_proj.weight has shape [64, 64], but the configuration asks for [160, 64]")
                .hasMessageContaining("encoder.layers.0.cross_attn.q_proj.bias is there, but attention_bias is false")
                .hasMessageContaining("lm_head.weight is unknown");
        assertThat(folder.resolve("out.gguf")).doesNotExist();
    }

    @Test
    void namesWhatIsWrongWithParameters() throws IOException {
        Path checkpoint = emptyCheckpoint("bad", Checkpoints.TINY);
        Files.copy(Checkpoints.TINY.resolve("model.safetensors"), checkpoint.resolve("model.safetensors"));
        try (Arena arena = Arena.ofConfined()) {
            Map<String, StoredTensor> parameters =
                    new LinkedHashMap<>(Checkpoint.readFile(Checkpoints.TINY.resolve("param.pt"), arena));
            parameters.put("LM", parameters.get("AE"));
            parameters.put("AE", parameters.get("digest_embeddings"));
            parameters.remove("digest_embeddings");
            TorchFiles.write(checkpoint.resolve("param.pt"), parameters);
        }
        assertThatThrownBy(() -> FormerConverter.convert(checkpoint, folder.resolve("out.gguf"), OPTIONS))
                .hasMessageContaining("param.pt: digest_embeddings is missing")
                .hasMessageContaining("param.pt: AE has shape [1, 16, 64], but the configuration asks for [1, 1, 64]")
                .hasMessageContaining("param.pt: LM is unknown");

        Files.delete(checkpoint.resolve("param.pt"));
        assertThatThrownBy(() -> FormerConverter.convert(checkpoint, folder.resolve("out.gguf"), OPTIONS))
                .isInstanceOf(NoSuchFileException.class)
                .hasMessageContaining("param.pt");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            hidden_size               | 66          | FORMAT      | num_attention_heads 4 do not share hidden_size 66
            hidden_size               | 68          | FORMAT      | num_attention_heads 4 do not share hidden_size 68
            hidden_size               | 0           | FORMAT      | hidden_size is 0, but must be an integer from 1
            hidden_size               | "64"        | FORMAT      | hidden_size is 64, but must be an integer
            hidden_size               | 64.5        | FORMAT      | hidden_size is 64.5, but must be an integer
            hidden_size               | 1e9         | FORMAT      | but must be an integer
            num_hidden_layers         | 9999999999  | FORMAT      | num_hidden_layers is 9999999999, but must be
            num_key_value_heads       | 3           | FORMAT      | num_key_value_heads 3 do not divide num_attention_heads 4
            context_hidden_size       | 4096        | FORMAT      | context_hidden_size 4096 is not hidden_size 64
            context_hidden_size       | null        | FORMAT      | context_hidden_size 4096 is not hidden_size 64
            num_query_tokens          | 128         | FORMAT      | digest_embeddings has 16 rows, but num_query_tokens is 128
            hidden_act                | "gelu"      | UNSUPPORTED | hidden_act gelu is not implemented
            model_type                | "llama"     | UNSUPPORTED | model_type is llama, not icformer
            rms_norm_eps              | 0           | FORMAT      | rms_norm_eps is 0, but must be a number above 0
            rope_theta                | "big"       | FORMAT      | rope_theta is big, but must be a number
            attention_bias            | 1           | FORMAT      | attention_bias is 1, but must be true or false
            attention_bias            | true        | FORMAT      | encoder.layers.0.cross_attn.q_proj.bias is missing
            cross_attention_frequency | 0           | FORMAT      | cross_attention_frequency is 0
            cross_attention_frequency | 2           | FORMAT      | encoder.layers.1.self_attn.q_proj.weight is missing
            rope_scaling              | 2           | FORMAT      | rope_scaling is no object
            rope_scaling              | {}          | UNSUPPORTED | rope_scaling null is not supported
            rope_scaling              | {"type": "dynamic", "factor": 2}     | UNSUPPORTED | rope_scaling dynamic is not supported
            rope_scaling              | {"rope_type": "yarn", "factor": 2}   | UNSUPPORTED | rope_scaling yarn is not supported
            rope_scaling              | {"type": "linear"}                   | FORMAT      | rope_scaling.factor is no number above 0
            rope_scaling              | {"type": "linear", "factor": -1}     | FORMAT      | rope_scaling.factor is no number above 0
            rope_scaling              | {"type": "linear", "rope_type": "x"} | FORMAT      | rope_scaling has type linear and rope_type x
            """)
    void namesWhatIsWrongWithTheConfiguration(String key, String value, Status status, String reason)
            throws IOException {
        Path checkpoint = emptyCheckpoint("bad", Checkpoints.TINY);
        Files.copy(Checkpoints.TINY.resolve("model.safetensors"), checkpoint.resolve("model.safetensors"));
        editConfig(checkpoint, Map.of(key, value));
        assertThatThrownBy(() -> FormerConverter.convert(checkpoint, folder.resolve("out.gguf"), OPTIONS))
                .isInstanceOfSatisfying(
                        ModelFileException.class, e -> assertThat(e.status()).isEqualTo(status))
                .hasMessageContaining(reason);
        assertThat(folder.resolve("out.gguf")).doesNotExist();
    }

    @Test
    void refusesValuesThatTheTypeCannotHold() throws IOException {
        Path checkpoint = randomCheckpoint(Map.of(), 64, 1, false);
        try (Arena arena = Arena.ofConfined()) {
            Map<String, StoredTensor> weights = new LinkedHashMap<>(Checkpoint.readWeights(checkpoint, arena));
            float[] values = new float[64 * 64];
            values[77] = 1e6f;
            weights.put("encoder.layers.0.cross_attn.q_proj.weight", tensor(values, 64, 64));
            write(checkpoint.resolve("other.safetensors"), weights);
        }
        Files.move(
                checkpoint.resolve("other.safetensors"),
                checkpoint.resolve("model.safetensors"),
                StandardCopyOption.REPLACE_EXISTING);
        assertThatThrownBy(() -> FormerConverter.convert(
                        checkpoint, folder.resolve("out.gguf"), OPTIONS.withType(TensorType.of("f16"))))
                .hasMessageContaining(
                        "tensor encoder.layers.0.cross_attn.q_proj.weight holds values that are not finite, or too large for f16");
        assertThat(folder.resolve("out.gguf")).doesNotExist();
    }

    @Test
    void keepsAnExistingFileUnlessToldOtherwise() throws IOException {
        Path out = Files.writeString(folder.resolve("out.gguf"), "mine");
        assertThatThrownBy(() -> FormerConverter.convert(Checkpoints.TINY, out, OPTIONS))
                .isInstanceOf(FileAlreadyExistsException.class);
        assertThat(out).hasContent("mine");
    }

    @Test
    void leavesNothingWhenTheListenerThrows() {
        assertThatThrownBy(() -> FormerConverter.convert(
                        Checkpoints.TINY, folder.resolve("out.gguf"), OPTIONS.withProgress((done, total) -> {
                            if (done > total / 2) {
                                throw new CancellationException();
                            }
                        })))
                .isInstanceOf(CancellationException.class);
        assertThat(folder).isEmptyDirectory();
    }

    @Test
    void tellsOfProgressUpToTheEnd() throws IOException {
        List<Long> seen = new ArrayList<>();
        FormerConverter.convert(
                Checkpoints.TINY,
                folder.resolve("out.gguf"),
                OPTIONS.withType(TensorType.of("q8_0")).withProgress((done, total) -> {
                    assertThat(total).isEqualTo(3L * (4 * 64 * 64 + 3 * 64 * 160 + 3 * 64) + 64 + 16 * 64 + 2 * 64);
                    seen.add(total - done);
                }));
        assertThat(seen).isSortedAccordingTo((a, b) -> Long.compare(b, a)).endsWith(0L);
    }

    @Test
    void refusesAFolderThatIsNone() {
        assertThatThrownBy(() -> FormerConverter.convert(folder.resolve("none"), folder.resolve("out.gguf"), OPTIONS))
                .isInstanceOf(NoSuchFileException.class);
        assertThatThrownBy(() -> FormerConverter.convert(folder, folder.resolve("out.gguf"), OPTIONS))
                .isInstanceOf(NoSuchFileException.class)
                .hasMessageContaining("config.json");
    }

    // ---- Checkpoints ----

    /** A folder with the configuration and parameters of another, but no weights. */
    private Path emptyCheckpoint(String name, Path other) throws IOException {
        Path checkpoint = Files.createDirectory(folder.resolve(name));
        Files.copy(other.resolve("config.json"), checkpoint.resolve("config.json"));
        Files.copy(other.resolve("param.pt"), checkpoint.resolve("param.pt"));
        return checkpoint;
    }

    private static void editConfig(Path checkpoint, Map<String, String> values) throws IOException {
        Path file = checkpoint.resolve("config.json");
        String json = Files.readString(file);
        for (Map.Entry<String, String> value : values.entrySet()) {
            json = json.replaceFirst("\"" + value.getKey() + "\": [^\\n]*\\n", "");
            json = json.replaceFirst("\\{", "{\"" + value.getKey() + "\": " + value.getValue() + ",\n");
        }
        Files.writeString(file, json);
    }

    /** 2 layers of 4 heads and random weights in F16, digests in F32, no marker FT. */
    private Path randomCheckpoint(Map<String, String> config, int width, int interval, boolean bias)
            throws IOException {
        Path checkpoint = emptyCheckpoint("random", Checkpoints.TINY);
        editConfig(checkpoint, Map.of("num_hidden_layers", "2"));
        editConfig(checkpoint, config);
        int kvWidth = bias ? width / 2 : width;
        Map<String, StoredTensor> weights = new LinkedHashMap<>();
        weights.put("encoder.norm.weight", random(width));
        for (int layer = 0; layer < 2; layer++) {
            boolean cross = layer % interval == 0;
            String prefix = "encoder.layers." + layer + ".";
            String attention = prefix + (cross ? "cross_attn." : "self_attn.");
            weights.put(prefix + (cross ? "cross_input_layernorm" : "input_layernorm") + ".weight", random(width));
            if (cross) {
                weights.put(prefix + "context_layernorm.weight", random(width));
            }
            weights.put(prefix + "post_attention_layernorm.weight", random(width));
            weights.put(prefix + "mlp.gate_proj.weight", random(160, width));
            weights.put(prefix + "mlp.up_proj.weight", random(160, width));
            weights.put(prefix + "mlp.down_proj.weight", random(width, 160));
            for (String part : List.of("q", "k", "v", "o")) {
                int outputs = part.equals("k") || part.equals("v") ? kvWidth : width;
                weights.put(attention + part + "_proj.weight", random(outputs, width));
                if (bias) {
                    weights.put(attention + part + "_proj.bias", random(outputs));
                }
            }
        }
        write(checkpoint.resolve("model.safetensors"), weights);
        TorchFiles.write(checkpoint.resolve("param.pt"), Map.of("digest_embeddings", random(1, 16, width)));
        return checkpoint;
    }

    private static StoredTensor random(int... shape) {
        int count = Stream.of(shape).flatMapToInt(Arrays::stream).reduce(1, (a, b) -> a * b);
        Random random = new Random(count);
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return tensor(values, shape);
    }

    private static StoredTensor tensor(float[] values, int... shape) {
        List<Long> lengths = Arrays.stream(shape).asLongStream().boxed().toList();
        List<Long> strides = new ArrayList<>();
        long stride = 1;
        for (Long length : lengths.reversed()) {
            strides.addFirst(stride);
            stride *= length;
        }
        MemorySegment data = Arena.ofAuto().allocateFrom(ValueLayout.JAVA_FLOAT, values);
        return new StoredTensor("", ElementType.F32, lengths, strides, SourceFile.of(data, Path.of("memory")), 0);
    }

    private static void write(Path file, Map<String, StoredTensor> tensors) throws IOException {
        List<SafetensorsWriter.Entry> entries = tensors.entrySet().stream()
                .map(entry -> new SafetensorsWriter.Entry(
                        entry.getKey(),
                        entry.getValue().type(),
                        entry.getValue().shape()))
                .toList();
        try (SafetensorsWriter writer = SafetensorsWriter.create(file, AtomicFile.Existing.KEEP, Map.of(), entries)) {
            for (StoredTensor tensor : tensors.values()) {
                writer.write(TestData.bytes(tensor));
            }
            writer.commit();
        }
    }

    /** Every second tensor into the second shard. */
    private static void writeShards(Path checkpoint, Map<String, StoredTensor> weights) throws IOException {
        List<Map<String, StoredTensor>> shards = List.of(new LinkedHashMap<>(), new LinkedHashMap<>());
        StringBuilder map = new StringBuilder();
        weights.forEach((name, tensor) -> {
            int shard = map.length() % 2;
            shards.get(shard).put(name, tensor);
            map.append(map.isEmpty() ? "" : ",").append("\"%s\": \"model-%d.safetensors\"".formatted(name, shard));
        });
        for (int i = 0; i < shards.size(); i++) {
            write(checkpoint.resolve("model-%d.safetensors".formatted(i)), shards.get(i));
        }
        Files.writeString(checkpoint.resolve("model.safetensors.index.json"), "{\"weight_map\": {" + map + "}}");
    }

    // ---- Comparison ----

    private static MemorySegment data(GgufFile file, Path path, String name, Arena arena) throws IOException {
        TensorInfo info = file.tensors().stream()
                .filter(tensor -> tensor.name().equals(name))
                .findFirst()
                .orElseThrow();
        return TestData.bytes(path).asSlice(file.dataOffset() + info.offset(), info.bytes());
    }

    private static void assertSame(GgufFile file, Path path, String name, StoredTensor expected) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            assertThat(data(file, path, name, arena).mismatch(TestData.bytes(expected)))
                    .as(name)
                    .isEqualTo(-1);
        }
    }

    private static void assertWidened(GgufFile file, Path path, String name, StoredTensor expected) throws IOException {
        float[] floats = new float[(int) expected.elements()];
        expected.readFloats(0, expected.rows(), floats);
        try (Arena arena = Arena.ofConfined()) {
            assertThat(floats(data(file, path, name, arena))).as(name).containsExactly(floats);
        }
    }

    private static float[] floats(MemorySegment segment) {
        return segment.toArray(ValueLayout.JAVA_FLOAT);
    }
}
