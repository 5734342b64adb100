package icformer;

import static org.assertj.core.api.Assertions.assertThat;

import icformer.files.Safetensors;
import icformer.files.StoredTensor;
import icformer.internal.json.Json;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The way from tokens to answers against results of the official implementation, in relative L2 over whole matrices. What
 * was measured is written to target/golden-deviations.txt.
 *
 * <p>The system property {@code icformer.golden} may name a folder with more sets of the same form.
 */
class GoldenTest {
    private static final Path E2E = TestData.resource("golden/e2e-llama");
    private static final double DIGEST_BAR = 2e-5;
    private static final double LOGITS_BAR = 1e-4;
    private static final int GENERATED = 32;

    private static final List<String> TABLE = new ArrayList<>();

    private static Arena arena;
    private static Safetensors golden;
    private static Model model;
    private static Digester digester;

    /** A set of inputs and outputs, and the checkpoint they were made with. */
    record FormerSet(Path folder, Path checkpoint) {
        @Override
        public String toString() {
            return folder.getFileName().toString();
        }
    }

    @BeforeAll
    static void open() throws IOException {
        arena = Arena.ofShared();
        golden = Safetensors.open(E2E.resolve("golden.safetensors"), arena);
        model = Model.open(TestData.LLM);
        digester = model.openDigester(TestData.former(), TestData.ONE_THREAD);
    }

    @AfterAll
    static void writeTable() throws IOException {
        digester.close();
        model.close();
        arena.close();
        List<String> lines = new ArrayList<>(TABLE.stream().distinct().sorted().toList());
        lines.addFirst(line("set", "case", "what", "measured", "allowed"));
        Files.write(Path.of("target", "golden-deviations.txt"), lines);
    }

    // ---- The former alone ----

    static Stream<FormerSet> formerSets() throws IOException {
        List<FormerSet> sets = new ArrayList<>();
        for (String name : List.of("tiny-mha", "tiny-mha-bf16")) {
            Path folder = TestData.resource("checkpoints/" + name);
            sets.add(new FormerSet(folder, folder));
        }
        String more = System.getProperty("icformer.golden");
        if (more != null) {
            try (Stream<Path> folders = Files.list(Path.of(more))) {
                folders.filter(folder -> Files.isDirectory(folder.resolve("checkpoint")))
                        .sorted()
                        .forEach(folder -> sets.add(new FormerSet(folder, folder.resolve("checkpoint"))));
            }
        }
        return sets.stream();
    }

    @ParameterizedTest
    @MethodSource("formerSets")
    void digestsAreThoseOfTheReference(FormerSet set) throws IOException {
        double bar = number(manifest(set.folder()), "tolerance", "f32", "relL2");

        checkFormer(set, "f32", ".digest", bar);
    }

    @ParameterizedTest
    @MethodSource("formerSets")
    void halvesAreWithinTheirTolerance(FormerSet set) throws IOException {
        Map<String, ?> manifest = manifest(set.folder());

        checkFormer(set, "f16", ".digest", number(manifest, "tolerance", "f16_weights", "relL2"));
        checkFormer(set, "bf16", ".digest", number(manifest, "tolerance", "bf16_weights", "relL2"));
    }

    /** Against the same computation with the same quantised weights: what is left is the rounding of activations. */
    @ParameterizedTest
    @MethodSource("formerSets")
    void quantisedWeightsAreWithinTheirTolerance(FormerSet set) throws IOException {
        Map<String, ?> manifest = manifest(set.folder());
        for (String type : List.of("q8_0", "q4_0")) {
            double bar = number(manifest, "tolerance", "against_digest_w_" + type, "q8_0_activations_relL2");
            checkFormer(set, type, ".digest_w_" + type, bar);
            checkFormer(set, type, ".digest", number(manifest, "tolerance", type, "relL2"));
        }
    }

    private static void checkFormer(FormerSet set, String type, String suffix, double bar) throws IOException {
        Path former = TestData.convert(set.checkpoint(), type, null);
        Safetensors inputs = Safetensors.open(set.folder().resolve("inputs.safetensors"), arena);
        Safetensors outputs = Safetensors.open(set.folder().resolve("outputs.safetensors"), arena);
        MemorySegment context = TestData.bytes(tensor(inputs, "context"));
        int compared = 0;
        try (Digester alone = Digester.open(former, TestData.ONE_THREAD)) {
            for (Object item :
                    (List<?>) Objects.requireNonNull(manifest(set.folder()).get("cases"))) {
                Map<?, ?> testCase = (Map<?, ?>) item;
                String name = (String) testCase.get("case");
                boolean chunked = (Boolean) testCase.get("use_chunk");
                int maxChunk = chunked ? ((Long) testCase.get("max_chunk_len")).intValue() : DigestOptions.ONE_CHUNK;
                Digest digest = alone.digestEmbeddings(
                        context,
                        (Long) testCase.get("n"),
                        DigestOptions.defaults().withMaxChunk(maxChunk));

                assertThat(digest.chunks().toString()).isEqualTo(spans(testCase.get("chunk_spans")));
                StoredTensor expected = outputs.tensor(name + suffix);
                if (expected != null) {
                    double deviation = TestData.relativeL2(digest.rows(), TestData.bytes(expected));
                    check(set.toString(), name, type + " weights, " + suffix.substring(1), deviation, bar);
                    compared++;
                }
            }
        }
        assertThat(compared).isPositive();
    }

    private static String spans(Object spans) {
        return ((List<?>) spans)
                .stream()
                        .map(span -> (List<?>) span)
                        .map(span -> new Digest.Chunk((Long) span.get(0), (Long) span.get(1)))
                        .toList()
                        .toString();
    }

    // ---- The LLM alone ----

    @Test
    void logitsAreThoseOfTheReference() throws IOException {
        int[] prompt = ids("plain.ids");
        try (Session session = openSession(KvType.F32)) {
            float[] logits = promptLogits(session, prompt);

            checkLogits("plain", "prompt logits", logits, "plain.logits");
            checkGeneration(session, prompt.length - 1, "plain");
        }
    }

    // ---- Both together ----

    @ParameterizedTest
    @CsvSource({"qa, 512", "qa_chunk48, 48"})
    void answersAreThoseOfTheReference(String name, int maxChunk) throws IOException {
        Digest digest = digest(name, maxChunk);
        int[] before = ids("qa.pre_ids");
        MemorySegment ft = digester.marker(Marker.FT, arena);
        int[] tail = concatenate(ids(name + ".prompt_ids"), ids("qa.post_ids"));
        try (Session session = openSession(KvType.F32)) {
            LogitRows rows = new LogitRows(session);
            session.append(before, Outputs.logits(before.length));
            rows.take(0, before.length);
            session.append(digest, Outputs.logits((int) digest.rowCount()));
            rows.take(0, (int) digest.rowCount());
            session.append(ft, RowType.F32, 1);
            rows.take(0, 1);
            session.append(tail, Outputs.logits(tail.length));
            rows.take(0, tail.length);

            checkInputs(name, before, digest, ft, tail);
            if (golden.tensor(name + ".prompt_logits") != null) {
                checkLogits(name, "prompt logits", rows.all(), name + ".prompt_logits");
            }
            checkGeneration(session, tail.length - 1, name);
        }
    }

    @Test
    void reconstructionIsThatOfTheReference() throws IOException {
        Digest digest = digest("ae", 512);
        try (Session session = openSession(KvType.F32)) {
            LogitRows rows = new LogitRows(session);
            session.append(digest, Outputs.logits(16));
            rows.take(0, 16);
            session.append(digester.marker(Marker.AE, arena), RowType.F32, 1);
            rows.take(0, 1);

            checkLogits("ae", "prompt logits", rows.all(), "ae.prompt_logits");
            checkGeneration(session, 0, "ae");
        }
        try (Session session = openSession(KvType.F32)) {
            session.append(ContextPrompt.of(digester, model.tokenizer()).forReconstruction(digest));
            assertThat(generate(session)).isEqualTo(ids("ae.gen_ids"));
        }
    }

    /** From texts alone. The tokenizer puts a space behind the special token, as llama.cpp does: "qa_legacy_pre". */
    @Test
    void textsBecomeTheAnswerOfTheReference() throws IOException {
        Map<?, ?> testCase = testCase("qa");
        ContextPrompt prompt = ContextPrompt.of(digester, model.tokenizer());
        int[] context = prompt.encodeContext((String) testCase.get("context_text"));
        String question = ((String) testCase.get("prompt_text")).substring("\n\nPrompt: ".length());
        try (Session session = openSession(KvType.F32)) {
            session.append(prompt.with(digester.digest(context), question));

            assertThat(context).isEqualTo(ids("qa.context_ids"));
            checkGeneration(session, 0, "qa_legacy_pre");
        }
    }

    /** A saved digest, and one of 16 bits, lead to the same answer. */
    @ParameterizedTest
    @CsvSource({"F32", "F16"})
    void savedDigestsAnswerAlike(RowType type) throws IOException {
        Path file = Files.createTempFile("digest-", ".safetensors");
        try (Session session = openSession(KvType.F32);
                Arena mapping = Arena.ofConfined()) {
            digest("qa", 512).save(file, type);
            session.append(ids("qa.pre_ids"), Outputs.NONE);
            session.append(Digest.load(file, mapping), Outputs.NONE);
            session.append(digester.marker(Marker.FT, arena), RowType.F32, 1, Outputs.NONE);
            session.append(concatenate(ids("qa.prompt_ids"), ids("qa.post_ids")));
            float[] logits = new float[model.info().vocabularySize()];
            session.logits(logits);
            float[] expected = floats("qa.gen_logits");
            double deviation = TestData.relativeL2(logits, Arrays.copyOf(expected, logits.length));

            check("e2e-llama", "qa", "saved digest " + type, deviation, type == RowType.F32 ? LOGITS_BAR : 2e-3);
            assertThat(generate(session)).isEqualTo(ids("qa.gen_ids"));
        } finally {
            Files.delete(file);
        }
    }

    /** Half the bits in the cache: a tenth of a percent, not a bar of the reference. */
    @Test
    void defaultCacheStaysClose() throws IOException {
        int[] prompt = ids("plain.ids");
        try (Session session = openSession(KvType.F16)) {
            float[] logits = promptLogits(session, prompt);

            double deviation = TestData.relativeL2(logits, floats("plain.logits"));
            check("e2e-llama", "plain", "prompt logits, KV cache F16", deviation, 2e-3);
        }
    }

    // ---- Helpers ----

    /** Logits of many appends, one after the other. */
    private static final class LogitRows {
        private final Session session;
        private float[] all = {};

        LogitRows(Session session) {
            this.session = session;
        }

        void take(int first, int count) {
            float[] rows = new float[count * model.info().vocabularySize()];
            session.logits(first, rows);
            all = concatenate(all, rows);
        }

        float[] all() {
            return all;
        }
    }

    private static Digest digest(String name, int maxChunk) {
        Digest digest = digester.digest(
                ids(name + ".context_ids"), DigestOptions.defaults().withMaxChunk(maxChunk));
        double deviation = TestData.relativeL2(digest.rows(), TestData.bytes(tensor(golden, name + ".digest")));
        check("e2e-llama", name, "digest", deviation, DIGEST_BAR);
        return digest;
    }

    /** What the LLM of the reference was given. */
    private static void checkInputs(String name, int[] before, Digest digest, MemorySegment ft, int[] tail) {
        float[] inputs = Stream.of(model.embed(before, arena), digest.rows(), ft, model.embed(tail, arena))
                .map(segment -> segment.toArray(ValueLayout.JAVA_FLOAT))
                .reduce(new float[0], GoldenTest::concatenate);
        check(
                "e2e-llama",
                name,
                "input rows",
                TestData.relativeL2(inputs, floats(name + ".inputs_embeds")),
                DIGEST_BAR);
    }

    private static void checkLogits(String name, String what, float[] logits, String expected) {
        check("e2e-llama", name, what, TestData.relativeL2(logits, floats(expected)), LOGITS_BAR);
    }

    private static float[] promptLogits(Session session, int[] prompt) {
        session.append(prompt, Outputs.logits(prompt.length));
        float[] logits = new float[prompt.length * model.info().vocabularySize()];
        session.logits(logits);
        return logits;
    }

    /** 32 greedy tokens and the logits they were taken from; {@code lastRow} is that of the prompt's last row. */
    private static void checkGeneration(Session session, int lastRow, String name) {
        LogitRows rows = new LogitRows(session);
        int[] ids = new int[GENERATED];
        for (int i = 0; i < GENERATED; i++) {
            ids[i] = session.sample(Sampling.greedy());
            rows.take(i == 0 ? lastRow : 0, 1);
            session.append(ids[i]);
        }
        checkLogits(name, "logits of 32 tokens", rows.all(), name + ".gen_logits");
        assertThat(ids).isEqualTo(ids(name + ".gen_ids"));
        TABLE.add(line("e2e-llama", name, "32 greedy tokens", "equal", "equal"));
    }

    private static int[] generate(Session session) {
        int[] ids = new int[GENERATED];
        for (int i = 0; i < GENERATED; i++) {
            ids[i] = session.sample(Sampling.greedy());
            session.append(ids[i]);
        }
        return ids;
    }

    private static void check(String set, String name, String what, double deviation, double bar) {
        double allowed = TestData.rounding(bar);
        TABLE.add(line(set, name, what, "%.2e".formatted(deviation), "%.2e".formatted(allowed)));
        assertThat(deviation).as("%s %s: %s", set, name, what).isLessThanOrEqualTo(allowed);
    }

    private static String line(String set, String name, String what, String measured, String allowed) {
        return "%-20s %-16s %-32s %10s %10s".formatted(set, name, what, measured, allowed);
    }

    private static Session openSession(KvType type) {
        return model.openSession(
                SessionOptions.defaults().withThreads(1).withContextLength(512).withKvType(type));
    }

    private static StoredTensor tensor(Safetensors file, String name) {
        return Objects.requireNonNull(file.tensor(name), name);
    }

    private static int[] ids(String name) {
        return TestData.bytes(tensor(golden, name)).toArray(ValueLayout.JAVA_INT_UNALIGNED);
    }

    private static float[] floats(String name) {
        return TestData.bytes(tensor(golden, name)).toArray(ValueLayout.JAVA_FLOAT);
    }

    private static Map<String, ?> manifest(Path folder) throws IOException {
        Path file = folder.resolve("manifest.json");
        return Json.parseObject(TestData.bytes(file), file);
    }

    private static Map<?, ?> testCase(String name) throws IOException {
        for (Object item : (List<?>) Objects.requireNonNull(manifest(E2E).get("cases"))) {
            if (((Map<?, ?>) item).get("case").equals(name)) {
                return (Map<?, ?>) item;
            }
        }
        throw new AssertionError("there is no case " + name);
    }

    private static double number(Map<String, ?> json, String... keys) {
        Object value = json;
        for (String key : keys) {
            value = Objects.requireNonNull(((Map<?, ?>) value).get(key), key);
        }
        return ((Number) value).doubleValue();
    }

    private static int[] concatenate(int[] first, int[] second) {
        int[] both = Arrays.copyOf(first, first.length + second.length);
        System.arraycopy(second, 0, both, first.length, second.length);
        return both;
    }

    private static float[] concatenate(float[] first, float[] second) {
        float[] both = Arrays.copyOf(first, first.length + second.length);
        System.arraycopy(second, 0, both, first.length, second.length);
        return both;
    }
}
