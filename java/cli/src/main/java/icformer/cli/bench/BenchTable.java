package icformer.cli.bench;

import java.util.stream.Collectors;

/** Results of {@code icf bench} as lines of text. */
final class BenchTable {
    private static final String HEADER = "%-24s %-12s %-6s %6s %6s %3s %11s %11s %11s %11s %9s";
    private static final String LINE = "%-24s %-12s %-6s %6d %6d %3d %11.3f %11.3f %11.3f %11.1f %9.1f";

    private BenchTable() {}

    static String header() {
        return HEADER.formatted(
                "name", "shape", "type", "n", "batch", "thr", "median ms", "min ms", "max ms", "tokens/s", "GFLOP/s");
    }

    static String line(BenchResult result) {
        var values = result.columns();
        return LINE.formatted(
                result.name(),
                result.shape(),
                result.type(),
                result.n(),
                result.batch(),
                result.threads(),
                values.get("median_ms"),
                values.get("min_ms"),
                values.get("max_ms"),
                values.get("per_second"),
                values.get("gflops"));
    }

    static String csv(BenchResult result) {
        return result.columns().values().stream().map(BenchTable::field).collect(Collectors.joining(","));
    }

    /** Texts with a comma, a quote or a line break stand in quotes (RFC 4180). */
    private static String field(Object value) {
        String text = value.toString();
        return text.matches("(?s).*[,\"\r\n].*") ? '"' + text.replace("\"", "\"\"") + '"' : text;
    }
}
