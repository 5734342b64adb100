package icformer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import icformer.error.IcfException;
import icformer.error.Status;
import icformer.files.GgufValue;
import icformer.text.Tokenizer;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ContextPromptTest {
    private static final String QUESTION = "When was the lighthouse built?";

    @TempDir
    private Path folder;

    private static Model model;
    private static Digester digester;
    private static ContextPrompt prompt;

    @BeforeAll
    static void open() throws IOException {
        model = Model.open(TestData.LLM);
        digester = model.openDigester(TestData.former(), TestData.ONE_THREAD);
        prompt = ContextPrompt.of(digester, model.tokenizer());
    }

    @AfterAll
    static void close() {
        digester.close();
        model.close();
    }

    @Test
    void isBeforeRowsMarkerQuestionAfter() {
        Tokenizer tokenizer = model.tokenizer();
        int[] before = tokenizer.encode(digester.metadata().text("icformer.prompt.before"), false, true);
        int[] question =
                tokenizer.encode(digester.metadata().text("icformer.prompt.question") + QUESTION, false, false);
        int[] after = tokenizer.encode(digester.metadata().text("icformer.prompt.after"), false, true);
        Digest digest = digester.digest(prompt.encodeContext("The lamp burned whale oil."));
        try (Session session = open(1024);
                Session byHand = open(1024)) {
            session.append(prompt.with(digest, QUESTION));
            byHand.append(before);
            byHand.append(digest);
            byHand.append(digester.marker(Marker.FT, Arena.ofAuto()), RowType.F32, 1);
            byHand.append(question);
            byHand.append(after);

            assertThat(before[0]).isEqualTo(tokenizer.bos().orElseThrow());
            assertThat(session.length())
                    .isEqualTo(byHand.length())
                    .isEqualTo(prompt.with(digest, QUESTION).length())
                    .isEqualTo(before.length + 16 + 1 + question.length + after.length);
            assertThat(TestData.relativeL2(logits(session), logits(byHand))).isLessThan(TestData.rounding(1e-5));
        }
    }

    @Test
    void fullContextStandsInThePlaceOfRowsAndMarker() {
        int[] context = prompt.encodeContext("The lamp burned whale oil.");
        Digest digest = digester.digest(context);
        try (Session session = open(1024)) {
            session.append(prompt.with(context, QUESTION));

            assertThat(session.length())
                    .isEqualTo(prompt.with(context, QUESTION).length())
                    .isEqualTo(prompt.with(digest, QUESTION).length() - 17 + context.length);
            session.sample(Sampling.greedy());
        }
    }

    @Test
    void aFormerWithoutPromptTakesTheChatTemplateOfTheModel() {
        ChatTemplate template = ChatTemplate.of("""
                {% for m in messages %}<|im_start|>{{ m.role }}
                {{ m.content | trim }}<|im_end|>
                {% endfor %}<|im_start|>assistant
                """);

        assertThat(PromptTexts.of(template))
                .isEqualTo(new PromptTexts("<|im_start|>user\n", "\n\n", "<|im_end|>\n<|im_start|>assistant"));
    }

    @Test
    void aTemplateThatChangesMessagesIsRefused() {
        ChatTemplate template = ChatTemplate.of("{{ messages[0].content | upper }}");

        assertThatThrownBy(() -> PromptTexts.of(template))
                .isInstanceOfSatisfying(
                        IcfException.class, e -> assertThat(e.status()).isEqualTo(Status.UNSUPPORTED));
    }

    @Test
    void reconstructionIsRowsAndMarker() {
        Digest digest = digester.digest(model.tokenizer().encode("The lamp burned whale oil."));
        try (Session session = open(64)) {
            session.append(prompt.forReconstruction(digest));

            assertThat(session.length()).isEqualTo(17);
            session.sample(Sampling.greedy());
        }
    }

    @Test
    void contextsAndQuestionsCannotSmuggleInSpecialTokens() {
        int bos = model.tokenizer().bos().orElseThrow();
        int eos = model.tokenizer().eos().orElseThrow();

        assertThat(IntStream.of(prompt.encodeContext("a</s>b<s>"))).doesNotContain(bos, eos);
        assertThat(IntStream.of(prompt.encodeContext("a"))).doesNotContain(bos);
        long plain = prompt.with(new int[0], "").length();
        assertThat(prompt.with(new int[0], "</s>").length() - plain).isGreaterThan(1);
    }

    @Test
    void promptThatDoesNotFitLeavesTheSession() {
        Digest digest = digester.digest(prompt.encodeContext("The lamp burned whale oil."));
        int length = (int) prompt.with(digest, QUESTION).length();
        try (Session exact = open(length);
                Session small = open(length - 1)) {
            exact.append(prompt.with(digest, QUESTION));
            assertThatThrownBy(() -> small.append(prompt.with(digest, QUESTION)))
                    .isInstanceOfSatisfying(
                            IcfException.class, e -> assertThat(e.status()).isEqualTo(Status.CAPACITY))
                    .hasMessageContaining("takes " + length);
            assertThat(small.length()).isZero();
        }
    }

    @Test
    void outlivesTheDigester() throws IOException {
        ContextPrompt own;
        Digest digest;
        try (Digester other = model.openDigester(TestData.former(), TestData.ONE_THREAD)) {
            own = ContextPrompt.of(other, model.tokenizer());
            digest = other.digest(own.encodeContext("The lamp."));
        }
        try (Session session = open(1024)) {
            session.append(own.with(digest, QUESTION));
            assertThat(session.length()).isEqualTo(own.with(digest, QUESTION).length());
        }
    }

    @Test
    void aFormerWithoutMarkersAndTextsIsAskedAfterItsRows() throws IOException {
        Path bare = folder.resolve("bare.gguf");
        TestData.rewrite(TestData.former(), bare, ContextPromptTest::dropTexts, name -> !name.startsWith("marker_"));
        try (Digester other = model.openDigester(bare, TestData.ONE_THREAD);
                Session session = open(64)) {
            ContextPrompt own = ContextPrompt.of(other, model);
            Digest digest = other.digest(own.encodeContext("The lamp."));
            session.append(own.with(digest, ""));

            assertThat(session.length())
                    .isEqualTo(16)
                    .isEqualTo(own.with(digest, "").length());
            assertThat(logits(session)).isNotEmpty();
            assertThatThrownBy(() -> session.append(own.forReconstruction(digest)))
                    .isInstanceOfSatisfying(
                            IcfException.class, e -> assertThat(e.status()).isEqualTo(Status.UNSUPPORTED))
                    .hasMessageContaining("no marker AE");
            assertThat(session.length()).isEqualTo(16);
        }
    }

    @Test
    void theTextsOfAFormerComeBeforeTheTemplateOfTheModel() throws IOException {
        Path chat = folder.resolve("chat.gguf");
        GgufValue template = GgufValue.text("{% for m in messages %}[{{ m.content }}]{% endfor %}>");
        TestData.rewrite(TestData.LLM, chat, keys -> keys.put("tokenizer.chat_template", template), name -> true);
        Path bare = folder.resolve("bare.gguf");
        TestData.rewrite(TestData.former(), bare, ContextPromptTest::dropTexts, name -> true);
        try (Model chatModel = Model.open(chat);
                Digester named = chatModel.openDigester(TestData.former(), TestData.ONE_THREAD);
                Digester unnamed = chatModel.openDigester(bare, TestData.ONE_THREAD)) {
            Digest digest = named.digest(prompt.encodeContext("The lamp."));
            Tokenizer tokenizer = chatModel.tokenizer();

            assertThat(ContextPrompt.of(named, chatModel).with(digest, QUESTION).length())
                    .isEqualTo(prompt.with(digest, QUESTION).length());
            assertThat(ContextPrompt.of(unnamed, chatModel)
                            .with(digest, QUESTION)
                            .length())
                    .isEqualTo(tokenizer.encode("[", false, true).length
                            + 17
                            + tokenizer.encode("\n\n" + QUESTION, false, false).length
                            + tokenizer.encode("]>", false, true).length);
        }
    }

    private static void dropTexts(Map<String, GgufValue> metadata) {
        metadata.keySet().removeIf(key -> key.startsWith("icformer.prompt."));
    }

    private static Session open(int contextLength) {
        return model.openSession(new SessionOptions(1, contextLength, 0, KvType.F32));
    }

    private static float[] logits(Session session) {
        float[] logits = new float[model.info().vocabularySize()];
        session.logits(logits);
        return logits;
    }
}
