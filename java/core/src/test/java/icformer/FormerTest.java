package icformer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import icformer.error.IcfException;
import icformer.error.ModelFileException;
import icformer.error.Status;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FormerTest {
    @TempDir
    private Path folder;

    @Test
    void isWhatItsDigesterIs() throws IOException {
        Former former = Former.open(TestData.former());
        try (Model model = Model.open(TestData.LLM);
                Digester digester = model.openDigester(TestData.former(), TestData.ONE_THREAD);
                Arena arena = Arena.ofConfined()) {
            DigesterInfo info = digester.info();
            for (Former each : new Former[] {former, digester.former(), model.openFormer(TestData.former())}) {
                assertThat(each.name()).isEqualTo(info.name());
                assertThat(each.type()).isEqualTo(info.type());
                assertThat(each.width()).isEqualTo(info.width());
                assertThat(each.digestRows()).isEqualTo(info.digestRows());
                assertThat(each.chunkLength()).isEqualTo(info.chunkLength());
                assertThat(each.fingerprint()).isEqualTo(info.fingerprint());
                assertThat(each.targetVocabularyHash()).isEqualTo(info.targetVocabularyHash());
                for (Marker marker : Marker.values()) {
                    assertThat(each.marker(marker).orElseThrow().toArray(ValueLayout.JAVA_FLOAT))
                            .isEqualTo(digester.marker(marker, arena).toArray(ValueLayout.JAVA_FLOAT));
                }
            }
        }
    }

    /** No tensor but markers, norm and digest embeddings is needed: a file without the matrices does. */
    @Test
    void needsNoMatrix() throws IOException {
        Path bare = folder.resolve("bare.gguf");
        TestData.rewrite(TestData.former(), bare, _ -> {}, name -> !name.startsWith("blk."));
        try (Model model = Model.open(TestData.LLM);
                Session light = model.openSession(SessionOptions.defaults().withThreads(1));
                Session heavy = model.openSession(SessionOptions.defaults().withThreads(1));
                Digester digester = model.openDigester(TestData.former(), TestData.ONE_THREAD)) {
            assertThatThrownBy(() -> model.openDigester(bare)).isInstanceOf(ModelFileException.class);
            Former former = model.openFormer(bare);
            Digest digest = digester.digest(new int[] {5, 6, 7, 8});
            assertThat(former.fingerprint()).isNotEqualTo(digest.origin().formerFingerprint()); // other tensors
            light.append(ContextPrompt.of(former, model).with(digest, "Why?"));
            heavy.append(ContextPrompt.of(digester, model).with(digest, "Why?"));
            assertThat(light.generate(Sampling.greedy(), 8).text())
                    .isEqualTo(heavy.generate(Sampling.greedy(), 8).text());
        }
    }

    @Test
    void whatIsNoneForTheModelIsRefused() throws IOException {
        try (Model model = Model.open(TestData.LLM)) {
            Path narrow = TestData.fixture("former-bias.gguf");
            assertThatThrownBy(() -> model.openFormer(narrow))
                    .isInstanceOfSatisfying(
                            ModelFileException.class,
                            e -> assertThat(e.status()).isEqualTo(Status.MISMATCH))
                    .hasMessageContaining("width");
            assertThatThrownBy(() -> model.openFormer(TestData.LLM))
                    .isInstanceOfSatisfying(
                            ModelFileException.class,
                            e -> assertThat(e.status()).isEqualTo(Status.FORMAT))
                    .hasMessageContaining("not an IC-Former");
            assertThatThrownBy(() -> model.openFormer(folder.resolve("none.gguf")))
                    .isInstanceOf(NoSuchFileException.class);
        }
    }

    @Test
    void aClosedModelHasNone() throws IOException {
        Model model = Model.open(TestData.LLM);
        model.close();
        assertThatThrownBy(() -> model.openFormer(TestData.former()))
                .isInstanceOfSatisfying(
                        IcfException.class, e -> assertThat(e.status()).isEqualTo(Status.STATE));
    }
}
