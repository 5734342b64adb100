package icformer.convert;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import icformer.Digester;
import icformer.Model;
import icformer.TestData;
import icformer.error.IcfException;
import icformer.error.ModelFileException;
import icformer.error.Status;
import icformer.files.AtomicFile;
import icformer.files.Checkpoints;
import icformer.files.GgufFile;
import icformer.files.GgufValue;
import icformer.files.GgufWriter;
import icformer.files.TensorType;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class QuantizerTest {
    @TempDir
    private Path folder;

    /** Relative errors of the types on normally distributed weights, roughly: 2^-bits, over the block's range. */
    @ParameterizedTest
    @CsvSource({
        "f32, 0, 0",
        "f16, 1e-5, 5e-4",
        "bf16, 5e-4, 4e-3",
        "q8_0, 2e-3, 1e-2",
        "q5_1, 2e-2, 6e-2",
        "q4_0, 5e-2, 0.15",
        "iq4_nl, 4e-2, 0.12"
    })
    void everyErrorIsThatOfItsType(String type, double least, double most) throws IOException {
        Path source = TestData.fixture("decoder-llama-gqa.gguf");
        ConversionReport report =
                Quantizer.quantize(source, folder.resolve("out.gguf"), Quantizer.Options.of(TensorType.of(type)));
        ConversionReport.Tensor matrix = find(report, "blk.0.attn_q.weight");
        assertThat(matrix.from().name()).isEqualTo("f32");
        assertThat(matrix.to().name()).isEqualTo(type);
        assertThat(matrix.error()).isBetween(least, most);
        ConversionReport.Tensor norm = find(report, "blk.0.attn_norm.weight");
        assertThat(norm.to().name()).isEqualTo("f32");
        assertThat(norm.error()).isZero();
    }

    @Test
    void metadataAndFingerprintStay() throws IOException {
        Path source = TestData.fixture("decoder-llama-gqa.gguf");
        Path out = folder.resolve("out.gguf");
        Quantizer.quantize(source, out, Quantizer.Options.of(TensorType.of("q8_0")));
        try (GgufFile sourceFile = GgufFile.open(source);
                GgufFile outFile = GgufFile.open(out);
                Model before = Model.open(source);
                Model after = Model.open(out)) {
            Map<String, GgufValue> expected = sourceFile.values();
            Map<String, GgufValue> actual = outFile.values();
            assertThat(actual.keySet()).containsAll(expected.keySet());
            expected.forEach((key, value) -> {
                if (!key.equals("general.file_type")) {
                    assertThat(actual.get(key).bytes().mismatch(value.bytes()))
                            .as(key)
                            .isEqualTo(-1);
                }
            });
            assertThat(after.metadata().integer("general.file_type")).isEqualTo(7);
            assertThat(after.metadata().integer("general.quantization_version")).isEqualTo(2);
            assertThat(after.info().fingerprint()).isEqualTo(before.info().fingerprint());
            assertThat(after.info().type()).isEqualTo("q8_0");
            assertThat(after.info().weightBytes()).isLessThan(before.info().weightBytes() / 2);
        }
    }

    @Test
    void aFormerKeepsDigestsMarkersAndFingerprint() throws IOException {
        Path former = folder.resolve("former.gguf");
        Path out = folder.resolve("out.gguf");
        FormerConverter.convert(Checkpoints.TINY, former, FormerConverter.Options.defaults());
        ConversionReport report = Quantizer.quantize(former, out, Quantizer.Options.of(TensorType.of("q8_0")));
        assertThat(find(report, "digest_embd.weight").to().name()).isEqualTo("f32");
        assertThat(find(report, "marker_ft.weight").to().name()).isEqualTo("f32");
        assertThat(find(report, "blk.2.ffn_down.weight").to().name()).isEqualTo("q8_0");
        try (Digester before = Digester.open(former);
                Digester after = Digester.open(out)) {
            assertThat(after.info().fingerprint()).isEqualTo(before.info().fingerprint());
        }
    }

    /** Quantising a former is converting its checkpoint to that type, bit for bit. */
    @Test
    void quantisingIsConvertingToThatType() throws IOException {
        FormerConverter.Options options = FormerConverter.Options.defaults();
        Path former = folder.resolve("former.gguf");
        Path quantized = folder.resolve("quantized.gguf");
        Path converted = folder.resolve("converted.gguf");
        FormerConverter.convert(Checkpoints.TINY, former, options);
        Quantizer.quantize(former, quantized, Quantizer.Options.of(TensorType.of("q4_0")));
        FormerConverter.convert(Checkpoints.TINY, converted, options.withType(TensorType.of("q4_0")));
        try (GgufFile a = GgufFile.open(quantized);
                GgufFile b = GgufFile.open(converted)) {
            assertThat(a.tensors()).isEqualTo(b.tensors());
            MemorySegment data = TestData.bytes(quantized).asSlice(a.dataOffset());
            assertThat(data.mismatch(TestData.bytes(converted).asSlice(b.dataOffset())))
                    .isEqualTo(-1);
        }
    }

    @Test
    void theOutputMatrixGetsMoreBits() throws IOException {
        Path untied = gguf("untied.gguf", List.of("token_embd.weight", "output.weight", "blk.0.attn_q.weight"), 256);
        ConversionReport report =
                Quantizer.quantize(untied, folder.resolve("a.gguf"), Quantizer.Options.of(TensorType.of("q4_K")));
        assertThat(types(report))
                .containsExactly("token_embd.weight q4_K", "output.weight q6_K", "blk.0.attn_q.weight q4_K");

        Path tied = gguf("tied.gguf", List.of("token_embd.weight", "blk.0.attn_q.weight"), 256);
        assertThat(types(Quantizer.quantize(
                        tied, folder.resolve("b.gguf"), Quantizer.Options.of(TensorType.of("q4_0")))))
                .containsExactly("token_embd.weight q6_K", "blk.0.attn_q.weight q4_0");
        assertThat(types(Quantizer.quantize(
                        tied, folder.resolve("c.gguf"), Quantizer.Options.of(TensorType.of("q8_0")))))
                .containsExactly("token_embd.weight q8_0", "blk.0.attn_q.weight q8_0");
    }

    @Test
    void rowsThatAreNoBlocksFallBack() throws IOException {
        Path source = gguf("short.gguf", List.of("output.weight", "blk.0.attn_q.weight"), 96);
        ConversionReport report =
                Quantizer.quantize(source, folder.resolve("a.gguf"), Quantizer.Options.of(TensorType.of("q4_K")));
        assertThat(types(report)).containsExactly("output.weight q8_0", "blk.0.attn_q.weight q5_0");
        assertThat(report.tensors()).allMatch(ConversionReport.Tensor::fellBack);

        Path odd = gguf("odd.gguf", List.of("blk.0.attn_q.weight"), 33);
        assertThat(types(
                        Quantizer.quantize(odd, folder.resolve("b.gguf"), Quantizer.Options.of(TensorType.of("q4_0")))))
                .containsExactly("blk.0.attn_q.weight f16");
    }

    /** Several blocks of rows and threads give the bytes of a single pass. */
    @Test
    void largeMatricesAreCutIntoBlocksWithoutATrace() throws IOException {
        int rows = 3000;
        int width = 512;
        float[] values = random(rows * width);
        Path source = gguf("large.gguf", "blk.0.attn_q.weight", width, values);
        Path out = folder.resolve("out.gguf");
        Quantizer.quantize(source, out, Quantizer.Options.of(TensorType.of("q6_K")));
        TensorType type = TensorType.of("q6_K");
        try (GgufFile file = GgufFile.open(out);
                Arena arena = Arena.ofConfined()) {
            MemorySegment floats = arena.allocateFrom(ValueLayout.JAVA_FLOAT, values);
            MemorySegment expected = arena.allocate(rows * type.bytes(width));
            type.quantize(floats, rows, width, expected);
            MemorySegment actual = TestData.bytes(out).asSlice(file.dataOffset(), expected.byteSize());
            assertThat(actual.mismatch(expected)).isEqualTo(-1);
        }
    }

    @Test
    void aFileDoesNotReplaceItself() throws IOException {
        Path file = gguf("self.gguf", List.of("blk.0.attn_q.weight"), 64);
        Path link = Files.createLink(folder.resolve("link.gguf"), file);
        for (Path out : List.of(file, link)) {
            for (boolean replace : new boolean[] {false, true}) {
                Quantizer.Options options =
                        Quantizer.Options.of(TensorType.of("q8_0")).withReplace(replace);
                assertThatThrownBy(() -> Quantizer.quantize(file, out, options))
                        .isInstanceOf(FileSystemException.class)
                        .hasMessageContaining("is an input, which is not replaced");
            }
        }
        try (GgufFile after = GgufFile.open(file)) {
            assertThat(after.tensors().getFirst().type().name()).isEqualTo("f32");
        }
    }

    @Test
    void refusesWhatItCannotDo() throws IOException {
        Path source = gguf("source.gguf", List.of("blk.0.attn_q.weight"), 256);
        Path out = folder.resolve("out.gguf");
        assertThatThrownBy(() -> Quantizer.quantize(source, out, Quantizer.Options.of(TensorType.of("iq2_xxs"))))
                .isInstanceOfSatisfying(
                        IcfException.class, e -> assertThat(e.status()).isEqualTo(Status.UNSUPPORTED))
                .hasMessageContaining("iq2_xxs");
        Path text = Files.writeString(folder.resolve("text.gguf"), "no GGUF file at all, but long enough to be one");
        assertThatThrownBy(() -> Quantizer.quantize(text, out, Quantizer.Options.of(TensorType.of("q8_0"))))
                .isInstanceOf(ModelFileException.class);

        float[] values = random(256 * 4);
        values[300] = Float.NaN;
        Path broken = gguf("broken.gguf", "blk.0.attn_q.weight", 256, values);
        assertThatThrownBy(() -> Quantizer.quantize(broken, out, Quantizer.Options.of(TensorType.of("q8_0"))))
                .isInstanceOf(ModelFileException.class)
                .hasMessageContaining("tensor blk.0.attn_q.weight holds values that are not finite");
        assertThat(out).doesNotExist();
    }

    private static ConversionReport.Tensor find(ConversionReport report, String name) {
        return report.tensors().stream()
                .filter(tensor -> tensor.name().equals(name))
                .findFirst()
                .orElseThrow();
    }

    private static List<String> types(ConversionReport report) {
        return report.tensors().stream()
                .map(tensor -> tensor.name() + " " + tensor.to())
                .toList();
    }

    private static float[] random(int count) {
        Random random = new Random(count);
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return values;
    }

    private Path gguf(String file, String name, int width, float[] values) throws IOException {
        return write(folder.resolve(file), List.of(name), width, values);
    }

    private Path gguf(String file, List<String> names, int width) throws IOException {
        return write(folder.resolve(file), names, width, random(4 * width));
    }

    /** F32 matrices of that name and width, all with the same values. */
    private static Path write(Path file, List<String> names, int width, float[] values) throws IOException {
        Map<String, GgufValue> metadata = new LinkedHashMap<>();
        metadata.put("general.architecture", GgufValue.text("llama"));
        List<GgufWriter.Entry> entries = names.stream()
                .map(name -> new GgufWriter.Entry(
                        name, 0, List.of((long) width, (long) values.length / width), 4L * values.length))
                .toList();
        try (GgufWriter writer = GgufWriter.create(file, AtomicFile.Existing.KEEP, metadata, entries)) {
            for (int i = 0; i < names.size(); i++) {
                writer.write(MemorySegment.ofArray(values));
            }
            writer.commit();
        }
        return file;
    }
}
