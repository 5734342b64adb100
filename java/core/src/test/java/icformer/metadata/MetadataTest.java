package icformer.metadata;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import icformer.TestData;
import icformer.error.IcfException;
import icformer.error.Status;
import icformer.files.GgufFile;
import icformer.files.TensorInfo;
import icformer.files.TensorType;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;

class MetadataTest {

    @Test
    void mapGivesWhatItHolds() {
        Map<String, Object> values = new LinkedHashMap<>();
        values.put("text", "a");
        values.put("integer", 7);
        values.put("number", 0.5f);
        values.put("bool", true);
        values.put("texts", List.of("b", "c"));
        values.put("integers", List.of(1L, 2L));
        values.put("numbers", List.of(1.5, 2.5));
        values.put("nothing", List.of());
        Metadata metadata = Metadata.of(values);

        assertThat(metadata.text("text")).isEqualTo("a");
        assertThat(metadata.integer("integer")).isEqualTo(7);
        assertThat(metadata.number("integer")).isEqualTo(7);
        assertThat(metadata.number("number")).isEqualTo(0.5);
        assertThat(metadata.bool("bool")).isTrue();
        assertThat(metadata.texts("texts")).containsExactly("b", "c");
        assertThat(metadata.texts("text")).containsExactly("a");
        assertThat(metadata.integers("integers")).containsExactly(1, 2);
        assertThat(metadata.integers("bool")).containsExactly(1);
        assertThat(metadata.numbers("numbers")).containsExactly(1.5, 2.5);
        assertThat(metadata.numbers("nothing")).isEmpty();
        assertThat(metadata.keys()).extracting(Metadata.Key::name).containsExactlyElementsOf(values.keySet());
        assertThat(metadata.key("numbers")).isEqualTo(new Metadata.Key("numbers", Metadata.Kind.NUMBER, true, 2));
    }

    @Test
    void fallbackStandsForAMissingKeyAlone() {
        Metadata metadata = Metadata.of(Map.of("text", "a"));

        assertThat(metadata.text("absent", "b")).isEqualTo("b");
        assertThat(metadata.integer("absent", 3)).isEqualTo(3);
        assertThat(metadata.number("absent", 0.5)).isEqualTo(0.5);
        assertThat(metadata.bool("absent", true)).isTrue();
        assertThat(metadata.text("text", "b")).isEqualTo("a");
        assertFormat(() -> metadata.integer("text", 3));
    }

    @Test
    void anotherKindIsAFormatError() {
        Metadata metadata = Metadata.of(Map.of("text", "a", "number", 0.5, "integers", List.of(1)));

        assertFormat(() -> metadata.text("absent"));
        assertFormat(() -> metadata.text("number"));
        assertFormat(() -> metadata.integer("number"));
        assertFormat(() -> metadata.integer("integers"));
        assertFormat(() -> metadata.number("text"));
        assertFormat(() -> metadata.bool("number"));
        assertFormat(() -> metadata.integers("text"));
    }

    @Test
    void fileGivesWhatItHolds() throws IOException {
        try (GgufFile file = GgufFile.open(TestData.LLM)) {
            Metadata metadata = file.metadata();

            assertThat(metadata.text("general.architecture")).isEqualTo("llama");
            assertThat(metadata.integer("llama.embedding_length")).isEqualTo(64);
            assertThat(metadata.number("llama.rope.freq_base")).isEqualTo(10000.0);
            assertThat(metadata.number("llama.embedding_length")).isEqualTo(64.0);
            assertThat(metadata.bool("tokenizer.ggml.add_bos_token")).isTrue();
            assertThat(metadata.texts("tokenizer.ggml.tokens")).hasSize(512).startsWith("<unk>", "<s>", "</s>");
            assertThat(metadata.texts("general.architecture")).containsExactly("llama");
            assertThat(metadata.integers("tokenizer.ggml.token_type"))
                    .hasSize(512)
                    .startsWith(2, 3, 3, 6);
            assertThat(metadata.numbers("tokenizer.ggml.scores")).hasSize(512);
            assertThat(metadata.key("tokenizer.ggml.tokens"))
                    .isEqualTo(new Metadata.Key("tokenizer.ggml.tokens", Metadata.Kind.TEXT, true, 512));
            assertThat(metadata.keys().getFirst().name()).isEqualTo("general.architecture");
            assertThat(metadata.contains("absent")).isFalse();
            assertThat(metadata.integer("absent", 3)).isEqualTo(3);
        }
    }

    @Test
    void anotherKindInAFileIsAFormatError() throws IOException {
        try (GgufFile file = GgufFile.open(TestData.LLM)) {
            Metadata metadata = file.metadata();

            assertFormat(() -> metadata.text("absent"));
            assertFormat(() -> metadata.text("llama.embedding_length"));
            assertFormat(() -> metadata.text("tokenizer.ggml.tokens"));
            assertFormat(() -> metadata.integer("general.architecture"));
            assertFormat(() -> metadata.bool("llama.embedding_length"));
            assertFormat(() -> metadata.numbers("tokenizer.ggml.tokens"));
            assertFormat(() -> metadata.integers("tokenizer.ggml.scores"));
        }
    }

    @Test
    void tensorsAreThoseOfTheFile() throws IOException {
        try (GgufFile file = GgufFile.open(TestData.LLM)) {
            List<TensorInfo> tensors = file.tensors();
            TensorInfo embeddings = tensors.getFirst();

            assertThat(embeddings.name()).isEqualTo("token_embd.weight");
            assertThat(embeddings.type()).isSameAs(TensorType.of("f32"));
            assertThat(embeddings.shape()).containsExactly(64L, 512L);
            assertThat(embeddings.elements()).isEqualTo(64 * 512);
            assertThat(embeddings.bytes()).isEqualTo(64 * 512 * 4);
            assertThat(tensors.stream().mapToLong(TensorInfo::elements).sum()).isEqualTo(195_008);
            TensorInfo last = tensors.getLast();
            assertThat(file.dataOffset() + last.offset() + last.bytes()).isLessThanOrEqualTo(file.fileBytes());
            assertThat(file.version()).isEqualTo(3);
        }
    }

    private static void assertFormat(ThrowingCallable call) {
        assertThatThrownBy(call)
                .isInstanceOfSatisfying(
                        IcfException.class, e -> assertThat(e.status()).isEqualTo(Status.FORMAT));
    }
}
