package icformer.convert;

import icformer.error.ModelFileException;
import icformer.error.Status;
import icformer.files.AtomicFile;
import icformer.files.GgufValue;
import icformer.files.GgufWriter;
import icformer.files.TensorType;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * The way of weights into a GGUF file, wherever they come from: tensor by tensor, as they lie or in another type, block by
 * block. The file appears complete or not at all.
 */
final class WeightWriter {

    /**
     * A tensor on its way.
     *
     * @param name in the file that is written
     * @param shape elements per dimension, the fastest first
     * @param from type it has
     * @param wanted type that was asked for
     * @param to type it will have: {@code wanted}, or the nearest one whose blocks divide its rows
     * @param source its data
     */
    record Job(String name, List<Long> shape, TensorType from, TensorType wanted, TensorType to, Source source) {
        long rowLength() {
            return shape.getFirst();
        }

        long elements() {
            return shape.stream().reduce(1L, Math::multiplyExact);
        }

        long rows() {
            return elements() / rowLength();
        }

        GgufWriter.Entry entry() {
            return new GgufWriter.Entry(name, to.number(), shape, rows() * to.bytes(rowLength()));
        }

        ConversionReport.Tensor report(double error) {
            return new ConversionReport.Tensor(name, shape, from, to, wanted, entry().bytes(), error);
        }
    }

    /** Where the data of a tensor comes from. */
    interface Source {
        /** The file, for messages. */
        Path file();

        /** The tensor's name there, for messages. */
        String name();

        /** Makes the data readable until the arena is closed. */
        Data open(Arena arena) throws IOException;
    }

    /** The data of a tensor. */
    interface Data extends RowConverter.Source {
        /** Whether it lies as a file of the same type has it. */
        boolean isContiguous();

        /** Hands it on as it lies, part by part. */
        void copyTo(RowConverter.Sink sink) throws IOException;
    }

    private final GgufWriter writer;
    private final RowConverter converter;
    private final ProgressCounter counter;

    private WeightWriter(GgufWriter writer, RowConverter converter, ProgressCounter counter) {
        this.writer = writer;
        this.converter = converter;
        this.counter = counter;
    }

    /**
     * Writes a file.
     *
     * @throws ModelFileException of status FORMAT for a tensor whose values its type cannot hold
     */
    static ConversionReport write(
            Path out,
            AtomicFile.Existing existing,
            Map<String, GgufValue> metadata,
            List<Job> jobs,
            ConversionReport.Progress progress)
            throws IOException {
        List<GgufWriter.Entry> entries = jobs.stream().map(Job::entry).toList();
        long elements = jobs.stream().mapToLong(Job::elements).sum();
        try (GgufWriter writer = GgufWriter.create(out, existing, metadata, entries);
                RowConverter converter = new RowConverter()) {
            WeightWriter weights = new WeightWriter(writer, converter, new ProgressCounter(elements, progress));
            List<ConversionReport.Tensor> reports = new ArrayList<>();
            for (Job job : jobs) {
                reports.add(job.report(weights.write(job)));
            }
            return new ConversionReport(out, writer.commit(), reports);
        }
    }

    /** Writes a tensor; its relative L2 error. */
    private double write(Job job) throws IOException {
        try (Arena arena = Arena.ofShared()) {
            Data data = job.source().open(arena);
            RowConverter.Sink sink = (bytes, elements) -> {
                writer.write(bytes);
                counter.add(elements);
            };
            if (job.from().equals(job.to()) && data.isContiguous()) {
                data.copyTo(sink);
                return 0;
            }
            double error = converter.convert(data, job.rows(), job.rowLength(), job.to(), sink);
            check(error, job);
            return error;
        }
    }

    /** Refuses a tensor whose values were lost: it held some that are not finite, or beyond the range of the type. */
    private static void check(double error, Job job) throws ModelFileException {
        if (!Double.isFinite(error)) {
            Source source = job.source();
            throw new ModelFileException(
                    Status.FORMAT,
                    source.file(),
                    "%s: tensor %s holds values that are not finite, or too large for %s"
                            .formatted(source.file(), source.name(), job.to()));
        }
    }
}
