package icformer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import icformer.error.IcfException;
import icformer.error.Status;
import icformer.files.GgufFile;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What must never crash: objects closed in any order, twice, too early, from any thread, during a call. */
@Timeout(60)
class LifecycleTest {
    private static final SessionOptions OPTIONS = new SessionOptions(1, 512, 0, KvType.F16);

    @Test
    void useAfterCloseIsAnException() throws IOException {
        Model model = Model.open(TestData.LLM);
        Digester digester = model.openDigester(TestData.former(), TestData.ONE_THREAD);
        Session session = model.openSession(OPTIONS);
        session.append(5);
        GgufFile file = GgufFile.open(TestData.LLM);
        session.close();
        digester.close();
        model.close();
        file.close();

        try (Arena arena = Arena.ofConfined()) {
            List<ThrowingCallable> calls = List.of(
                    () -> session.append(5),
                    () -> session.append(5, 6),
                    () -> session.append(arena.allocate(256, 4), RowType.F32, 1),
                    () -> session.sample(Sampling.greedy()),
                    () -> session.logits(new float[512]),
                    () -> session.hidden(0, new float[64]),
                    session::length,
                    session::scratchBytes,
                    () -> session.truncate(0),
                    () -> session.saveState(arena),
                    () -> session.restoreState(arena.allocate(8)));
            for (ThrowingCallable call : calls) {
                assertState(call, "the session is closed");
            }
            assertState(() -> digester.digest(new int[] {5}), "the digester is closed");
            assertState(() -> digester.digestEmbeddings(arena.allocate(256, 4), 1), "the digester is closed");
            assertState(() -> digester.marker(Marker.FT, arena), "the digester is closed");
            assertState(() -> digester.metadata().text("general.name"), "the digester is closed");
            assertState(digester::scratchBytes, "the digester is closed");
            assertState(() -> model.embed(new int[] {5}, arena), "the model is closed");
            assertState(() -> model.openSession(OPTIONS), "the model is closed");
            assertState(() -> model.openDigester(TestData.former(), TestData.ONE_THREAD), "the model is closed");
            assertState(() -> model.metadata().text("general.name"), "the model is closed");
            assertState(() -> file.tensors(), "the GGUF file is closed");
        }
        assertThat(model.info().width()).isEqualTo(digester.info().width());
        assertThat(session.info().contextLength()).isEqualTo(512);
    }

    @Test
    void closingAgainDoesNothing() throws IOException {
        Model model = Model.open(TestData.LLM);
        Session session = model.openSession(OPTIONS);
        Digester digester = model.openDigester(TestData.former(), TestData.ONE_THREAD);
        GgufFile file = GgufFile.open(TestData.LLM);
        for (int i = 0; i < 3; i++) {
            assertThatCode(() -> {
                        model.close();
                        digester.close();
                        session.close();
                        file.close();
                    })
                    .doesNotThrowAnyException();
        }
    }

    @Test
    void sessionsAndDigestersOutliveTheirModel() throws IOException {
        Model model = Model.open(TestData.LLM);
        model.tokenizer();
        try (Session session = model.openSession(OPTIONS);
                Digester digester = model.openDigester(TestData.former(), TestData.ONE_THREAD)) {
            session.append(5, 6);
            int expected = session.sample(Sampling.greedy());
            model.close();
            session.truncate(0);
            session.append(5, 6);

            assertThat(session.sample(Sampling.greedy())).isEqualTo(expected);
            session.append(digester.digest(new int[] {7, 8}));
            assertThat(session.generate(Sampling.greedy(), 4).text()).isNotNull();
        }
    }

    @Test
    void digestsOutliveDigesterAndModel() throws IOException {
        Digest digest;
        try (Model model = Model.open(TestData.LLM);
                Digester digester = model.openDigester(TestData.former(), TestData.ONE_THREAD)) {
            digest = digester.digest(new int[] {7, 8});
        }
        try (Model model = Model.open(TestData.LLM);
                Session session = model.openSession(OPTIONS)) {
            session.append(digest);
            assertThat(session.length()).isEqualTo(digest.rowCount());
        }
    }

    @Test
    void digestOfAClosedArenaIsRefused() throws IOException {
        try (Model model = Model.open(TestData.LLM);
                Digester digester = model.openDigester(TestData.former(), TestData.ONE_THREAD);
                Session session = model.openSession(OPTIONS)) {
            Digest digest;
            try (Arena arena = Arena.ofConfined()) {
                digest = digester.digest(
                        new int[] {7, 8}, DigestOptions.defaults().withArena(arena));
            }
            assertState(() -> session.append(digest), "rows: the arena of the segment is closed");
            assertState(
                    () -> digester.digest(
                            new int[] {7}, DigestOptions.defaults().withArena(closedArena())),
                    "closed");
        }
    }

    @Test
    void closeDuringACallIsRefusedAndHarmless() throws Exception {
        try (Model model = Model.open(TestData.LLM);
                ExecutorService pool = Executors.newSingleThreadExecutor()) {
            Digester digester = model.openDigester(TestData.former(), TestData.ONE_THREAD);
            CountDownLatch inside = new CountDownLatch(1);
            CountDownLatch goOn = new CountDownLatch(1);
            DigestOptions options = DigestOptions.defaults().withMaxChunk(8).withProgress((_, _) -> {
                inside.countDown();
                return await(goOn);
            });
            Future<Digest> digest = pool.submit(() -> digester.digest(DigesterTest.tokens(32), options));
            inside.await();

            assertState(digester::close, "the digester is in use: it cannot be closed during a call");
            assertState(() -> digester.digest(new int[] {5}), "the digester is in use: it takes one call at a time");
            goOn.countDown();
            assertThat(digest.get().chunks()).hasSize(4);
            digester.close();
            assertState(() -> digester.digest(new int[] {5}), "the digester is closed");
        }
    }

    /** Closes race with native calls that are really under way; whoever is late gets an exception. */
    @Test
    void closeMayRaceWithCalls() throws Exception {
        try (Model model = Model.open(TestData.LLM);
                ExecutorService pool = Executors.newFixedThreadPool(2)) {
            AtomicInteger refused = new AtomicInteger();
            for (int round = 0; round < 50; round++) {
                Session session = model.openSession(OPTIONS);
                CountDownLatch begun = new CountDownLatch(1);
                Future<?> caller = pool.submit(() -> {
                    for (int i = 0; i < 100; i++) {
                        session.append(5);
                        begun.countDown();
                    }
                });
                Future<?> closer = pool.submit(() -> {
                    await(begun);
                    while (true) {
                        try {
                            session.close();
                            return;
                        } catch (IcfException e) {
                            refused.incrementAndGet();
                        }
                    }
                });
                closer.get();
                assertThatThrownBy(() -> {
                            caller.get();
                            session.append(5);
                        })
                        .hasStackTraceContaining("the session is closed");
            }
            assertThat(refused.get()).isPositive();
        }
    }

    @Test
    void twoThreadsInOneSessionGetAnExceptionAndNoNonsense() throws Exception {
        try (Model model = Model.open(TestData.LLM);
                Session session = model.openSession(OPTIONS.withContextLength(2048));
                ExecutorService pool = Executors.newFixedThreadPool(4)) {
            AtomicInteger appended = new AtomicInteger();
            AtomicInteger busy = new AtomicInteger();
            List<Future<?>> tasks = new ArrayList<>();
            for (int thread = 0; thread < 4; thread++) {
                int token = 5 + thread;
                tasks.add(pool.submit(() -> {
                    for (int i = 0; i < 200; i++) {
                        try {
                            session.append(token);
                            appended.incrementAndGet();
                            session.sample(Sampling.greedy());
                        } catch (IcfException e) {
                            assertThat(e.status()).isEqualTo(Status.STATE);
                            busy.incrementAndGet();
                        }
                    }
                }));
            }
            for (Future<?> task : tasks) {
                task.get();
            }

            assertThat(session.length()).isEqualTo(appended.get());
            assertThat(busy.get()).isPositive();
        }
    }

    @Test
    void manyThreadsShareOneModel() throws Exception {
        try (Model model = Model.open(TestData.LLM);
                ExecutorService pool = Executors.newVirtualThreadPerTaskExecutor()) {
            AtomicBoolean same = new AtomicBoolean(true);
            int expected = greedy(model);
            List<Future<?>> tasks = new ArrayList<>();
            for (int i = 0; i < 8; i++) {
                tasks.add(pool.submit(() -> {
                    try (Arena arena = Arena.ofConfined()) {
                        model.embed(new int[] {5, 6}, arena);
                    }
                    same.compareAndSet(true, greedy(model) == expected);
                    return model.metadata().texts("tokenizer.ggml.tokens").size()
                            + model.tokenizer().vocabularySize();
                }));
            }
            for (Future<?> task : tasks) {
                assertThat(task.get()).isEqualTo(1024);
            }
            assertThat(same).isTrue();
        }
    }

    private static int greedy(Model model) {
        try (Session session = model.openSession(OPTIONS)) {
            session.append(5, 6, 7);
            return session.sample(Sampling.greedy());
        }
    }

    private static Arena closedArena() {
        Arena arena = Arena.ofShared();
        arena.close();
        return arena;
    }

    private static boolean await(CountDownLatch latch) {
        try {
            return latch.await(30, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    private static void assertState(ThrowingCallable call, String message) {
        assertThatThrownBy(call)
                .isInstanceOfSatisfying(
                        IcfException.class, e -> assertThat(e.status()).isEqualTo(Status.STATE))
                .hasMessageContaining(message);
    }
}
