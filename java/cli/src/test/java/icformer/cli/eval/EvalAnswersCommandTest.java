package icformer.cli.eval;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.withinPercentage;

import icformer.ContextPrompt;
import icformer.Digest;
import icformer.Digester;
import icformer.DigesterOptions;
import icformer.KvType;
import icformer.Model;
import icformer.Outputs;
import icformer.Session;
import icformer.SessionOptions;
import icformer.cli.Cli;
import icformer.eval.AnswerCase;
import icformer.eval.LogProbabilities;
import icformer.text.Tokenizer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.assertj.core.api.InstanceOfAssertFactories;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class EvalAnswersCommandTest {
    private static final Path DEMO = Cli.ROOT.resolve("models/demo");

    @TempDir
    private Path folder;

    private String data = "";

    /** Two contexts, one with two questions: in both forms that are read. */
    @BeforeEach
    void writeData() throws IOException {
        data = Files.writeString(folder.resolve("data.jsonl"), """
                        {"context": "The tin trunk was found in 1994.", "question": "When?", "answer": "in 1994", "kind": "when"}
                        {"context": "The tin trunk was found in 1994.", "question": "What?", "answer": "trunk", "kind": "what"}

                        {"id": 7, "context": "Storms came.", "questions": [{"question": "What came?", "answer": "Storms", "kind": "what"}]}
                        """).toString();
    }

    private Cli.Result eval(String... more) {
        String[] args =
                Arrays.copyOf(new String[] {"eval", "answers", "--data", data, "--max-tokens", "4"}, 6 + more.length);
        System.arraycopy(more, 0, args, 6, more.length);
        return Cli.runPair(args);
    }

    private static double score(Map<String, @Nullable Object> json, String source, String name) {
        if (json.get(source) instanceof Map<?, ?> scores && scores.get(name) instanceof Double score) {
            return score;
        }
        throw new AssertionError(json);
    }

    /** The best over several right answers counts, and every answer is written down. */
    @Test
    void detailsTellOfEveryAnswer() throws IOException {
        Path details = folder.resolve("details.jsonl");
        Map<String, @Nullable Object> first =
                eval("--json", "--details", details.toString()).json();
        List<String> lines = Files.readAllLines(details);
        assertThat(lines).hasSize(3 * 4);
        assertThat(lines.getFirst())
                .contains(
                        "\"context\":0",
                        "\"question\":\"When?\"",
                        "\"source\":\"digest\"",
                        "\"answers\":[\"in 1994\"]");
        String found = lines.getFirst().replaceAll(".*\"answer\":(\"(?:[^\"\\\\]|\\\\.)*\").*", "$1");
        Files.writeString(
                Path.of(data),
                "{\"context\": \"The tin trunk was found in 1994.\", \"question\": \"When?\", \"answers\": [\"in 1994\", %s]}"
                        .formatted(found));
        Map<String, @Nullable Object> second =
                eval("--json", "--only", "digest").json();
        assertThat(score(first, "digest", "f1")).isLessThan(1);
        assertThat(score(second, "digest", "f1")).isEqualTo(1);
    }

    @Test
    void everySourceIsMeasured() throws IOException {
        Map<String, @Nullable Object> json = eval("--json").json();
        assertThat(json)
                .containsEntry("cases", 3L)
                .containsEntry("contexts", 2L)
                .containsEntry("model_type", "f32")
                .containsEntry("former_type", "f32")
                .containsEntry("chunk_rows", 16L)
                .containsEntry("ratio", 32.0); // 512 tokens to 16 rows
        for (String source : List.of("digest", "full", "truncated", "none")) {
            for (String name : List.of("exact_match", "f1", "rouge_1", "rouge_2", "rouge_l")) {
                assertThat(score(json, source, name)).as(source + " " + name).isBetween(0.0, 1.0);
            }
            assertThat(score(json, source, "perplexity")).isGreaterThan(1);
        }
        assertThat(json.get("by_kind")).asString().contains("what={digest=", "when={digest=");
        // classes of a quarter of 512 tokens
        assertThat(json.get("by_length")).asString().startsWith("{128={digest=");
        assertThat(json.get("reconstruction"))
                .asString()
                .matches("\\{bleu4=[\\d.E-]+, contexts=2, by_length=\\{128=.*");
        // the first context has more tokens than its digest has rows
        assertThat(json.get("truncated")).isNotEqualTo(json.get("full"));
    }

    @Test
    void perplexityIsThatOfTheWantedAnswers() throws IOException {
        Map<String, @Nullable Object> json =
                eval("--json", "--kv-type", "f32", "--reconstructions", "0").json();
        double[] loss = new double[2];
        int tokens = 0;
        try (Model model = Model.open(Cli.MODEL);
                Digester digester = model.openDigester(
                        Cli.Former.FILE, DigesterOptions.defaults().withThreads(1));
                Session session = model.openSession(SessionOptions.defaults()
                        .withThreads(1)
                        .withContextLength(256)
                        .withKvType(KvType.F32))) {
            ContextPrompt prompt = ContextPrompt.of(digester, model);
            for (AnswerCase each : AnswerCase.parse(Files.readString(Path.of(data)), data)) {
                int[] context = prompt.encodeContext(each.context());
                Digest digest = digester.digest(context);
                for (AnswerCase.Question question : each.questions()) {
                    int[] answer = withEnd(model.tokenizer(), question.answer());
                    session.truncate(0);
                    session.append(prompt.with(digest, question.text()));
                    loss[0] += loss(session, answer);
                    session.truncate(0);
                    session.append(prompt.with(context, question.text()));
                    loss[1] += loss(session, answer);
                    tokens += answer.length;
                }
            }
        }
        assertThat(score(json, "digest", "perplexity")).isCloseTo(Math.exp(loss[0] / tokens), withinPercentage(0.5));
        assertThat(score(json, "full", "perplexity")).isCloseTo(Math.exp(loss[1] / tokens), withinPercentage(0.5));
        assertThat(json).doesNotContainKey("reconstruction");
    }

    private static int[] withEnd(Tokenizer tokenizer, String answer) {
        int[] tokens = tokenizer.encode(answer, false, false);
        int[] ended = Arrays.copyOf(tokens, tokens.length + 1);
        ended[tokens.length] = tokenizer.eos().orElseThrow();
        return ended;
    }

    /** Token by token. */
    private static double loss(Session session, int[] answer) {
        float[] logits = new float[session.model().info().vocabularySize()];
        double sum = 0;
        for (int token : answer) {
            session.logits(logits);
            sum += LogProbabilities.negative(logits, token);
            session.append(new int[] {token}, Outputs.LAST);
        }
        return sum;
    }

    @Test
    void typesAreMeasuredOneAfterTheOther() throws IOException {
        Map<String, @Nullable Object> json = eval("--model-types", "f16,q8_0", "--former-types", "f32,q4_0", "--json")
                .json();
        assertThat(ofPairs(json, "model_type")).containsExactly("f16", "f16", "q8_0", "q8_0");
        assertThat(ofPairs(json, "former_type")).containsExactly("f32", "q4_0", "f32", "q4_0");
        // what does not depend on the former is the same for all formers of an LLM
        List<@Nullable Object> none = ofPairs(json, "none");
        assertThat(none.get(0)).isEqualTo(none.get(1)).isNotEqualTo(none.get(2));
        assertThat(ofPairs(json, "digest")).doesNotHaveDuplicates();
        assertThat(eval("--model-types", "q9").failure()).contains("there is no tensor type q9");
    }

    private static List<@Nullable Object> ofPairs(Map<String, @Nullable Object> json, String key) {
        if (json.get("pairs") instanceof List<?> pairs) {
            return pairs.stream()
                    .<@Nullable Object>map(pair -> pair instanceof Map<?, ?> map ? map.get(key) : null)
                    .toList();
        }
        throw new AssertionError(json);
    }

    @Test
    void aTableIsPrinted() {
        assertThat(eval("--only", "digest,NONE", "--ratio", "64", "--contexts", "1", "--reconstructions", "1")
                        .output())
                .matches("""
                        LLM f32, former f32, ratio 64: 2 questions about 1 contexts
                        from            exact         F1    ROUGE-2    ROUGE-L perplexity
                        digest   ( +[\\d.]+){5}
                        none     ( +[\\d.]+){5}
                        reconstructed from the digest, BLEU-4: [\\d.]+, up to 128 tokens [\\d.]+
                        """);
    }

    @Test
    void wrongDataAreTold() throws IOException {
        assertThat(evalText("{\"context\": \"c\", \"question\": \"q\"}\n")).endsWith("line 1 has no text named answer");
        assertThat(evalText("\n[]\n")).contains("line 2 is no JSON object");
        assertThat(evalText("{\"context\": \n")).contains("line 1 is no JSON");
        assertThat(evalText("{} {}\n")).contains("line 1: there is more than one JSON value");
        assertThat(evalText("{\"context\": \"\", \"question\": \"q\", \"answer\": \"a\"}\n"))
                .contains("the context is empty");
        assertThat(evalText("{\"context\": \"c\", \"questions\": []}\n")).endsWith("has no questions");
        assertThat(eval("--only", "half").usage()).contains("--only");
        assertThat(eval("--contexts", "-1").usage()).contains("must be 0 or more");
        assertThat(eval("--ratio", "16").failure())
                .contains("--ratio is 16, but must be 32 or more: the former gives 16 rows for a chunk of 512 tokens");
    }

    private static String evalText(String text) {
        return Cli.run(text.getBytes(StandardCharsets.UTF_8), Cli.withPair("eval", "answers", "--data", "-"))
                .failure();
    }

    @Test
    void aContextBeyondTheModelIsTold() throws IOException {
        String line = "{\"context\": \"%s\", \"question\": \"q\", \"answer\": \"a\"}%n"
                .formatted("storm and rain ".repeat(700));
        String file = Files.writeString(folder.resolve("long.jsonl"), line).toString();
        assertThat(Cli.runPair("eval", "answers", "--data", file).failure())
                .contains("(full), but the LLM was trained for 2048; --only and --reconstructions leave parts out");
        assertThat(Cli.runPair("eval", "answers", "--data", file, "--only", "digest", "--reconstructions", "0")
                        .output())
                .contains("1 questions about 1 contexts");
    }

    /** The bars are far below what the model card says, and far above what guessing gives. */
    @Test
    void theDemoPairAnswersFromItsDigests() throws IOException {
        Map<String, @Nullable Object> json = Cli.run(
                        "eval",
                        "answers",
                        "--contexts",
                        "20",
                        "--reconstructions",
                        "6",
                        "--threads",
                        "1",
                        "--json",
                        "--model",
                        DEMO.resolve("lm.gguf").toString(),
                        "--former",
                        DEMO.resolve("former.gguf").toString(),
                        "--data",
                        DEMO.resolve("test.jsonl").toString())
                .json();
        assertThat(score(json, "full", "exact_match")).isGreaterThan(0.8);
        assertThat(score(json, "digest", "exact_match")).isGreaterThan(0.8);
        assertThat(score(json, "none", "exact_match")).isLessThan(0.25);
        assertThat(score(json, "reconstruction", "bleu4")).isGreaterThan(0.7);
        // quarters of a chunk of 64 tokens, and doublings of it
        assertThat(json.get("by_length"))
                .asInstanceOf(InstanceOfAssertFactories.map(String.class, Object.class))
                .containsKeys("32", "48", "256", "512")
                .doesNotContainKeys("192", "320");
    }
}
