package icformer.files;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import icformer.error.ModelFileException;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class GgufWriterTest {
    @TempDir
    private Path folder;

    /** The bytes, one after the other, as the format's description lays them out. */
    @Test
    void writesTheFormatByteForByte() throws IOException {
        Path file = folder.resolve("out.gguf");
        Map<String, GgufValue> values = new LinkedHashMap<>();
        values.put("a", GgufValue.u32(0xFFFFFFFFL));
        values.put("b", GgufValue.text("ä"));
        List<GgufWriter.Entry> tensors = List.of(
                new GgufWriter.Entry("x", 0, List.of(3L, 1L), 12), new GgufWriter.Entry("y", 1, List.of(2L), 4));
        try (GgufWriter writer = GgufWriter.create(file, AtomicFile.Existing.KEEP, values, tensors)) {
            writer.write(MemorySegment.ofArray(new float[] {1f, 2f}));
            writer.write(MemorySegment.ofArray(new float[] {3f}));
            writer.write(MemorySegment.ofArray(new short[] {0x3C00, 0x4000}));
            assertThat(writer.commit()).isEqualTo(Files.size(file));
        }
        ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
        assertThat(text(bytes, 4)).isEqualTo("GGUF");
        assertThat(bytes.getInt()).as("version").isEqualTo(3);
        assertThat(bytes.getLong()).as("tensors").isEqualTo(2);
        assertThat(bytes.getLong()).as("keys").isEqualTo(2);

        assertThat(text(bytes, (int) bytes.getLong())).isEqualTo("a");
        assertThat(bytes.getInt()).as("type u32").isEqualTo(4);
        assertThat(bytes.getInt()).isEqualTo(-1);
        assertThat(text(bytes, (int) bytes.getLong())).isEqualTo("b");
        assertThat(bytes.getInt()).as("type string").isEqualTo(8);
        assertThat(text(bytes, (int) bytes.getLong())).isEqualTo("ä");

        assertThat(text(bytes, (int) bytes.getLong())).isEqualTo("x");
        assertThat(bytes.getInt()).as("dimensions").isEqualTo(2);
        assertThat(bytes.getLong()).isEqualTo(3);
        assertThat(bytes.getLong()).isEqualTo(1);
        assertThat(bytes.getInt()).as("F32").isZero();
        assertThat(bytes.getLong()).as("offset").isZero();
        assertThat(text(bytes, (int) bytes.getLong())).isEqualTo("y");
        assertThat(bytes.getInt()).as("dimensions").isEqualTo(1);
        assertThat(bytes.getLong()).isEqualTo(2);
        assertThat(bytes.getInt()).as("F16").isEqualTo(1);
        assertThat(bytes.getLong()).as("offset").isEqualTo(32);

        int data = Math.ceilDiv(bytes.position(), 32) * 32;
        assertThat(bytes.capacity()).isEqualTo(data + 64);
        assertThat(bytes.getFloat(data + 8)).isEqualTo(3f);
        assertThat(bytes.getInt(data + 12)).as("padding").isZero();
        assertThat(bytes.getShort(data + 34)).isEqualTo((short) 0x4000);
    }

    @Test
    void readsBackTheMetadataItWrote() throws IOException {
        Map<String, GgufValue> values = new LinkedHashMap<>();
        values.put("general.architecture", GgufValue.text("icformer"));
        values.put("count", GgufValue.u32(7));
        values.put("hash", GgufValue.u64(-2));
        values.put("epsilon", GgufValue.f32(1e-6f));
        values.put("flag", GgufValue.bool(true));
        values.put("tokens", GgufValue.texts(List.of("<s>", "", "é")));
        Path file = write(values);
        Map<String, GgufValue> read = read(file);
        assertThat(read.keySet()).containsExactlyElementsOf(values.keySet());
        values.forEach((key, value) -> assertThat(read.get(key).bytes().mismatch(value.bytes()))
                .as(key)
                .isEqualTo(-1));
        assertThat(read.get("hash").type()).isEqualTo(GgufValue.Type.U64);
        try (GgufFile opened = GgufFile.open(file)) {
            assertThat(opened.metadata().key("tokens").count()).isEqualTo(3);
            assertThat(opened.metadata().key("count").count()).isEqualTo(1);
        }
    }

    /** FNV-1a of 64 bits over {@code "a" FF "bc" FF}. */
    @Test
    void hashesTheVocabulary() throws IOException {
        long hash = 0xcbf29ce484222325L;
        for (int b : new int[] {'a', 0xFF, 'b', 'c', 0xFF}) {
            hash = (hash ^ b) * 0x100000001b3L;
        }
        assertThat(vocabularyHash(GgufValue.texts(List.of("a", "bc")))).isEqualTo(hash);
        assertThat(vocabularyHash(GgufValue.texts(List.of("ab", "c")))).isNotEqualTo(hash);
        assertThat(vocabularyHash(GgufValue.text("a"))).isZero();
    }

    @Test
    void refusesToCommitAnIncompleteFile() throws IOException {
        List<GgufWriter.Entry> tensors = List.of(new GgufWriter.Entry("x", 0, List.of(2L), 8));
        try (GgufWriter writer =
                GgufWriter.create(folder.resolve("out.gguf"), AtomicFile.Existing.KEEP, Map.of(), tensors)) {
            writer.write(MemorySegment.ofArray(new float[1]));
            assertThatIllegalStateException().isThrownBy(writer::commit).withMessage("tensor x is not complete");
            assertThatIllegalArgumentException().isThrownBy(() -> writer.write(MemorySegment.ofArray(new float[2])));
        }
        assertThat(folder).isEmptyDirectory();
    }

    @Test
    void refusesWhatTheFormatCannotHold() {
        assertThatIllegalArgumentException().isThrownBy(() -> GgufValue.u32(-1));
        assertThatIllegalArgumentException().isThrownBy(() -> GgufValue.u32(1L << 32));
        assertThatIllegalArgumentException().isThrownBy(() -> new GgufWriter.Entry("x", 0, List.of(), 4));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new GgufWriter.Entry("x", 0, List.of(1L, 1L, 1L, 1L, 1L), 4));
        assertThatIllegalArgumentException().isThrownBy(() -> new GgufWriter.Entry("x".repeat(64), 0, List.of(1L), 4));
    }

    @Test
    void refusesDamagedMetadata() throws IOException {
        byte[] valid = Files.readAllBytes(write(Map.of("k", GgufValue.texts(List.of("one", "two")))));
        int metadataBytes = 24 + 8 + 1 + 4 + 4 + 8 + 2 * (8 + 3);
        for (int length = 0; length < metadataBytes; length++) {
            Path truncated = Files.write(folder.resolve("x.gguf"), Arrays.copyOf(valid, length));
            assertThatThrownBy(() -> read(truncated)).isInstanceOf(ModelFileException.class);
        }
        for (int i = 0; i < metadataBytes; i++) {
            for (int change : new int[] {1, 0x80, 0xFF}) {
                byte[] damaged = valid.clone();
                damaged[i] ^= (byte) change;
                Path file = Files.write(folder.resolve("x.gguf"), damaged);
                try {
                    assertThat(read(file)).isNotNull();
                } catch (ModelFileException e) {
                    assertThat(e).hasMessageStartingWith(file + ": ");
                }
            }
        }
        byte[] nested = new byte[24 + 9 + 4 + 4 + 8];
        ByteBuffer.wrap(nested)
                .order(ByteOrder.LITTLE_ENDIAN)
                .put("GGUF".getBytes(StandardCharsets.US_ASCII))
                .putInt(3)
                .putLong(0)
                .putLong(1)
                .putLong(1)
                .put((byte) 'k')
                .putInt(9)
                .putInt(9)
                .putLong(0);
        Path file = Files.write(folder.resolve("x.gguf"), nested);
        assertThatThrownBy(() -> read(file)).isInstanceOf(ModelFileException.class);
    }

    private Path write(Map<String, GgufValue> values) throws IOException {
        Path file = folder.resolve("values.gguf");
        try (GgufWriter writer = GgufWriter.create(file, AtomicFile.Existing.KEEP, values, List.of())) {
            writer.commit();
        }
        return file;
    }

    private long vocabularyHash(GgufValue tokens) throws IOException {
        Files.deleteIfExists(folder.resolve("values.gguf"));
        try (GgufFile file = GgufFile.open(write(Map.of("tokenizer.ggml.tokens", tokens)))) {
            return file.vocabularyHash();
        }
    }

    private static Map<String, GgufValue> read(Path path) throws IOException {
        try (GgufFile file = GgufFile.open(path)) {
            return file.values();
        }
    }

    private static String text(ByteBuffer bytes, int length) {
        byte[] text = new byte[length];
        bytes.get(text);
        return new String(text, StandardCharsets.UTF_8);
    }
}
