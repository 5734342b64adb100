package icformer.cli.bench;

import icformer.Digest;
import icformer.DigestOptions;
import icformer.Digester;
import icformer.DigesterOptions;
import icformer.Model;
import icformer.Outputs;
import icformer.RowType;
import icformer.Sampling;
import icformer.Session;
import icformer.SessionOptions;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;

/** What {@code icf bench} measures on one pair of files. */
final class Benchmarks {
    /** Opens the former, as often as a cold token table is needed. */
    @FunctionalInterface
    interface FormerOpener {
        Digester open(DigesterOptions options) throws IOException;
    }

    /**
     * How often and how large.
     *
     * @param shape name of the shape in the results
     * @param batch contexts in one call, or rows of a batch; 0 for 1, or 512
     * @param runs samples of each measurement
     * @param warmUp runs before them that are not counted: pages of the weights are read and graphs are built then
     */
    record Setup(String shape, int batch, int threads, int runs, int warmUp) {}

    /** In a window of 512 tokens of a text about two of five tokens are new ones. */
    private static final double DISTINCT_SHARE = 0.4;

    /** Rows that follow the context in a question to it. */
    private static final int QUESTION_TOKENS = 32;

    private static final int DEFAULT_BATCH_ROWS = 512;
    private static final int DEFAULT_MEMORY_ROWS = 128;

    private final Model model;
    private final FormerOpener former;
    private final DigesterOptions digesterOptions;
    private final Setup setup;
    private final BenchWork work;
    private final Random random = new Random(1);

    Benchmarks(Model model, FormerOpener former, DigesterOptions digesterOptions, Setup setup) {
        this.model = model;
        this.former = former;
        this.digesterOptions = digesterOptions;
        this.setup = setup;
        this.work = BenchWork.of(model.info(), model.metadata());
    }

    private interface Run {
        void run() throws IOException;
    }

    /** Milliseconds of each run. */
    private List<Double> time(Run run) throws IOException {
        for (int i = 0; i < setup.warmUp(); i++) {
            run.run();
        }
        List<Double> samples = new ArrayList<>();
        for (int i = 0; i < setup.runs(); i++) {
            long start = System.nanoTime();
            run.run();
            samples.add((System.nanoTime() - start) / 1e6);
        }
        return samples;
    }

    // ---- Compression by the IC-Former ----

    /** {@code batch} contexts of {@code n} tokens, all of them in the token table. */
    BenchResult compress(int n) throws IOException {
        return digest("compress", n, digesterOptions.withMethod(DigesterOptions.Method.FAST));
    }

    /** The same, step by step as in the reference. */
    BenchResult compressPlain(int n) throws IOException {
        return digest("compress_plain", n, digesterOptions.withMethod(DigesterOptions.Method.PLAIN));
    }

    private BenchResult digest(String name, int n, DigesterOptions options) throws IOException {
        int batch = Math.max(1, setup.batch());
        try (Digester digester = former.open(options);
                Arena arena = Arena.ofShared()) {
            int length = Math.toIntExact(Digester.chunkLength(n, digester.info().chunkLength()));
            int chunks = batch * Math.ceilDiv(n, length);
            int[] tokens = tokens(n * batch, 0, distinct(n));
            digester.prepare(tokens);
            DigestOptions how = DigestOptions.defaults()
                    .withMaxChunk(length)
                    .withBatch(chunks)
                    .withArena(arena);
            List<Double> samples = time(() -> digester.digest(tokens, how));
            boolean plain = digester.info().method() == DigesterOptions.Method.PLAIN;
            long products = (long) chunks
                    * (plain
                            ? BenchWork.plainChunk(digester.info(), length)
                            : BenchWork.fastChunk(digester.info(), length));
            return result(
                    name,
                    digester.info().type(),
                    n,
                    batch,
                    digester.info().threads(),
                    (long) n * batch,
                    products,
                    samples);
        }
    }

    /** A context of tokens that the table does not hold yet; other tokens in each run. */
    BenchResult compressCold(int n) throws IOException {
        int distinct = distinct(n);
        int batches = Math.max(1, usableTokens() / distinct); // of tokens that are still missing
        List<Double> samples = new ArrayList<>();
        Digester digester = former.open(digesterOptions.withMethod(DigesterOptions.Method.FAST));
        try {
            digester.digest(tokens(n, 0, distinct)); // graphs are built, and only the tokens are new from now on
            int used = 1;
            for (int i = 0; i < setup.runs(); i++, used++) {
                if (used >= batches) {
                    digester.close();
                    digester = former.open(digesterOptions.withMethod(DigesterOptions.Method.FAST));
                    used = 0;
                }
                int[] tokens = tokens(n, used * distinct, distinct);
                long start = System.nanoTime();
                digester.digest(tokens);
                samples.add((System.nanoTime() - start) / 1e6);
            }
            int length = Math.toIntExact(Digester.chunkLength(n, digester.info().chunkLength()));
            long products = Math.ceilDiv(n, length) * BenchWork.fastChunk(digester.info(), length)
                    + BenchWork.contributions(digester.info(), distinct);
            return result(
                    "compress_cold",
                    digester.info().type(),
                    n,
                    1,
                    digester.info().threads(),
                    n,
                    products,
                    samples);
        } finally {
            digester.close();
        }
    }

    // ---- Compression by the LLM's own self-attention, the baseline ----

    /** A context, then memory rows whose hidden states are read: as many as the former has digest rows. */
    BenchResult compressBySelfAttention(int n) throws IOException {
        int memory = memoryRows();
        int batch = rowsOfBatch();
        try (Session session = session(n + memory, Math.max(batch, memory));
                Arena arena = Arena.ofShared()) {
            int[] tokens = tokens(n, 0, distinct(n));
            MemorySegment rows = model.embed(tokens(memory, 0, memory), arena);
            float[] hidden = new float[memory * model.info().width()];
            List<Double> samples = time(() -> {
                session.truncate(0);
                session.append(tokens, Outputs.NONE);
                session.append(rows, RowType.F32, memory, Outputs.hidden(memory));
                session.hidden(0, hidden);
            });
            long products = work.batch(memory, n, memory, false);
            for (int first = 0; first < n; first += session.info().batchLength()) {
                products += work.batch(Math.min(session.info().batchLength(), n - first), first, 0, false);
            }
            return result("compress_self_attention", n, session, n, products, samples);
        }
    }

    private int memoryRows() throws IOException {
        if (!hasFormer()) {
            return DEFAULT_MEMORY_ROWS;
        }
        try (Digester digester = former.open(
                digesterOptions.withMaxTableBytes(DigesterOptions.NO_TABLE).withMethod(DigesterOptions.Method.PLAIN))) {
            return digester.info().digestRows();
        }
    }

    private boolean hasFormer() {
        return former != NO_FORMER;
    }

    /** In the place of a former where only the LLM is measured. */
    static final FormerOpener NO_FORMER = _ -> {
        throw new IllegalStateException("there is no former to measure");
    };

    // ---- Decoding ----

    /** A prompt, with the logits of its last token. */
    BenchResult prefill(int n) throws IOException {
        int batch = rowsOfBatch();
        try (Session session = session(n, batch)) {
            int[] tokens = tokens(n, 0, distinct(n));
            List<Double> samples = time(() -> {
                session.truncate(0);
                session.append(tokens, Outputs.LAST);
            });
            return result(
                    "prefill", n, session, n, work.prompt(n, 0, session.info().batchLength()), samples);
        }
    }

    /** {@code n} greedy tokens after one, one by one. The samples are of single tokens. */
    BenchResult decode(int n) throws IOException {
        try (Session session = session(n + 1, rowsOfBatch())) {
            int[] first = tokens(1, 0, 1);
            Sampling greedy = Sampling.greedy();
            double[] millis = new double[n];
            List<Double> samples = new ArrayList<>();
            for (int run = -setup.warmUp(); run < setup.runs(); run++) {
                session.truncate(0);
                session.append(first, Outputs.LAST);
                long start = System.nanoTime();
                for (int i = 0; i < n; i++) {
                    session.append(session.sample(greedy));
                    long end = System.nanoTime();
                    millis[i] = (end - start) / 1e6;
                    start = end;
                }
                if (run >= 0) {
                    for (double each : millis) {
                        samples.add(each);
                    }
                }
            }
            return result("decode", n, session, 1, work.batch(1, n / 2, 1, true), samples);
        }
    }

    // ---- Time to the first token of an answer ----

    /** Compresses a context that is in the token table, and reads digest and question. */
    BenchResult firstToken(int n) throws IOException {
        try (Digester digester = former.open(digesterOptions);
                Arena arena = Arena.ofShared()) {
            int[] tokens = tokens(n, 0, distinct(n));
            int[] question = tokens(QUESTION_TOKENS, 0, QUESTION_TOKENS);
            digester.prepare(tokens);
            int length = Math.toIntExact(Digester.chunkLength(n, digester.info().chunkLength()));
            int chunks = Math.ceilDiv(n, length);
            int rows = chunks * digester.info().digestRows();
            Sampling greedy = Sampling.greedy();
            try (Session session = session(rows + QUESTION_TOKENS, rowsOfBatch())) {
                List<Double> samples = time(() -> {
                    Digest digest =
                            digester.digest(tokens, DigestOptions.defaults().withArena(arena));
                    session.truncate(0);
                    session.append(digest, Outputs.NONE);
                    session.append(question, Outputs.LAST);
                    session.sample(greedy);
                });
                long products = chunks * BenchWork.fastChunk(digester.info(), length)
                        + work.prompt(rows + QUESTION_TOKENS, 0, session.info().batchLength());
                return result("first_token", n, session, n, products, samples);
            }
        }
    }

    /** Reads the whole context and the question. */
    BenchResult firstTokenFull(int n) throws IOException {
        try (Session session = session(n + QUESTION_TOKENS, rowsOfBatch())) {
            int[] tokens = tokens(n + QUESTION_TOKENS, 0, distinct(n));
            Sampling greedy = Sampling.greedy();
            List<Double> samples = time(() -> {
                session.truncate(0);
                session.append(tokens, Outputs.LAST);
                session.sample(greedy);
            });
            long products = work.prompt(n + QUESTION_TOKENS, 0, session.info().batchLength());
            return result("first_token_full", n, session, n, products, samples);
        }
    }

    // ---- Tokens and results ----

    private int rowsOfBatch() {
        return setup.batch() > 0 ? setup.batch() : DEFAULT_BATCH_ROWS;
    }

    private Session session(int positions, int batch) {
        return model.openSession(SessionOptions.defaults()
                .withThreads(setup.threads())
                .withContextLength(positions)
                .withBatchLength(Math.min(batch, positions)));
    }

    private int distinct(int n) {
        return Math.clamp(Math.round(n * DISTINCT_SHARE), 1, usableTokens());
    }

    /** The upper half of a vocabulary holds words, not control tokens or bytes. */
    private int usableTokens() {
        return model.info().vocabularySize() / 2;
    }

    /** A shuffled context in which each of {@code distinct} tokens, the {@code first} and those after it, appears. */
    private int[] tokens(int n, int first, int distinct) {
        int usable = usableTokens();
        List<Integer> ids = new ArrayList<>(IntStream.range(0, n)
                .mapToObj(i -> usable + (first + i % distinct) % usable)
                .toList());
        Collections.shuffle(ids, random);
        return ids.stream().mapToInt(Integer::intValue).toArray();
    }

    private BenchResult result(String name, int n, Session session, long rows, long products, List<Double> samples) {
        return result(
                name,
                model.info().type(),
                n,
                session.info().batchLength(),
                session.info().threads(),
                rows,
                products,
                samples);
    }

    private BenchResult result(
            String name, String type, int n, int batch, int threads, long rows, long products, List<Double> samples) {
        return new BenchResult(name, setup.shape(), type, n, batch, threads, rows, products, samples, setup.runs());
    }
}
