package icformer.eval;

import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;

/**
 * Scores of a text against the one that is wanted, from 0 to 1, as models/train/metrics.py computes them: over lower-case words
 * and numbers, without punctuation.
 */
public final class TextScores {
    private static final Pattern WORD = Pattern.compile("[\\p{L}\\p{N}_]+");
    private static final int BLEU_LENGTH = 4;

    private TextScores() {}

    /** Lower-case words and numbers of a text. */
    public static List<String> words(String text) {
        return WORD.matcher(text.toLowerCase(Locale.ROOT))
                .results()
                .map(MatchResult::group)
                .toList();
    }

    /** 1 if both have the same words, 0 otherwise. */
    public static double exactMatch(String found, String wanted) {
        return words(found).equals(words(wanted)) ? 1 : 0;
    }

    /** F1 of the words that both have, each as often as both have it; the same as ROUGE-1. */
    public static double f1(String found, String wanted) {
        return overlap(words(found), words(wanted), 1);
    }

    /** F1 of the pairs of neighbouring words that both have; empty where the wanted text is one word and has no pair. */
    public static OptionalDouble rouge2(String found, String wanted) {
        List<String> reference = words(wanted);
        return reference.size() < 2 ? OptionalDouble.empty() : OptionalDouble.of(overlap(words(found), reference, 2));
    }

    /** F1 of the longest common subsequence of words. */
    public static double rougeL(String found, String wanted) {
        List<String> a = words(found);
        List<String> b = words(wanted);
        if (a.isEmpty() && b.isEmpty()) {
            return 1;
        }
        int[] row = new int[b.size() + 1]; // row[j]: the longest one of the words of a so far and the first j of b
        for (String word : a) {
            int diagonal = 0;
            for (int j = 0; j < b.size(); j++) {
                int above = row[j + 1];
                row[j + 1] = word.equals(b.get(j)) ? diagonal + 1 : Math.max(above, row[j]);
                diagonal = above;
            }
        }
        return 2.0 * row[b.size()] / (a.size() + b.size());
    }

    /**
     * BLEU of one sequence of tokens against one reference: the geometric mean of the precisions of n-grams up to four, times
     * the brevity penalty exp(min(0, 1 - wanted / found)), without smoothing.
     */
    public static double bleu4(List<Integer> found, List<Integer> wanted) {
        double logarithms = 0;
        for (int n = 1; n <= BLEU_LENGTH; n++) {
            int common = common(grams(found, n), grams(wanted, n));
            if (common == 0) {
                return 0;
            }
            logarithms += Math.log(common / (double) (found.size() - n + 1)) / BLEU_LENGTH;
        }
        return Math.exp(logarithms + Math.min(0, 1 - wanted.size() / (double) found.size()));
    }

    private static double overlap(List<String> found, List<String> wanted, int n) {
        int all = Math.max(found.size() - n + 1, 0) + Math.max(wanted.size() - n + 1, 0);
        return all == 0 ? 1 : 2.0 * common(grams(found, n), grams(wanted, n)) / all;
    }

    /** How often each run of n elements occurs. */
    private static <T> Map<List<T>, Integer> grams(List<T> sequence, int n) {
        Map<List<T>, Integer> counts = new HashMap<>();
        for (int i = 0; i + n <= sequence.size(); i++) {
            counts.merge(sequence.subList(i, i + n), 1, Integer::sum);
        }
        return counts;
    }

    private static <T> int common(Map<List<T>, Integer> a, Map<List<T>, Integer> b) {
        return a.entrySet().stream()
                .mapToInt(gram -> Math.min(gram.getValue(), b.getOrDefault(gram.getKey(), 0)))
                .sum();
    }
}
