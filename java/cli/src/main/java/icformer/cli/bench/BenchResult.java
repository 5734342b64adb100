package icformer.cli.bench;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * One row of {@code icf bench}.
 *
 * @param name what was measured
 * @param shape sizes of the pair: a shape's name, or the file's
 * @param type of most of the weights that compute
 * @param n tokens of the context or the prompt; generated tokens for {@code decode}
 * @param batch contexts in one call for {@code compress}, else rows of a batch
 * @param threads threads that compute
 * @param rows what {@code perSecond} counts in one sample: tokens read, or one token generated
 * @param work multiply-adds of one sample
 * @param samples milliseconds of each run, or of each token of all runs for {@code decode}
 * @param runs number of runs
 */
record BenchResult(
        String name,
        String shape,
        String type,
        int n,
        int batch,
        int threads,
        long rows,
        long work,
        List<Double> samples,
        int runs) {

    static final List<String> COLUMNS = List.of(
            "name",
            "shape",
            "type",
            "n",
            "batch",
            "threads",
            "runs",
            "median_ms",
            "min_ms",
            "max_ms",
            "mean_ms",
            "per_second",
            "gflops");

    BenchResult {
        samples = List.copyOf(samples);
    }

    double median() {
        double[] sorted =
                samples.stream().mapToDouble(Double::doubleValue).sorted().toArray();
        int half = sorted.length / 2;
        return sorted.length % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
    }

    /** Values by column. */
    Map<String, Object> columns() {
        double median = median();
        Map<String, Object> values = new LinkedHashMap<>();
        values.put("name", name);
        values.put("shape", shape);
        values.put("type", type);
        values.put("n", n);
        values.put("batch", batch);
        values.put("threads", threads);
        values.put("runs", runs);
        values.put("median_ms", rounded(median));
        values.put(
                "min_ms",
                rounded(samples.stream().mapToDouble(Double::doubleValue).min().orElseThrow()));
        values.put(
                "max_ms",
                rounded(samples.stream().mapToDouble(Double::doubleValue).max().orElseThrow()));
        values.put(
                "mean_ms",
                rounded(samples.stream()
                        .mapToDouble(Double::doubleValue)
                        .average()
                        .orElseThrow()));
        values.put("per_second", rounded(rows * 1e3 / median));
        values.put("gflops", rounded(2e-6 * work / median));
        return values;
    }

    /** The same with every sample. */
    Map<String, Object> describe() {
        Map<String, Object> values = columns();
        values.put("samples_ms", samples.stream().map(BenchResult::rounded).toList());
        return values;
    }

    /** Six significant digits: less than what differs from run to run. */
    private static double rounded(double value) {
        return Double.parseDouble(String.format(Locale.ROOT, "%.6g", value));
    }
}
