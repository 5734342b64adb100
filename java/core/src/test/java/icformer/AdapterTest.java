package icformer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import icformer.convert.AdapterMerger;
import icformer.error.IcfException;
import icformer.error.ModelFileException;
import icformer.error.Status;
import icformer.files.TensorType;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class AdapterTest {
    private static final SessionOptions OPTIONS = new SessionOptions(1, 256, 16, KvType.F32);
    private static final int[] TOKENS = {1, 17, 42, 300, 5, 99, 210, 7, 8, 12, 400, 3, 77, 78, 79, 80, 81, 500, 6, 21};

    @TempDir
    private Path folder;

    private static Model model;

    @BeforeAll
    static void open() throws IOException {
        model = Model.open(TestData.LLM);
    }

    @AfterAll
    static void close() {
        model.close();
    }

    private static float[] logits(Model model, List<Adapter.Scaled> adapters) {
        try (Session session = model.openSession(OPTIONS.withAdapters(adapters))) {
            return logitsOf(session);
        }
    }

    private static float[] logitsOf(Session session) {
        session.append(TOKENS);
        float[] logits = new float[session.model().info().vocabularySize()];
        session.logits(logits);
        return logits;
    }

    // ---- Adapters that are set ----

    @Test
    void saysWhatItIs() throws IOException {
        Path file = AdapterFiles.write(folder.resolve("a.gguf"), 8, 1, "blk.0.attn_q.weight", "blk.2.ffn_down.weight");
        try (Adapter adapter = model.openAdapter(file);
                Adapter reader = model.openAdapter(AdapterFiles.formerWithReader())) {
            assertThat(adapter.info().name()).isEqualTo("small changes");
            assertThat(adapter.info().pairs()).isEqualTo(2);
            assertThat(adapter.info().maxRank()).isEqualTo(AdapterFiles.RANK);
            assertThat(adapter.info().isReader()).isFalse();
            assertThat(adapter.info().parameters()).isEqualTo(AdapterFiles.RANK * (64 + 64 + 160 + 64));
            assertThat(reader.info().isReader()).isTrue();
            assertThat(reader.info().pairs()).isEqualTo(21);
            assertThat(reader.info().fingerprint()).isNotEqualTo(adapter.info().fingerprint());
        }
    }

    @Test
    void changesLogitsAsMergedWeightsDo() throws IOException {
        Path first = AdapterFiles.write(
                folder.resolve("a.gguf"), 8, 1, "blk.0.attn_q.weight", "blk.1.ffn_up.weight", "token_embd.weight");
        Path second = AdapterFiles.write(folder.resolve("b.gguf"), 0, 2, "blk.0.attn_q.weight", "output.weight");
        Path merged = folder.resolve("merged.gguf");
        AdapterMerger.merge(
                TestData.LLM,
                List.of(new AdapterMerger.Part(first, 0.5f), new AdapterMerger.Part(second, -1)),
                merged,
                AdapterMerger.Options.defaults());
        try (Adapter a = model.openAdapter(first);
                Adapter b = model.openAdapter(second);
                Model whole = Model.open(merged)) {
            float[] plain = logits(model, List.of());
            float[] expected = logits(whole, List.of());
            float[] actual = logits(model, List.of(a.scaled(0.5f), b.scaled(-1)));
            assertThat(TestData.relativeL2(expected, plain)).isGreaterThan(0.05);
            assertThat(TestData.relativeL2(actual, expected)).isLessThan(TestData.rounding(1e-5));
            assertThat(whole.info().vocabularyHash()).isEqualTo(model.info().vocabularyHash());
        }
    }

    @Test
    void mergesIntoATypeThatIsAskedFor() throws IOException {
        Path file = AdapterFiles.write(folder.resolve("a.gguf"), 8, 1, "blk.0.attn_q.weight");
        Path merged = folder.resolve("merged.gguf");
        AdapterMerger.Options options = AdapterMerger.Options.defaults().withType(TensorType.of("q8_0"));
        List<AdapterMerger.Part> parts = List.of(new AdapterMerger.Part(file, 1));
        assertThat(AdapterMerger.merge(TestData.LLM, parts, merged, options).tensors())
                .filteredOn(tensor -> tensor.to().name().equals("q8_0"))
                .singleElement()
                .satisfies(tensor -> assertThat(tensor.name()).isEqualTo("blk.0.attn_q.weight"));
        try (Adapter adapter = model.openAdapter(file);
                Model whole = Model.open(merged)) {
            assertThat(TestData.relativeL2(logits(whole, List.of()), logits(model, List.of(adapter.scaled(1)))))
                    .isLessThan(0.02);
        }
    }

    @Test
    void isTakenOffAgain() throws IOException {
        Path file = AdapterFiles.write(folder.resolve("a.gguf"), 8, 1, "blk.0.attn_q.weight");
        try (Adapter adapter = model.openAdapter(file);
                Session session = model.openSession(OPTIONS)) {
            float[] before = logitsOf(session);
            assertThatThrownBy(() -> session.setAdapters(adapter))
                    .isInstanceOfSatisfying(
                            IcfException.class, e -> assertThat(e.status()).isEqualTo(Status.STATE));
            session.truncate(0);
            session.setAdapters(adapter);
            assertThat(logitsOf(session)).isNotEqualTo(before);
            session.truncate(0);
            session.setAdapters();
            assertThat(logitsOf(session)).isEqualTo(before);
        }
    }

    @Test
    void useAfterCloseIsAnException() throws IOException {
        Path file = AdapterFiles.write(folder.resolve("a.gguf"), 8, 1, "blk.0.attn_q.weight");
        Adapter adapter = model.openAdapter(file);
        try (Session session = model.openSession(OPTIONS)) {
            session.setAdapters(adapter);
            adapter.close();
            adapter.close();
            assertThat(logitsOf(session)).isNotEqualTo(logits(model, List.of())); // in use still
            session.truncate(0);
            assertThatThrownBy(() -> session.setAdapters(adapter)).hasMessage("the adapter is closed");
            assertThatThrownBy(() -> model.openSession(OPTIONS.withAdapters(List.of(adapter.scaled(1)))))
                    .hasMessage("the adapter is closed");
        }
    }

    @Test
    void belongsToOneModel() throws IOException {
        Path file = AdapterFiles.write(folder.resolve("a.gguf"), 8, 1, "blk.0.attn_q.weight");
        try (Model other = Model.open(TestData.LLM);
                Adapter adapter = other.openAdapter(file);
                Session session = model.openSession(OPTIONS)) {
            assertThatThrownBy(() -> session.setAdapters(adapter))
                    .isInstanceOfSatisfying(
                            IcfException.class, e -> assertThat(e.status()).isEqualTo(Status.MISMATCH));
            assertThatThrownBy(() -> adapter.scaled(Float.NaN)).isInstanceOf(IcfException.class);
        }
    }

    @Test
    void refusesWhatIsNoAdapter() {
        assertThatThrownBy(() -> model.openAdapter(TestData.LLM))
                .isInstanceOfSatisfying(
                        ModelFileException.class, e -> assertThat(e.status()).isEqualTo(Status.FORMAT));
        assertThatThrownBy(() -> model.openAdapter(TestData.former()))
                .isInstanceOfSatisfying(
                        ModelFileException.class, e -> assertThat(e.status()).isEqualTo(Status.UNSUPPORTED));
        assertThatThrownBy(() -> AdapterMerger.merge(
                        TestData.LLM,
                        List.of(new AdapterMerger.Part(TestData.former(), 1)),
                        folder.resolve("merged.gguf"),
                        AdapterMerger.Options.defaults()))
                .isInstanceOfSatisfying(
                        ModelFileException.class, e -> assertThat(e.status()).isEqualTo(Status.UNSUPPORTED));
    }

    // ---- Readers that prompts put on ----

    private static float[] answer(Session session, Prompt prompt) {
        session.append(prompt);
        float[] logits = new float[session.model().info().vocabularySize()];
        session.logits(logits);
        return logits;
    }

    private static Digest digest(Path former) throws IOException {
        try (Digester digester = model.openDigester(former, TestData.ONE_THREAD)) {
            return digester.digest(TOKENS);
        }
    }

    @Test
    void promptWithADigestPutsTheReaderOn() throws IOException {
        Path file = AdapterFiles.formerWithReader();
        Former former = model.openFormer(file);
        Former without = model.openFormer(TestData.former());
        assertThat(former.hasReader()).isTrue();
        assertThat(without.hasReader()).isFalse();
        assertThat(former.fingerprint()).isNotEqualTo(without.fingerprint());
        Digest digest = digest(file);
        Prompt prompt = ContextPrompt.of(former, model).with(digest, "Why?");
        Prompt plain = ContextPrompt.of(without, model).with(digest(TestData.former()), "Why?");
        assertThat(prompt.fingerprint()).isNotEqualTo(plain.fingerprint());
        try (Adapter reader = model.openReader(former);
                Session byItself = model.openSession(OPTIONS);
                Session bySetting = model.openSession(OPTIONS.withAdapters(List.of(reader.scaled(1))))) {
            float[] with = answer(byItself, prompt);
            assertThat(with).isEqualTo(answer(bySetting, plain));
            bySetting.truncate(0);
            assertThat(with).isEqualTo(answer(bySetting, prompt)); // it is on already, and not put on twice

            // from an empty session on the LLM is what it was
            byItself.truncate(0);
            float[] off = answer(byItself, plain);
            assertThat(TestData.relativeL2(off, with)).isGreaterThan(0.05);
            byItself.truncate(0);
            assertThat(answer(byItself, prompt)).isEqualTo(with);
            byItself.truncate(0);
            assertThat(logitsOf(byItself)).isEqualTo(logits(model, List.of()));
            byItself.truncate(0);
            byItself.append(prompt);
            byItself.truncate(0);
            byItself.append(TOKENS[0]);
            try (Session fresh = model.openSession(OPTIONS)) {
                fresh.append(TOKENS[0]);
                assertThat(answer(byItself, plain)).isEqualTo(answer(fresh, plain));
            }
        }
    }

    @Test
    void readerStandsBesideOtherAdapters() throws IOException {
        Path file = AdapterFiles.formerWithReader();
        Former former = model.openFormer(file);
        Prompt prompt = ContextPrompt.of(former, model).with(digest(file), "Why?");
        Path lora = AdapterFiles.write(folder.resolve("a.gguf"), 8, 1, "blk.0.attn_q.weight");
        try (Adapter adapter = model.openAdapter(lora);
                Adapter reader = model.openReader(former);
                Session both = model.openSession(OPTIONS.withAdapters(List.of(adapter.scaled(1), reader.scaled(1))));
                Session session = model.openSession(OPTIONS.withAdapters(List.of(adapter.scaled(1))))) {
            assertThat(answer(session, prompt)).isEqualTo(answer(both, prompt));
            session.truncate(0);
            assertThat(logitsOf(session)).isEqualTo(logits(model, List.of(adapter.scaled(1))));
        }
    }

    @Test
    void promptWithADigestComesFirst() throws IOException {
        Path file = AdapterFiles.formerWithReader();
        ContextPrompt texts = ContextPrompt.of(model.openFormer(file), model);
        Digest digest = digest(file);
        try (Session session = model.openSession(OPTIONS)) {
            session.append(5, 6);
            assertThatThrownBy(() -> session.append(texts.with(digest, "Why?")))
                    .isInstanceOfSatisfying(
                            IcfException.class, e -> assertThat(e.status()).isEqualTo(Status.STATE))
                    .hasMessageContaining("session's 2 positions were read without it");
            assertThat(session.length()).isEqualTo(2);
            session.truncate(0);
            session.append(texts.front(digest));
            session.append(texts.question("Why?"));
            session.append(texts.with(digest, "And then?")); // the reader is on
        }
    }

    @Test
    void statesGoWithTheReader() throws IOException {
        Path file = AdapterFiles.formerWithReader();
        Former former = model.openFormer(file);
        Prompt prompt = ContextPrompt.of(former, model).with(digest(file), "Why?");
        try (Arena arena = Arena.ofConfined();
                Session session = model.openSession(OPTIONS);
                Session plain = model.openSession(OPTIONS);
                Adapter reader = model.openReader(former)) {
            session.append(prompt);
            MemorySegment state = session.saveState(arena);
            assertThatThrownBy(() -> plain.restoreState(state))
                    .isInstanceOfSatisfying(
                            IcfException.class, e -> assertThat(e.status()).isEqualTo(Status.MISMATCH));
            plain.setAdapters(reader);
            plain.restoreState(state);
            assertThat(plain.length()).isEqualTo(session.length());
        }
    }

    @Test
    void readersAreOpenedOnce() throws IOException {
        Former former = model.openFormer(AdapterFiles.formerWithReader());
        assertThat(model.reader(former)).isSameAs(model.reader(model.openFormer(AdapterFiles.formerWithReader())));
        Model closed = Model.open(TestData.LLM);
        Adapter reader = closed.reader(former);
        closed.close();
        assertThatThrownBy(() -> closed.reader(former)).hasMessage("the model is closed");
        try (Session session = model.openSession(OPTIONS)) {
            assertThatThrownBy(() -> session.setAdapters(reader)).hasMessage("the adapter is closed");
        }
    }
}
