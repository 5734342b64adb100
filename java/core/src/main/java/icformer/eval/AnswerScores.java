package icformer.eval;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.ToDoubleFunction;

/** Scores of the answers to many questions from one source. */
public final class AnswerScores {
    /** A mean of values as they come; NaN of none. */
    public static final class Mean {
        private double sum;
        private long count;

        /** Of no value yet. */
        public Mean() {}

        public void add(double value) {
            sum += value;
            count++;
        }

        public double value() {
            return sum / count;
        }

        public long count() {
            return count;
        }
    }

    private final Mean exactMatch = new Mean();
    private final Mean f1 = new Mean();
    private final Mean rouge2 = new Mean();
    private final Mean rougeL = new Mean();
    private final Mean loss = new Mean(); // of a token
    private final Map<Integer, Mean> byLength = new TreeMap<>(); // exact match
    private final Map<String, Mean> byKind = new TreeMap<>(); // exact match

    /** Of no answer yet. */
    public AnswerScores() {}

    /**
     * Counts an answer: by each measure the best over the answers that are right.
     *
     * @param length class of the context's length
     * @param found the answer
     */
    public void add(AnswerCase.Question question, int length, String found) {
        double match = best(question, answer -> TextScores.exactMatch(found, answer));
        exactMatch.add(match);
        f1.add(best(question, answer -> TextScores.f1(found, answer)));
        question.answers().stream()
                .flatMapToDouble(answer -> TextScores.rouge2(found, answer).stream())
                .max()
                .ifPresent(rouge2::add);
        rougeL.add(best(question, answer -> TextScores.rougeL(found, answer)));
        byLength.computeIfAbsent(length, _ -> new Mean()).add(match);
        byKind.computeIfAbsent(question.kind(), _ -> new Mean()).add(match);
    }

    /** The best of a measure over the answers that are right. */
    public static double best(AnswerCase.Question question, ToDoubleFunction<String> measure) {
        return question.answers().stream().mapToDouble(measure).max().orElseThrow();
    }

    /** Counts a token of a wanted answer by its negative log-likelihood. */
    public void addLoss(double negativeLogLikelihood) {
        loss.add(negativeLogLikelihood);
    }

    /** Share of the answers that are exact, by the class of the context's length. */
    public Map<Integer, Mean> byLength() {
        return byLength;
    }

    /** Share of the answers that are exact, by the kind of the question. */
    public Map<String, Mean> byKind() {
        return byKind;
    }

    /** The means by name; F1 of words and ROUGE-1 are the same. */
    public Map<String, Double> means() {
        Map<String, Double> means = new LinkedHashMap<>();
        means.put("exact_match", exactMatch.value());
        means.put("f1", f1.value());
        means.put("rouge_1", f1.value());
        means.put("rouge_2", rouge2.value());
        means.put("rouge_l", rougeL.value());
        means.put("perplexity", Math.exp(loss.value()));
        return means;
    }
}
