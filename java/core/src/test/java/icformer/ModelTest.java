package icformer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import icformer.error.IcfException;
import icformer.error.ModelFileException;
import icformer.error.Status;
import icformer.files.GgufFile;
import icformer.files.TensorInfo;
import icformer.text.Tokenizer;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ModelTest {
    @TempDir
    private Path folder;

    @Test
    void infoIsThatOfTheFile() throws IOException {
        try (Model model = Model.open(TestData.LLM)) {
            ModelInfo info = model.info();

            assertThat(info.architecture()).isEqualTo("llama");
            assertThat(info.name()).isEqualTo(model.metadata().text("general.name"));
            assertThat(info.type()).isEqualTo("f32");
            assertThat(info.vocabularySize()).isEqualTo(512);
            assertThat(info.width()).isEqualTo(64);
            assertThat(info.layers()).isEqualTo(3);
            assertThat(info.heads()).isEqualTo(4);
            assertThat(info.kvHeads()).isEqualTo(2);
            assertThat(info.feedForwardWidth()).isEqualTo(160);
            assertThat(info.trainedContext()).isEqualTo(2048);
            assertThat(info.parameters()).isEqualTo(195_008);
            assertThat(info.fingerprint()).isNotZero();
            assertThat(Devices.all().get(info.device()).index()).isEqualTo(info.device());
        }
    }

    /** FNV-1a 64 over the UTF-8 bytes of every token, each followed by 0xFF. */
    @Test
    void vocabularyHashIsAsDocumented() throws IOException {
        try (Model model = Model.open(TestData.LLM)) {
            long hash = 0xcbf29ce484222325L;
            for (String token : model.metadata().texts("tokenizer.ggml.tokens")) {
                for (byte b : token.getBytes(StandardCharsets.UTF_8)) {
                    hash = (hash ^ (b & 0xFF)) * 0x100000001b3L;
                }
                hash = (hash ^ 0xFF) * 0x100000001b3L;
            }
            assertThat(model.info().vocabularyHash()).isEqualTo(hash);
        }
    }

    @Test
    void embeddingsAreRowsOfTheTable() throws IOException {
        try (Model model = Model.open(TestData.LLM);
                Model copied = Model.open(
                        TestData.LLM, ModelOptions.defaults().withUseMmap(false).withUseRepack(false));
                Arena arena = Arena.ofConfined()) {
            byte[] file = Files.readAllBytes(TestData.LLM);
            try (GgufFile gguf = GgufFile.open(TestData.LLM)) {
                TensorInfo table = gguf.tensors().getFirst();
                long start = gguf.dataOffset() + table.offset();
                MemorySegment rows = model.embed(new int[] {7, 300, 7}, arena);

                assertThat(rows.byteSize()).isEqualTo(3 * 64 * 4);
                int[] ids = {7, 300, 7};
                for (int i = 0; i < ids.length; i++) {
                    byte[] expected =
                            Arrays.copyOfRange(file, (int) start + ids[i] * 256, (int) start + (ids[i] + 1) * 256);
                    assertThat(rows.asSlice(i * 256L, 256).toArray(ValueLayout.JAVA_BYTE))
                            .isEqualTo(expected);
                }
                assertThat(copied.embed(ids, arena).mismatch(rows)).isEqualTo(-1);
            }
            assertThat(model.embed(new int[0], arena).byteSize()).isZero();
        }
    }

    @Test
    void tokensOutsideOfTheVocabularyAreRefused() throws IOException {
        try (Model model = Model.open(TestData.LLM);
                Arena arena = Arena.ofConfined()) {
            for (int token : new int[] {-1, 512}) {
                assertThatThrownBy(() -> model.embed(new int[] {1, token}, arena))
                        .isInstanceOfSatisfying(
                                IcfException.class, e -> assertThat(e.status()).isEqualTo(Status.ARGUMENT))
                        .hasMessageContaining(Integer.toString(token));
            }
        }
    }

    @Test
    void missingFile() {
        Path path = folder.resolve("absent.gguf");

        assertThatThrownBy(() -> Model.open(path))
                .isInstanceOf(NoSuchFileException.class)
                .hasMessageContaining("absent.gguf");
    }

    @Test
    void folder() {
        assertFileRefused(folder, Status.IO);
    }

    @Test
    void otherFile() throws IOException {
        assertFileRefused(Files.writeString(folder.resolve("other.gguf"), "no model at all"), Status.FORMAT);
    }

    @Test
    void emptyFile() throws IOException {
        assertFileRefused(Files.createFile(folder.resolve("empty.gguf")), Status.FORMAT);
    }

    @Test
    void truncatedFile() throws IOException {
        byte[] bytes = Files.readAllBytes(TestData.LLM);
        Path path = Files.write(folder.resolve("short.gguf"), Arrays.copyOf(bytes, bytes.length - 1000));

        assertFileRefused(path, Status.FORMAT);
    }

    @Test
    void formerIsNoModel() {
        assertFileRefused(TestData.former(), Status.UNSUPPORTED);
    }

    @Test
    void modelIsNoFormer() throws IOException {
        try (Model model = Model.open(TestData.LLM)) {
            assertThatThrownBy(() -> model.openDigester(TestData.LLM)).isInstanceOf(ModelFileException.class);
        }
    }

    @Test
    void absentDeviceIsNotTheFilesFault() {
        assertThatThrownBy(
                        () -> Model.open(TestData.LLM, ModelOptions.defaults().withDevice(1000)))
                .isInstanceOfSatisfying(
                        IcfException.class, e -> assertThat(e.status()).isEqualTo(Status.DEVICE));
    }

    @Test
    void pathMayHoldAnyCharacters() throws IOException {
        Path path = Files.copy(TestData.LLM, folder.resolve("größe 模型.gguf"));

        try (Model model = Model.open(path)) {
            assertThat(model.info().width()).isEqualTo(64);
        }
    }

    @Test
    void tokenizerOutlivesTheModel() throws IOException {
        Tokenizer tokenizer;
        try (Model model = Model.open(TestData.LLM)) {
            tokenizer = model.tokenizer();
            assertThat(model.tokenizer()).isSameAs(tokenizer);
        }
        assertThat(tokenizer.decode(tokenizer.encode("lamp", false, false))).contains("lamp");
    }

    private static void assertFileRefused(Path path, Status status) {
        assertThatThrownBy(() -> Model.open(path))
                .isInstanceOfSatisfying(ModelFileException.class, e -> {
                    assertThat(e.status()).isEqualTo(status);
                    assertThat(e.path()).isEqualTo(path);
                })
                .hasMessageContaining(path.toString());
    }
}
