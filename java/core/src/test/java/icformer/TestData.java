package icformer;

import icformer.convert.FormerConverter;
import icformer.files.AtomicFile;
import icformer.files.GgufFile;
import icformer.files.GgufValue;
import icformer.files.GgufWriter;
import icformer.files.StoredTensor;
import icformer.files.TensorInfo;
import icformer.files.TensorType;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.net.URISyntaxException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Consumer;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/** Small models with random weights, and how results are compared. */
public final class TestData {
    /** Architecture llama: 3 layers of width 64, a SentencePiece vocabulary of 512. F32. */
    public static final Path LLM = resource("golden/e2e-llama/lm-f32.gguf");

    /** For models this small a second thread only costs. */
    public static final DigesterOptions ONE_THREAD = DigesterOptions.defaults().withThreads(1);

    /** The chat templates that the module icformer.template is tested with. */
    public static final Path TEMPLATES =
            Path.of(System.getProperty("icformer.root"), "java/template/src/test/resources/icformer/template");

    private TestData() {}

    /** A file below the test resources of this package. */
    public static Path resource(String name) {
        try {
            return Path.of(Objects.requireNonNull(TestData.class.getResource(name), name)
                    .toURI());
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    /** A file of models/fixtures. */
    public static Path fixture(String name) {
        return Path.of(System.getProperty("icformer.root"), "models", "fixtures", name);
    }

    /** The former of {@link #LLM}, F32: 3 layers, 16 digest rows for a chunk of 512. */
    public static Path former() {
        return Converted.FORMER;
    }

    /** A checkpoint as a GGUF file that is deleted at the end; {@code type} null keeps its types. */
    public static Path convert(Path checkpoint, @Nullable String type, @Nullable Path target) {
        try {
            Path file = Files.createTempFile("former-", ".gguf");
            file.toFile().deleteOnExit();
            FormerConverter.Options options =
                    FormerConverter.Options.defaults().withTarget(target).withReplace(true);
            FormerConverter.convert(checkpoint, file, type == null ? options : options.withType(TensorType.of(type)));
            return file;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Writes a GGUF file again, with other metadata and only the tensors whose names are kept. */
    public static void rewrite(Path source, Path out, Consumer<Map<String, GgufValue>> change, Predicate<String> kept)
            throws IOException {
        try (Arena arena = Arena.ofConfined();
                GgufFile file = GgufFile.open(source)) {
            Map<String, GgufValue> metadata = file.values();
            change.accept(metadata);
            List<TensorInfo> tensors = file.tensors().stream()
                    .filter(tensor -> kept.test(tensor.name()))
                    .toList();
            List<GgufWriter.Entry> entries = tensors.stream()
                    .map(tensor ->
                            new GgufWriter.Entry(tensor.name(), tensor.type().number(), tensor.shape(), tensor.bytes()))
                    .toList();
            try (GgufWriter writer = GgufWriter.create(out, AtomicFile.Existing.KEEP, metadata, entries)) {
                for (TensorInfo tensor : tensors) {
                    MemorySegment data = arena.allocate(tensor.bytes());
                    file.read(tensor, 0, data);
                    writer.write(data);
                }
                writer.commit();
            }
        }
    }

    /** Converted by the first test that needs it. */
    private static final class Converted {
        static final Path FORMER = convert(resource("golden/e2e-llama/icformer"), null, LLM);
    }

    /** How far a result may be from the exact one: {@code bar} where the CPU computes, no less than halves cost elsewhere. */
    public static double rounding(double bar) {
        return Math.max(bar, DeviceRounding.LEAST);
    }

    /** Asked for by the first test that needs it. */
    private static final class DeviceRounding {
        static final double LEAST = least();

        /** As the native tests have it: Vulkan may round rows to 8 bits before a product. */
        private static double least() {
            try (Model model = Model.open(LLM)) {
                Device device = Devices.all().get(model.info().device());
                return device.kind() == Device.Kind.CPU ? 0 : device.name().startsWith("Vulkan") ? 2e-2 : 5e-3;
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }

    /** ‖actual − expected‖ / ‖expected‖ over all floats. */
    public static double relativeL2(MemorySegment actual, MemorySegment expected) {
        return relativeL2(actual.toArray(ValueLayout.JAVA_FLOAT), expected.toArray(ValueLayout.JAVA_FLOAT));
    }

    /** ‖actual − expected‖ / ‖expected‖; NaN where the lengths differ. */
    public static double relativeL2(float[] actual, float[] expected) {
        if (actual.length != expected.length) {
            return Double.NaN;
        }
        double difference = 0;
        double norm = 0;
        for (int i = 0; i < actual.length; i++) {
            double d = (double) actual[i] - expected[i];
            difference += d * d;
            norm += (double) expected[i] * expected[i];
        }
        return Math.sqrt(difference / norm);
    }

    /** The bytes of a tensor. */
    public static MemorySegment bytes(StoredTensor tensor) {
        try {
            return tensor.read(Arena.ofAuto());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The bytes of a file. */
    public static MemorySegment bytes(Path file) {
        try (FileChannel channel = FileChannel.open(file)) {
            return channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), Arena.ofAuto());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
