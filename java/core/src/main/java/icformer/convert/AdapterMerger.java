package icformer.convert;

import icformer.error.IcfException;
import icformer.error.ModelFileException;
import icformer.error.Status;
import icformer.files.AtomicFile;
import icformer.files.GgufFile;
import icformer.files.GgufValue;
import icformer.files.TensorInfo;
import icformer.files.TensorType;
import icformer.internal.base.Checks;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Writes an LLM with low-rank adapters added to its weights, W + scale · B A, for engines that know no adapters. A weight that
 * is changed keeps its type, or takes one that is asked for; all else is copied byte for byte.
 */
public final class AdapterMerger {

    /**
     * An adapter to merge.
     *
     * @param file one of llama.cpp's format, or a former that brings a reader
     * @param scale multiplies the adapter's own scale; finite
     */
    public record Part(Path file, float scale) {
        public Part {
            Checks.argument(Float.isFinite(scale), "scale is %s, but must be finite", scale);
        }
    }

    /**
     * How adapters are merged.
     *
     * @param type of the weights that are changed; null for their own
     * @param replace whether to replace the target if it exists
     * @param progress is told of progress
     */
    public record Options(@Nullable TensorType type, boolean replace, ConversionReport.Progress progress) {
        public Options {
            Objects.requireNonNull(progress, "progress");
        }

        /** The weights' own types, for a target that must not exist yet. */
        public static Options defaults() {
            return new Options(null, false, (_, _) -> {});
        }

        /** The same with a type for the weights that are changed. */
        public Options withType(TensorType type) {
            return new Options(type, replace, progress);
        }

        /** The same, replacing an existing file or not. */
        public Options withReplace(boolean replace) {
            return new Options(type, replace, progress);
        }

        /** The same with another listener. */
        public Options withProgress(ConversionReport.Progress progress) {
            return new Options(type, replace, progress);
        }
    }

    private final Path model;
    private final GgufFile file;
    private final List<LoraFile> adapters;
    private final Options options;

    private AdapterMerger(Path model, GgufFile file, List<LoraFile> adapters, Options options) {
        this.model = model;
        this.file = file;
        this.adapters = adapters;
        this.options = options;
    }

    /**
     * Merges adapters. The target appears complete or not at all.
     *
     * @param model an LLM, a GGUF file
     * @param adapters at least one
     * @param out the GGUF file to write
     * @throws java.nio.file.FileAlreadyExistsException if the target exists and is not to be replaced
     * @throws ModelFileException of status FORMAT for a file that is damaged or no adapter, or for values that are not finite;
     *     MISMATCH for an adapter of another LLM; UNSUPPORTED for a former without a reader, or one part of several
     * @throws IcfException of status UNSUPPORTED for a type that needs an importance matrix
     * @throws IOException if a file cannot be read or written
     */
    public static ConversionReport merge(Path model, List<Part> adapters, Path out, Options options)
            throws IOException {
        Checks.argument(!adapters.isEmpty(), "there is no adapter to merge");
        if (options.type() != null) {
            TensorTypes.checkWritable(options.type());
        }
        AtomicFile.Existing existing = options.replace() ? AtomicFile.Existing.REPLACE : AtomicFile.Existing.KEEP;
        List<LoraFile> opened = new ArrayList<>();
        try (GgufFile file = GgufFile.open(model)) {
            AtomicFile.checkTarget(out, existing);
            String architecture = file.metadata().text("general.architecture", "");
            for (Part part : adapters) {
                opened.add(LoraFile.open(part.file(), architecture, part.scale()));
            }
            AdapterMerger merger = new AdapterMerger(model, file, opened, options);
            return WeightWriter.write(out, existing, merger.metadata(), merger.jobs(), options.progress());
        } finally {
            opened.forEach(LoraFile::close);
        }
    }

    // ---- Weights ----

    private List<WeightWriter.Job> jobs() throws IOException {
        List<TensorInfo> tensors = file.tensors();
        checkWeights(tensors);
        List<WeightWriter.Job> jobs = new ArrayList<>();
        for (TensorInfo tensor : tensors) {
            jobs.add(isChanged(tensor) ? merged(tensor) : copied(tensor));
        }
        return jobs;
    }

    private void checkWeights(List<TensorInfo> tensors) throws IOException {
        if (file.metadata().integer("split.count", 1) > 1) {
            throw new ModelFileException(
                    Status.UNSUPPORTED, model, model + ": one part of a model that is split over several files");
        }
        Set<String> names = new HashSet<>();
        tensors.forEach(tensor -> names.add(tensor.name()));
        for (LoraFile adapter : adapters) {
            for (String weight : adapter.weights()) {
                if (!names.contains(weight)) {
                    throw new ModelFileException(
                            Status.MISMATCH,
                            adapter.path(),
                            "%s: the LLM has no matrix '%s'".formatted(adapter.path(), weight));
                }
            }
        }
        for (TensorInfo tensor : tensors) {
            for (LoraFile adapter : adapters) {
                adapter.change(tensor.name(), tensor.shape()); // what does not fit is told before anything is written
            }
        }
    }

    private boolean isChanged(TensorInfo tensor) {
        return adapters.stream().anyMatch(adapter -> adapter.weights().contains(tensor.name()));
    }

    private WeightWriter.Job copied(TensorInfo tensor) {
        return new WeightWriter.Job(
                tensor.name(),
                tensor.shape(),
                tensor.type(),
                tensor.type(),
                tensor.type(),
                new GgufSource(model, file, tensor));
    }

    private WeightWriter.Job merged(TensorInfo tensor) {
        TensorType wanted = options.type() == null ? tensor.type() : options.type();
        TensorTypes.checkWritable(wanted);
        return new WeightWriter.Job(
                tensor.name(),
                tensor.shape(),
                tensor.type(),
                wanted,
                TensorTypes.fitting(wanted, tensor.shape().getFirst()),
                new Merged(new GgufSource(model, file, tensor), adapters));
    }

    /** A weight and what adapters add to it, which is read when its turn has come. */
    private record Merged(GgufSource base, List<LoraFile> adapters) implements WeightWriter.Source {
        @Override
        public Path file() {
            return base.file();
        }

        @Override
        public String name() {
            return base.name();
        }

        @Override
        public WeightWriter.Data open(Arena arena) throws IOException {
            List<LoraFile.Change> changes = new ArrayList<>();
            for (LoraFile adapter : adapters) {
                adapter.change(base.name(), base.tensor().shape()).ifPresent(changes::add);
            }
            return new Sum(base, changes);
        }
    }

    private record Sum(GgufSource base, List<LoraFile.Change> changes) implements WeightWriter.Data {
        @Override
        public boolean isContiguous() {
            return false; // it lies nowhere
        }

        @Override
        public void copyTo(RowConverter.Sink sink) {
            throw new IllegalStateException("a sum is computed");
        }

        @Override
        public void read(long first, long count, MemorySegment floats) {
            base.read(first, count, floats);
            int rowLength = Math.toIntExact(base.tensor().shape().getFirst());
            float[] rows = new float[Math.toIntExact(count * rowLength)];
            MemorySegment.copy(floats, ValueLayout.JAVA_FLOAT, 0, rows, 0, rows.length);
            changes.forEach(change -> change.addTo(rows, first, (int) count, rowLength));
            MemorySegment.copy(rows, 0, floats, ValueLayout.JAVA_FLOAT, 0, rows.length);
        }
    }

    // ---- Metadata ----

    private Map<String, GgufValue> metadata() throws IOException {
        Map<String, GgufValue> values = file.values();
        Quantizer.LAYOUT_KEYS.forEach(values::remove);
        if (options.type() != null) {
            values.remove(TensorTypes.FILE_TYPE);
            TensorTypes.fileType(options.type())
                    .ifPresent(number -> values.put(TensorTypes.FILE_TYPE, GgufValue.u32(number)));
            if (TensorTypes.isQuantized(options.type())) {
                values.put(TensorTypes.QUANTIZATION_VERSION, GgufValue.u32(TensorTypes.CURRENT_QUANTIZATION_VERSION));
            }
        }
        return values;
    }
}
