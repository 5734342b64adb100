package icformer.cli.files;

import icformer.cli.console.Streams;
import icformer.convert.ConversionReport;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;

/** What is told of a file that was converted or quantised. */
final class ConversionOutput {
    private ConversionOutput() {}

    /** One JSON object. */
    static Map<String, Object> describe(ConversionReport report) {
        Map<String, Object> object = new LinkedHashMap<>();
        object.put("file", report.file().toString());
        object.put("bytes", report.bytes());
        object.put("types", counts(report));
        object.put(
                "tensors",
                report.tensors().stream().map(ConversionOutput::describe).toList());
        return object;
    }

    private static Map<String, Object> describe(ConversionReport.Tensor tensor) {
        Map<String, Object> object = new LinkedHashMap<>();
        object.put("name", tensor.name());
        object.put("shape", tensor.shape());
        object.put("from", tensor.from().name());
        object.put("type", tensor.to().name());
        object.put("wanted", tensor.wanted().name());
        object.put("bytes", tensor.bytes());
        object.put("relative_error", tensor.error());
        return object;
    }

    private static Map<String, Long> counts(ConversionReport report) {
        return report.tensors().stream()
                .map(tensor -> tensor.to().name())
                .collect(Collectors.groupingBy(Function.identity(), LinkedHashMap::new, Collectors.counting()));
    }

    /** Prints the tensors that lost something, with their errors, and a line about the file. */
    static void print(ConversionReport report, Streams streams) {
        List<ConversionReport.Tensor> changed = report.tensors().stream()
                .filter(tensor -> tensor.error() > 0 || tensor.fellBack())
                .toList();
        StringBuilder text = new StringBuilder();
        for (ConversionReport.Tensor tensor : changed) {
            text.append("%-32s %7s -> %-7s  relative error %.3g%s%n"
                    .formatted(
                            tensor.name(),
                            tensor.from(),
                            tensor.to(),
                            tensor.error(),
                            tensor.fellBack()
                                    ? "  (rows of %d are no blocks of %s)"
                                            .formatted(tensor.shape().getFirst(), tensor.wanted())
                                    : ""));
        }
        String types = counts(report).entrySet().stream()
                .map(entry -> entry.getValue() + " " + entry.getKey())
                .collect(Collectors.joining(", "));
        text.append("%s: %.1f MiB, %d tensors (%s)%n"
                .formatted(
                        report.file(),
                        report.bytes() / 1048576.0,
                        report.tensors().size(),
                        types));
        streams.print(text.toString());
    }
}
