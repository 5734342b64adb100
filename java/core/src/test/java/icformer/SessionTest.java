package icformer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import icformer.error.IcfException;
import icformer.error.Status;
import icformer.files.TensorType;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import java.util.stream.LongStream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class SessionTest {
    private static final int VOCABULARY = 512;
    private static final int WIDTH = 64;
    private static final SessionOptions OPTIONS = new SessionOptions(1, 64, 16, KvType.F32);

    private static Model model;
    private Session session;

    @BeforeAll
    static void openModel() throws IOException {
        model = Model.open(TestData.LLM);
    }

    @AfterAll
    static void closeModel() {
        model.close();
    }

    @BeforeEach
    void open() {
        session = model.openSession(OPTIONS);
    }

    @AfterEach
    void close() {
        session.close();
    }

    @Test
    void infoIsWhatWasAskedFor() {
        SessionInfo info = session.info();

        assertThat(info.contextLength()).isEqualTo(64);
        assertThat(info.batchLength()).isEqualTo(16);
        assertThat(info.threads()).isEqualTo(1);
        assertThat(info.kvType()).isEqualTo(KvType.F32);
        assertThat(info.kvBytes()).isGreaterThanOrEqualTo(3L * 2 * 32 * 64 * Float.BYTES);
        assertThat(session.model()).isSameAs(model);
        session.append(5);
        assertThat(session.scratchBytes()).isPositive();
    }

    @Test
    void defaultsAreThoseOfTheHeader() {
        try (Session defaults = model.openSession()) {
            assertThat(defaults.info().contextLength()).isEqualTo(2048);
            assertThat(defaults.info().batchLength()).isEqualTo(512);
            assertThat(defaults.info().kvType()).isEqualTo(KvType.F16);
        }
    }

    @Test
    void eightBitCachesStayCloseWhereHeadsFill32Elements() throws IOException {
        assertRefused(Status.UNSUPPORTED, () -> model.openSession(OPTIONS.withKvType(KvType.Q8_0)));
        try (Model wide = Model.open(TestData.fixture("decoder-qwen3.gguf"));
                Session reference = wide.openSession(OPTIONS);
                Session small = wide.openSession(OPTIONS.withKvType(KvType.Q8_0))) {
            float[] expected = new float[wide.info().vocabularySize()];
            float[] actual = new float[expected.length];
            reference.append(5, 6, 7, 8, 9);
            reference.logits(expected);
            small.append(5, 6, 7, 8, 9);
            small.logits(actual);

            assertThat(small.info().kvBytes()).isLessThan(reference.info().kvBytes() / 3);
            assertThat(TestData.relativeL2(actual, expected)).isGreaterThan(0).isLessThan(5e-2);
        }
    }

    @Test
    void longAppendsAreDivided() {
        int[] tokens = DigesterTest.tokens(50);
        session.append(tokens);
        float[] divided = logits(session);
        try (Session whole = model.openSession(OPTIONS.withBatchLength(64))) {
            whole.append(tokens);
            assertThat(TestData.relativeL2(divided, logits(whole))).isLessThan(TestData.rounding(1e-5));
        }
        session.truncate(0);
        for (int token : tokens) {
            session.append(token);
        }

        assertThat(session.length()).isEqualTo(50);
        assertThat(TestData.relativeL2(logits(session), divided)).isLessThan(TestData.rounding(1e-5));
    }

    @Test
    void rowsDoAsTheirTokens() {
        int[] tokens = DigesterTest.tokens(40);
        session.append(tokens);
        float[] expected = logits(session);
        session.truncate(0);
        try (Arena arena = Arena.ofConfined()) {
            session.append(model.embed(tokens, arena).asReadOnly(), RowType.F32, 40);
        }

        assertThat(logits(session)).isEqualTo(expected);
    }

    @Test
    void halvesAreReadAsTheyAre() {
        int[] tokens = DigesterTest.tokens(8);
        session.append(tokens);
        float[] expected = logits(session);
        session.truncate(0);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment rows = model.embed(tokens, arena);
            MemorySegment halves = arena.allocate(rows.byteSize() / 2, Short.BYTES);
            TensorType.of("f16").quantize(rows, 8, WIDTH, halves);
            session.append(halves, RowType.F16, 8);
        }

        assertThat(TestData.relativeL2(logits(session), expected))
                .isGreaterThan(0)
                .isLessThan(5e-3);
    }

    @Test
    void logitsOfTheLastRowsAreKept() {
        int[] tokens = DigesterTest.tokens(40);
        session.append(tokens, Outputs.logits(16));
        float[] rows = new float[16 * VOCABULARY];
        session.logits(rows);
        float[] second = new float[VOCABULARY];
        session.logits(1, second);
        assertThat(second).isEqualTo(Arrays.copyOfRange(rows, VOCABULARY, 2 * VOCABULARY));
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment target = arena.allocate(ValueLayout.JAVA_FLOAT, 2 * VOCABULARY);
            session.logits(14, 2, target);
            assertThat(target.toArray(ValueLayout.JAVA_FLOAT))
                    .isEqualTo(Arrays.copyOfRange(rows, 14 * VOCABULARY, 16 * VOCABULARY));
        }

        session.truncate(0);
        session.append(Arrays.copyOf(tokens, 25));
        assertThat(TestData.relativeL2(logits(session), Arrays.copyOf(rows, VOCABULARY)))
                .isLessThan(TestData.rounding(1e-5));
    }

    @Test
    void hiddenStatesAreKept() {
        session.append(DigesterTest.tokens(10), new Outputs(4, true, true));
        float[] hidden = new float[4 * WIDTH];
        session.hidden(0, hidden);
        float[] logits = new float[4 * VOCABULARY];
        session.logits(logits);

        session.truncate(0);
        session.append(DigesterTest.tokens(10), Outputs.hidden(4));
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment target = arena.allocate(ValueLayout.JAVA_FLOAT, 4 * WIDTH);
            session.hidden(0, 4, target);
            assertThat(TestData.relativeL2(target.toArray(ValueLayout.JAVA_FLOAT), hidden))
                    .isLessThan(TestData.rounding(1e-6));
        }
        assertRefused(Status.STATE, () -> session.logits(new float[VOCABULARY]));
        assertRefused(Status.STATE, () -> session.sample(Sampling.greedy()));
    }

    @Test
    void outputsThatWereNotKeptAreRefused() {
        assertRefused(Status.STATE, () -> session.logits(new float[VOCABULARY]));
        session.append(new int[] {5, 6}, Outputs.NONE);
        assertRefused(Status.STATE, () -> session.logits(new float[VOCABULARY]));
        session.append(5);
        assertRefused(Status.ARGUMENT, () -> session.logits(1, new float[VOCABULARY]));
        assertRefused(Status.ARGUMENT, () -> session.logits(new float[2 * VOCABULARY]));
        assertRefused(Status.ARGUMENT, () -> session.logits(new float[VOCABULARY - 1]));
        assertRefused(Status.ARGUMENT, () -> session.logits(new float[0]));
        assertRefused(Status.STATE, () -> session.hidden(0, new float[WIDTH]));
        session.truncate(2);
        assertRefused(Status.STATE, () -> session.logits(new float[VOCABULARY]));
    }

    @Test
    void outputMemoryIsChecked() {
        session.append(5);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment target = arena.allocate(ValueLayout.JAVA_FLOAT, VOCABULARY);

            assertRefused(Status.ARGUMENT, () -> session.logits(0, 1, target.asReadOnly()));
            assertRefused(Status.CAPACITY, () -> session.logits(0, 1, target.asSlice(4)));
            assertRefused(Status.ARGUMENT, () -> session.logits(0, 1, MemorySegment.ofArray(new float[VOCABULARY])));
            assertRefused(Status.ARGUMENT, () -> session.logits(0, 0, target));
            session.logits(0, 1, target);
        }
    }

    @Test
    void rowMemoryIsChecked() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment rows = model.embed(new int[] {5, 6}, arena);

            assertRefused(Status.ARGUMENT, () -> session.append(rows, RowType.F32, 3));
            assertRefused(Status.ARGUMENT, () -> session.append(rows, RowType.F32, 0));
            assertRefused(Status.ARGUMENT, () -> session.append(rows.asSlice(2), RowType.F32, 1));
            assertRefused(Status.ARGUMENT, () -> session.append(MemorySegment.ofArray(new float[64]), RowType.F32, 1));
            session.append(arena.allocate(130, 4).asSlice(2), RowType.F16, 1);
            rows.setAtIndex(ValueLayout.JAVA_FLOAT, 3, Float.NaN);
            assertRefused(Status.ARGUMENT, () -> session.append(rows, RowType.F32, 2));
        }
    }

    /** Of several batches, the last of which cannot be appended, none is: the outputs of the call before are still there. */
    @Test
    void aForeignTokenLeavesTheOutputsAlone() {
        session.append(DigesterTest.tokens(3));
        float[] before = logits(session);
        int[] tokens = DigesterTest.tokens(40);
        tokens[39] = 1_000_000;

        assertRefused(Status.ARGUMENT, () -> session.append(tokens));
        assertRefused(Status.ARGUMENT, () -> session.append(Prompt.of(tokens)));
        assertThat(session.length()).isEqualTo(3);
        assertThat(logits(session)).isEqualTo(before);
    }

    @Test
    void nothingIsAppendedWhereThereIsNoRoom() {
        session.append(DigesterTest.tokens(60));
        float[] before = logits(session);

        assertRefused(Status.CAPACITY, () -> session.append(DigesterTest.tokens(5)));
        assertRefused(Status.CAPACITY, () -> session.append(DigesterTest.tokens(40)));
        assertThat(session.length()).isEqualTo(60);
        assertThat(logits(session)).isEqualTo(before);
        session.append(DigesterTest.tokens(4));
        assertRefused(Status.CAPACITY, () -> session.append(5));
    }

    @Test
    void failedAppendLeavesTheTimeline() {
        session.append(5, 6, 7);
        float[] expected = logits(session);
        int[] tokens = DigesterTest.tokens(40);
        tokens[39] = VOCABULARY;

        assertRefused(Status.ARGUMENT, () -> session.append(tokens));
        assertThat(session.length()).isEqualTo(3);
        assertRefused(Status.ARGUMENT, () -> session.append(-1));
        assertRefused(Status.ARGUMENT, () -> session.append(new int[0]));
        assertRefused(Status.ARGUMENT, () -> session.append(new int[] {5, 6}, Outputs.logits(3)));
        assertRefused(Status.ARGUMENT, () -> session.append(DigesterTest.tokens(30), Outputs.logits(17)));
        assertThat(session.length()).isEqualTo(3);
        session.truncate(2);
        session.append(7);
        assertThat(TestData.relativeL2(logits(session), expected)).isLessThan(TestData.rounding(1e-5));
    }

    @Test
    void truncatedPositionsAreForgotten() {
        session.append(5, 6, 7);
        float[] expected = logits(session);
        session.append(8, 9);
        session.truncate(2);
        session.append(7);

        assertThat(TestData.relativeL2(logits(session), expected)).isLessThan(TestData.rounding(1e-5));
        assertRefused(Status.ARGUMENT, () -> session.truncate(4));
        assertRefused(Status.ARGUMENT, () -> session.truncate(-1));
    }

    @Test
    void greedyChoiceIsTheMostLikelyToken() {
        session.append(5, 6, 7);
        float[] logits = logits(session);
        int best = 0;
        for (int i = 1; i < logits.length; i++) {
            best = logits[i] > logits[best] ? i : best;
        }

        assertThat(session.sample(Sampling.greedy())).isEqualTo(best);
        assertThat(session.sample(Sampling.of(1).withTopK(1))).isEqualTo(best);
        assertThat(session.length()).isEqualTo(3);
    }

    @Test
    void drawDependsOnTheSeed() {
        session.append(5, 6, 7);
        List<Integer> drawn = LongStream.range(0, 20)
                .mapToObj(seed -> session.sample(Sampling.of(2).withSeed(seed)))
                .toList();

        assertThat(session.sample(Sampling.of(2).withSeed(7))).isEqualTo(drawn.get(7));
        assertThat(drawn.stream().distinct().count()).isGreaterThan(5);
    }

    @Test
    void stateComesBack() {
        session.append(DigesterTest.tokens(20));
        float[] expected = logits(session);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment state = session.saveState(arena);
            session.append(5);
            float[] next = logits(session);
            try (Session other = model.openSession(OPTIONS)) {
                other.restoreState(state);
                assertThat(other.length()).isEqualTo(20);
                assertThat(logits(other)).isEqualTo(expected);
                other.append(5);
                assertThat(logits(other)).isEqualTo(next);
            }
        }
    }

    @Test
    void statesThatDoNotFitAreRefused() {
        session.append(DigesterTest.tokens(20));
        try (Arena arena = Arena.ofConfined();
                Session halves = model.openSession(OPTIONS.withKvType(KvType.F16));
                Session small = model.openSession(OPTIONS.withContextLength(16))) {
            MemorySegment state = session.saveState(arena);

            assertRefused(Status.MISMATCH, () -> halves.restoreState(state));
            assertRefused(Status.CAPACITY, () -> small.restoreState(state));
            assertRefused(Status.FORMAT, () -> session.restoreState(state.asSlice(0, state.byteSize() - 1)));
            assertRefused(Status.ARGUMENT, () -> session.restoreState(MemorySegment.ofArray(new byte[100])));
            state.setAtIndex(ValueLayout.JAVA_BYTE, state.byteSize() - 1, (byte)
                    (state.getAtIndex(ValueLayout.JAVA_BYTE, state.byteSize() - 1) ^ 1));
            assertRefused(Status.FORMAT, () -> session.restoreState(state));
            assertThat(session.length()).isEqualTo(20);
        }
    }

    @Test
    void digestOfAnotherModelIsRefused() {
        MemorySegment rows = Arena.ofAuto().allocate(2 * WIDTH * Float.BYTES, Float.BYTES);
        List<Digest.Chunk> chunks = List.of(new Digest.Chunk(0, 9));
        Digest other =
                new Digest(rows, RowType.F32, WIDTH, chunks, new Digest.Origin("another model", 1, "former", 2, ""));
        Digest unknown = new Digest(rows, RowType.F32, WIDTH, chunks, new Digest.Origin("", 0, "former", 2, ""));
        Digest narrow = new Digest(rows, RowType.F32, WIDTH / 2, chunks, new Digest.Origin("", 0, "former", 2, ""));

        assertThatThrownBy(() -> session.append(other))
                .isInstanceOfSatisfying(
                        IcfException.class, e -> assertThat(e.status()).isEqualTo(Status.MISMATCH))
                .hasMessageContainingAll(
                        "'another model'",
                        "0000000000000001",
                        "'" + model.info().name() + "'");
        assertRefused(Status.MISMATCH, () -> session.append(narrow));
        session.append(unknown);
        assertThat(session.length()).isEqualTo(2);
    }

    private static float[] logits(Session session) {
        float[] logits = new float[VOCABULARY];
        session.logits(logits);
        return logits;
    }

    private static void assertRefused(Status status, ThrowingCallable call) {
        assertThatThrownBy(call)
                .isInstanceOfSatisfying(
                        IcfException.class, e -> assertThat(e.status()).isEqualTo(status));
    }
}
