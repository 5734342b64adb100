package icformer.cli.eval;

import icformer.DigesterInfo;
import icformer.ModelInfo;
import icformer.eval.AnswerCase;
import icformer.eval.AnswerEvaluation;
import icformer.eval.AnswerScores;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.stream.Collectors;

/**
 * Quality of an LLM and a former.
 *
 * @param model the LLM
 * @param former the former
 * @param chunkRows digest rows of each chunk
 * @param cases the questions that were asked
 * @param results what was measured
 */
record AnswerReport(
        ModelInfo model, DigesterInfo former, int chunkRows, List<AnswerCase> cases, AnswerEvaluation.Results results) {

    private static final Map<String, String> COLUMNS = new LinkedHashMap<>();

    static {
        COLUMNS.put("exact_match", "exact");
        COLUMNS.put("f1", "F1");
        COLUMNS.put("rouge_2", "ROUGE-2");
        COLUMNS.put("rouge_l", "ROUGE-L");
        COLUMNS.put("perplexity", "perplexity");
    }

    private long questions() {
        return cases.stream().mapToLong(each -> each.questions().size()).sum();
    }

    /** Tokens of a full chunk for each row. */
    private double ratio() {
        return former.chunkLength() / (double) chunkRows;
    }

    // ---- As text ----

    /** A table of several lines, without a line break at its end. */
    String text() {
        StringBuilder text = new StringBuilder("LLM %s, former %s, ratio %s: %d questions about %d contexts\n"
                .formatted(model.type(), former.type(), plain(ratio()), questions(), cases.size()));
        text.append("%-10s".formatted("from"));
        COLUMNS.values().forEach(title -> text.append("%11s".formatted(title)));
        results.scores().forEach((source, scores) -> {
            text.append("\n%-10s".formatted(source.key()));
            Map<String, Double> means = scores.means();
            COLUMNS.keySet()
                    .forEach(name -> text.append("%11s".formatted(number(means.getOrDefault(name, Double.NaN)))));
        });
        if (!results.bleu().isEmpty()) {
            text.append("\nreconstructed from the digest, BLEU-4: ").append(number(bleu()));
            results.bleu()
                    .forEach((length, mean) ->
                            text.append(", up to %d tokens %s".formatted(length, number(mean.value()))));
        }
        return text.toString();
    }

    private static String number(double value) {
        return Double.isNaN(value) ? "-" : String.format(Locale.ROOT, "%.3f", value);
    }

    private static String plain(double value) {
        return value == Math.rint(value) ? String.valueOf((long) value) : String.format(Locale.ROOT, "%.1f", value);
    }

    // ---- As JSON ----

    Map<String, Object> describe() {
        Map<String, Object> object = new LinkedHashMap<>();
        object.put("cases", questions());
        object.put("contexts", cases.size());
        object.put("model", model.name());
        object.put("model_type", model.type());
        object.put("former", former.name());
        object.put("former_type", former.type());
        object.put("chunk_rows", chunkRows);
        object.put("ratio", ratio());
        results.scores().forEach((source, scores) -> object.put(source.key(), scores.means()));
        object.put("by_length", bySource(AnswerScores::byLength));
        object.put("by_kind", bySource(AnswerScores::byKind));
        if (!results.bleu().isEmpty()) {
            Map<String, Object> reconstruction = new LinkedHashMap<>();
            reconstruction.put("bleu4", bleu());
            reconstruction.put(
                    "contexts",
                    results.bleu().values().stream()
                            .mapToLong(AnswerScores.Mean::count)
                            .sum());
            reconstruction.put("by_length", values(results.bleu()));
            object.put("reconstruction", reconstruction);
        }
        return object;
    }

    /** Means of exact match by class and, in each, by source. */
    private <K extends Comparable<K>> Map<K, Map<String, Double>> bySource(
            Function<AnswerScores, Map<K, AnswerScores.Mean>> classes) {
        Map<K, Map<String, Double>> found = new TreeMap<>();
        results.scores()
                .forEach((source, scores) -> classes.apply(scores)
                        .forEach((key, mean) -> found.computeIfAbsent(key, _ -> new LinkedHashMap<>())
                                .put(source.key(), mean.value())));
        return found;
    }

    private static <K> Map<K, Double> values(Map<K, AnswerScores.Mean> means) {
        return means.entrySet().stream()
                .collect(Collectors.toMap(
                        Map.Entry::getKey, entry -> entry.getValue().value(), (a, _) -> a, LinkedHashMap::new));
    }

    /** The mean over all reconstructions. */
    private double bleu() {
        double sum = 0;
        long count = 0;
        for (AnswerScores.Mean mean : results.bleu().values()) {
            sum += mean.value() * mean.count();
            count += mean.count();
        }
        return sum / count;
    }
}
