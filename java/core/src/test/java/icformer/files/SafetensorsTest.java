package icformer.files;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import icformer.TestData;
import icformer.error.ModelFileException;
import icformer.error.Status;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class SafetensorsTest {
    private static final Path FILE = Path.of("some.safetensors");

    @TempDir
    private Path folder;

    @Test
    void readsWhatItWrites() throws IOException {
        Path file = folder.resolve("two.safetensors");
        float[] rows = {1.5f, -2f, 3f, 0.25f, Float.MIN_VALUE, -0f};
        List<SafetensorsWriter.Entry> entries = List.of(
                new SafetensorsWriter.Entry("rows", ElementType.F32, List.of(2L, 3L)),
                new SafetensorsWriter.Entry("ids", ElementType.I32, List.of(4L)));
        try (SafetensorsWriter writer =
                SafetensorsWriter.create(file, AtomicFile.Existing.KEEP, Map.of("key", "värde \"quoted\""), entries)) {
            writer.write(MemorySegment.ofArray(rows).asSlice(0, 8));
            writer.write(MemorySegment.ofArray(rows).asSlice(8));
            writer.write(MemorySegment.ofArray(new int[] {7, 8, 9, 10}));
            writer.commit();
        }
        try (Arena arena = Arena.ofConfined()) {
            Safetensors read = Safetensors.open(file, arena);
            assertThat(read.metadata()).containsExactly(Map.entry("key", "värde \"quoted\""));
            assertThat(read.tensors().keySet()).containsExactly("rows", "ids");
            StoredTensor tensor = read.tensors().get("rows");
            assertThat(tensor.shape()).containsExactly(2L, 3L);
            assertThat(TestData.bytes(tensor).toArray(ValueLayout.JAVA_FLOAT)).containsExactly(rows);
            assertThat(TestData.bytes(tensor).address() % SafetensorsWriter.ALIGNMENT)
                    .isZero();
            assertThat(TestData.bytes(read.tensors().get("ids")).toArray(ValueLayout.JAVA_INT))
                    .containsExactly(7, 8, 9, 10);
            assertThatThrownBy(read::onlyTensor).hasMessage(file + ": must hold exactly one tensor, but holds 2");
        }
    }

    @Test
    void readsAFileOfTheReferenceImplementation() throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            Safetensors read = Safetensors.open(Checkpoints.TINY_BF16.resolve("model.safetensors"), arena);
            assertThat(read.metadata()).containsEntry("format", "pt");
            StoredTensor tensor = read.tensors().get("encoder.layers.2.mlp.down_proj.weight");
            assertThat(tensor.type()).isEqualTo(ElementType.BF16);
            assertThat(tensor.shape()).containsExactly(64L, 160L);
        }
    }

    @Test
    void writesEmptyAndScalarTensors() throws IOException {
        Path file = folder.resolve("empty.safetensors");
        List<SafetensorsWriter.Entry> entries = List.of(
                new SafetensorsWriter.Entry("none", ElementType.F32, List.of(0L, 64L)),
                new SafetensorsWriter.Entry("one", ElementType.F16, List.of()));
        try (SafetensorsWriter writer = SafetensorsWriter.create(file, AtomicFile.Existing.KEEP, Map.of(), entries)) {
            writer.write(MemorySegment.ofArray(new short[] {0x3C00}));
            writer.commit();
        }
        try (Arena arena = Arena.ofConfined()) {
            Safetensors read = Safetensors.open(file, arena);
            assertThat(read.metadata()).isEmpty();
            assertThat(read.tensors().get("none").elements()).isZero();
            assertThat(read.tensors().get("none").rows()).isZero();
            float[] value = new float[1];
            read.tensors().get("one").readFloats(0, 1, value);
            assertThat(value).containsExactly(1f);
        }
    }

    @Test
    void refusesToCommitAnIncompleteFile() throws IOException {
        Path file = folder.resolve("part.safetensors");
        List<SafetensorsWriter.Entry> entries =
                List.of(new SafetensorsWriter.Entry("rows", ElementType.F32, List.of(2L)));
        try (SafetensorsWriter writer = SafetensorsWriter.create(file, AtomicFile.Existing.KEEP, Map.of(), entries)) {
            writer.write(MemorySegment.ofArray(new float[1]));
            assertThatIllegalStateException().isThrownBy(writer::commit).withMessage("4 bytes are missing");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> writer.write(MemorySegment.ofArray(new float[2])))
                    .withMessage("8 bytes for the 4 that are left");
        }
        assertThat(folder).isEmptyDirectory();
    }

    @Test
    void refusesAMissingFileAndAFolder() {
        try (Arena arena = Arena.ofConfined()) {
            assertThatThrownBy(() -> Safetensors.open(folder.resolve("none"), arena))
                    .isInstanceOf(NoSuchFileException.class);
            assertThatThrownBy(() -> Safetensors.open(folder, arena)).hasMessageContaining("not a regular file");
        }
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
            []                                                                             | not a safetensors file
            {                                                                              | malformed JSON
            {} {}                                                                          | more than one JSON value
            {"a":1}                                                                        | a: expected an object
            {"a":null}                                                                     | a: expected an object
            {"a":{}}                                                                       | needs dtype, shape and two data_offsets
            {"a":{"dtype":"F32","shape":[1]}}                                              | needs dtype, shape and two data_offsets
            {"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}}                           | needs dtype, shape and two data_offsets
            {"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}}                       | a.data_offsets: must be at most 2
            {"a":{"dtype":"F33","shape":[1],"data_offsets":[0,4]}}                         | unknown dtype F33
            {"a":{"dtype":4,"shape":[1],"data_offsets":[0,4]}}                             | a.dtype: expected a string
            {"a":{"dtype":"F32","shape":1,"data_offsets":[0,4]}}                           | a.shape: expected an array
            {"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}}                       | a.shape: expected an integer
            {"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}                        | none below 0
            {"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4]}}         | at most 8 numbers
            {"a":{"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,4]}}      | malformed JSON
            {"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}     | too large for any file
            {"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}                         | takes 8 bytes, but 4 are given
            {"a":{"dtype":"F32","shape":[1],"data_offsets":[8,4]}}                         | are not within the 16 bytes
            {"a":{"dtype":"F32","shape":[5],"data_offsets":[0,20]}}                        | are not within the 16 bytes
            {"a":{"dtype":"F32","shape":[1],"data_offsets":[0,9223372036854775807]}}       | are not within the 16 bytes
            {"a":{"dtype":"F32","shape":[3],"data_offsets":[0,12]}}                        | bytes 12 to 16 of the data belong to no tensor
            {"a":{"dtype":"F32","shape":[3],"data_offsets":[4,16]}}                        | bytes 0 to 4 of the data belong to no tensor
            {}                                                                             | bytes 0 to 16 of the data belong to no tensor
            {"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16],"more":1}}               | unknown key more
            {"a":{"dtype":"F32","dtype":"F32","shape":[4],"data_offsets":[0,16]}}          | Duplicate field 'dtype'
            {"__metadata__":{"a":1}}                                                       | __metadata__.a: expected a string
            {"__metadata__":{"a":"1","a":"2"}}                                             | Duplicate field 'a'
            {"__metadata__":[]}                                                            | __metadata__: expected an object
            """)
    void refusesAHeaderThatLies(String header, String reason) {
        assertRefused(file(header, 16), reason);
    }

    @Test
    void refusesTensorsThatShareBytes() {
        String shared = """
                {"a":{"dtype":"F32","shape":[3],"data_offsets":[0,12]},"b":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}""";
        assertRefused(file(shared, 16), "tensor b: overlaps another tensor");
        String twice = """
                {"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"b":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}""";
        assertRefused(file(twice, 16), "overlaps another tensor");
        String sameName = """
                {"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}""";
        assertRefused(file(sameName, 16), "Duplicate field 'a'");
    }

    /** The format asks for no alignment; a header of any length may stand before the data. */
    @Test
    void readsTensorsThatBeginAnywhere() throws IOException {
        String header = """
                {"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"b":{"dtype":"F32","shape":[1],"data_offsets":[3,7]}}""";
        MemorySegment bytes = file(header, 7);
        bytes.set(ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN), bytes.byteSize() - 4, 2.5f);
        float[] value = new float[1];
        Safetensors.parse(SourceFile.of(bytes, FILE)).tensors().get("b").readFloats(0, 1, value);
        assertThat(value).containsExactly(2.5f);
    }

    @ParameterizedTest
    @ValueSource(longs = {-1, 0, 1, 17, 100_000_001, Long.MIN_VALUE})
    void refusesAnImpossibleHeaderLength(long length) {
        ByteBuffer bytes =
                ByteBuffer.allocate(8 + 16).order(ByteOrder.LITTLE_ENDIAN).putLong(length);
        assertRefused(MemorySegment.ofArray(bytes.array()), "no possible length of a header");
    }

    @Test
    void refusesWhatIsNoUtf8AndWhatIsNestedDeeply() {
        MemorySegment bytes = file("{\"a\":\"xx\"}      ", 0);
        bytes.set(ValueLayout.JAVA_BYTE, 14, (byte) 0xFF);
        assertRefused(bytes, "not UTF-8");
        assertRefused(file("{\"a\":" + "[".repeat(5000), 0), "a: expected an object");
        assertRefused(file("{\"__metadata__\":{\"a\":" + "{\"a\":".repeat(5000), 0), "expected a string");
    }

    @Test
    void refusesFilesTooShort() {
        assertRefused(MemorySegment.ofArray(new byte[7]), "too short");
        assertRefused(MemorySegment.ofArray(new byte[0]), "too short");
    }

    /** Every truncation of a valid file and every change of one byte of its header is refused or still reads. */
    @Test
    void survivesTruncationAndDamage() throws IOException {
        byte[] valid = Files.readAllBytes(Checkpoints.TINY.resolve("param_check.safetensors"));
        for (int length = 0; length < valid.length; length += 3) {
            assertRefused(MemorySegment.ofArray(valid).asSlice(0, length), "");
        }
        int header = (int) ByteBuffer.wrap(valid).order(ByteOrder.LITTLE_ENDIAN).getLong();
        for (int i = 0; i < 8 + header; i++) {
            for (int change : new int[] {1, 0x20, 0x80, 0xFF}) {
                byte[] damaged = valid.clone();
                damaged[i] ^= (byte) change;
                try {
                    Safetensors.parse(SourceFile.of(MemorySegment.ofArray(damaged), FILE));
                } catch (ModelFileException e) {
                    assertThat(e.status()).isEqualTo(Status.FORMAT);
                }
            }
        }
    }

    private static void assertRefused(MemorySegment bytes, String reason) {
        assertThatThrownBy(() -> Safetensors.parse(SourceFile.of(bytes, FILE)))
                .isInstanceOfSatisfying(
                        ModelFileException.class, e -> assertThat(e.status()).isEqualTo(Status.FORMAT))
                .hasMessageStartingWith("some.safetensors: ")
                .hasMessageContaining(reason);
    }

    private static MemorySegment file(String header, int dataBytes) {
        byte[] json = header.getBytes(StandardCharsets.UTF_8);
        int padded = Math.ceilDiv(json.length, 8) * 8;
        ByteBuffer bytes = ByteBuffer.allocate(8 + padded + dataBytes).order(ByteOrder.LITTLE_ENDIAN);
        bytes.putLong(padded).put(json).put(" ".repeat(padded - json.length).getBytes(StandardCharsets.UTF_8));
        return MemorySegment.ofArray(bytes.array());
    }
}
