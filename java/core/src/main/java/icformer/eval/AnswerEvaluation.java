package icformer.eval;

import icformer.ContextPrompt;
import icformer.Digest;
import icformer.DigestOptions;
import icformer.Digester;
import icformer.Former;
import icformer.Model;
import icformer.Outputs;
import icformer.Prompt;
import icformer.Sampling;
import icformer.Session;
import icformer.SessionOptions;
import icformer.error.IcfException;
import icformer.error.Status;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Lets an LLM answer questions from digests of contexts and from the contexts themselves, and reconstruct contexts from their
 * digests; greedily, as models/train/evaluate.py does.
 */
public final class AnswerEvaluation {
    /** Tokens that the reconstruction of a chunk may be longer than the chunk. */
    private static final int RECONSTRUCTED_BEYOND = 8;

    private static final int[] NOTHING = {};

    /** From what a question is answered. */
    public enum Source {
        /** The digest of the context. */
        DIGEST,
        /** The context. */
        FULL,
        /** As many of the context's first tokens as its digest has rows. */
        TRUNCATED,
        /** The question alone. */
        NONE;

        /** As it is named in results. */
        public String key() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /**
     * How it is measured.
     *
     * @param digest how contexts are digested, in chunks as the former was trained
     * @param maxTokens most tokens of an answer
     * @param reconstructions contexts to reconstruct, the first ones; 0 for a former that was not trained to
     * @param fullReader whether a former's reader, where it brings one, is on for the context itself, too, and where there is
     *     none: then all sources are read with the same weights
     * @param session how the session is opened; its length is chosen by what it has to hold
     */
    public record Settings(
            DigestOptions digest, int maxTokens, int reconstructions, boolean fullReader, SessionOptions session) {}

    /**
     * An answer.
     *
     * @param context index of the case
     * @param question what was asked
     * @param source what it was answered from
     * @param found the answer
     * @param loss negative log-likelihood of the first right answer and its end, in nats
     * @param tokens number of their tokens
     */
    public record Answer(
            int context, AnswerCase.Question question, Source source, String found, double loss, int tokens) {}

    /**
     * What was measured.
     *
     * @param scores by source
     * @param bleu BLEU-4 of reconstructions by the class of the context's length; empty where there were none
     */
    public record Results(Map<Source, AnswerScores> scores, Map<Integer, AnswerScores.Mean> bleu) {}

    private final Model model;
    private final Digester digester;
    private final List<AnswerCase> cases;
    private final Settings settings;
    private final Former former;
    private final ContextPrompt prompt;
    private final float[] logits;

    public AnswerEvaluation(Model model, Digester digester, List<AnswerCase> cases, Settings settings) {
        this.model = model;
        this.digester = digester;
        this.cases = cases;
        this.settings = settings;
        this.former = digester.former();
        this.prompt = ContextPrompt.of(former, model);
        this.logits = new float[model.info().vocabularySize()];
    }

    /** Answers and reconstructions that {@link #run} goes through. */
    public long steps(Set<Source> sources) {
        long questions =
                cases.stream().mapToLong(each -> each.questions().size()).sum();
        int reconstructions = sources.contains(Source.DIGEST) ? Math.min(settings.reconstructions(), cases.size()) : 0;
        return questions * sources.size() + reconstructions;
    }

    /**
     * Measures.
     *
     * @param sources what to answer from; with {@link Source#DIGEST} contexts are reconstructed, too
     * @param step is called after every answer and reconstruction
     * @param answers is told of every answer
     * @throws IcfException of status CAPACITY, before anything is measured, if the LLM was trained for less positions than an
     *     answer or a reconstruction takes
     */
    public Results run(Set<Source> sources, Runnable step, Consumer<Answer> answers) {
        List<int[]> contexts =
                cases.stream().map(each -> prompt.encodeContext(each.context())).toList();
        Results results = new Results(new EnumMap<>(Source.class), new TreeMap<>());
        sources.forEach(source -> results.scores().put(source, new AnswerScores()));
        try (Session session = open(sources, contexts)) {
            for (int i = 0; i < cases.size(); i++) {
                int[] context = contexts.get(i);
                int length = lengthClass(context.length);
                Digest digest = sources.contains(Source.DIGEST) ? digester.digest(context, settings.digest()) : null;
                for (Map.Entry<Source, AnswerScores> scores : results.scores().entrySet()) {
                    Source source = scores.getKey();
                    long front = appendFront(session, source, context, digest);
                    for (AnswerCase.Question question : cases.get(i).questions()) {
                        session.truncate(front);
                        session.append(read(source, prompt.question(question.text())));
                        answers.accept(score(session, scores.getValue(), i, question, source, length));
                        step.run();
                    }
                }
                if (digest != null && i < settings.reconstructions()) {
                    results.bleu()
                            .computeIfAbsent(length, _ -> new AnswerScores.Mean())
                            .add(reconstruct(session, cases.get(i).context()));
                    step.run();
                }
            }
        }
        return results;
    }

    /** The upper bound of a length's class: a multiple of a quarter of a chunk, or a chunk doubled once or more. */
    private int lengthClass(int length) {
        int quarter = Math.ceilDiv(digester.info().chunkLength(), 4);
        if (length <= 4 * quarter) {
            return Math.ceilDiv(Math.max(length, 1), quarter) * quarter;
        }
        int bound = 4 * quarter;
        while (bound < length) {
            bound *= 2;
        }
        return bound;
    }

    // ---- Room ----

    private Session open(Set<Source> sources, List<int[]> contexts) {
        long most = 0;
        for (int i = 0; i < cases.size(); i++) {
            int length = contexts.get(i).length;
            for (AnswerCase.Question question : cases.get(i).questions()) {
                int answer = Math.max(settings.maxTokens(), answer(question).length);
                for (Source source : sources) {
                    long positions = frontLength(source, length)
                            + prompt.with(NOTHING, question.text()).length()
                            + answer;
                    check(
                            positions,
                            "a context of %d tokens, its question and its answer take".formatted(length),
                            source);
                    most = Math.max(most, positions);
                }
            }
            if (sources.contains(Source.DIGEST) && i < settings.reconstructions()) {
                int chunk = Math.min(length + 1, digester.info().chunkLength()); // 1: BOS
                long positions = digestRows(chunk) + 1 + chunk + RECONSTRUCTED_BEYOND; // 1: marker AE
                check(positions, "the reconstruction of a chunk of %d tokens takes".formatted(chunk), Source.DIGEST);
                most = Math.max(most, positions);
            }
        }
        return model.openSession(settings.session().withContextLength((int) most));
    }

    private void check(long positions, String what, Source source) {
        int trained = model.info().trainedContext();
        if (positions > trained) {
            String taken = "%s %d positions (%s)".formatted(what, positions, source.key());
            throw new IcfException(Status.CAPACITY, "%s, but the LLM was trained for %d".formatted(taken, trained));
        }
    }

    /** Positions of what stands in the place of the context. */
    private long frontLength(Source source, int length) {
        return switch (source) {
            case DIGEST -> digestRows(length) + 1;
            case FULL -> length;
            case TRUNCATED -> Math.min(length, digestRows(length));
            case NONE -> 0;
        };
    }

    private long digestRows(int length) {
        int kept = settings.digest().chunkRows();
        long chunk = Digester.chunkLength(Math.max(length, 1), digester.info().chunkLength());
        return Math.ceilDiv(length, chunk)
                * (kept == DigestOptions.ALL_ROWS ? digester.info().digestRows() : kept);
    }

    // ---- Answers ----

    /** Reads what stands before all questions about a context; the session's length with it. */
    private long appendFront(Session session, Source source, int[] context, @Nullable Digest digest) {
        session.truncate(0);
        Prompt front = digest != null && source == Source.DIGEST
                ? prompt.front(digest)
                : prompt.front(Arrays.copyOf(context, (int) frontLength(source, context.length)));
        if (front.length() > 0) {
            session.append(read(source, front));
        }
        return session.length();
    }

    /** A part of a prompt with the former's reader, or without. */
    private Prompt read(Source source, Prompt part) {
        return source == Source.DIGEST || settings.fullReader() ? part.readBy(former) : part;
    }

    /** Generates an answer behind the prompt, and lets the LLM predict the wanted one there. */
    private Answer score(
            Session session,
            AnswerScores scores,
            int context,
            AnswerCase.Question question,
            Source source,
            int length) {
        long end = session.length();
        int[] wanted = answer(question);
        double sum = 0;
        if (wanted.length > 0) {
            session.logits(logits);
            double loss = LogProbabilities.negative(logits, wanted[0]);
            scores.addLoss(loss);
            sum += loss;
        }
        String found = session.generate(Sampling.greedy(), settings.maxTokens()).text();
        scores.add(question, length, found);
        session.truncate(end);
        int batch = session.info().batchLength();
        for (int first = 0; first < wanted.length - 1; first += batch) {
            int[] part = Arrays.copyOfRange(wanted, first, Math.min(first + batch, wanted.length - 1));
            session.append(part, Outputs.logits(part.length));
            for (int i = 0; i < part.length; i++) {
                session.logits(i, logits);
                double loss = LogProbabilities.negative(logits, wanted[first + i + 1]);
                scores.addLoss(loss);
                sum += loss;
            }
        }
        return new Answer(context, question, source, found, sum, wanted.length);
    }

    /** The tokens of a wanted answer and of its end. */
    private int[] answer(AnswerCase.Question question) {
        int[] tokens = prompt.encodeAnswer(question.answer());
        return IntStream.concat(IntStream.of(tokens), model.tokenizer().eos().stream())
                .toArray();
    }

    // ---- Reconstructions ----

    /**
     * BLEU-4 of what the LLM makes of a digest. Each chunk is reproduced from its own rows, as it was digested, and the copies
     * follow each other; the context begins as every sequence does.
     */
    private double reconstruct(Session session, String text) {
        int[] wanted = model.tokenizer().encode(text);
        List<Integer> found = new ArrayList<>();
        int chunk = (int) Digester.chunkLength(wanted.length, digester.info().chunkLength());
        for (int first = 0; first < wanted.length; first += chunk) {
            int[] part = Arrays.copyOfRange(wanted, first, Math.min(first + chunk, wanted.length));
            session.truncate(0);
            session.append(prompt.forReconstruction(digester.digest(part, settings.digest())));
            session.generate(Sampling.greedy(), part.length + RECONSTRUCTED_BEYOND)
                    .forEachRemaining(token -> found.add(token.id()));
        }
        return TextScores.bleu4(found, IntStream.of(wanted).boxed().toList());
    }
}
