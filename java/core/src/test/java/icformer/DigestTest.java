package icformer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import icformer.error.IcfException;
import icformer.error.ModelFileException;
import icformer.error.Status;
import icformer.files.AtomicFile;
import icformer.files.ElementType;
import icformer.files.Safetensors;
import icformer.files.SafetensorsWriter;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class DigestTest {
    private static final Digest.Origin ORIGIN =
            new Digest.Origin("a model", 0x8000000000000001L, "a former", 2, "ab".repeat(32));

    @TempDir
    private Path folder;

    private Path file;
    private Digest digest;

    /** 2 chunks of 3 rows, width 4. */
    @BeforeEach
    void create() {
        file = folder.resolve("context.safetensors");
        MemorySegment rows = Arena.ofAuto().allocate(24 * Float.BYTES, Float.BYTES);
        for (int i = 0; i < 24; i++) {
            rows.setAtIndex(ValueLayout.JAVA_FLOAT, i, i / 3f);
        }
        List<Digest.Chunk> chunks = List.of(new Digest.Chunk(0, 5), new Digest.Chunk(5, 9));
        digest = new Digest(rows, RowType.F32, 4, chunks, ORIGIN);
    }

    @Test
    void rowsAreCountedAndSliced() {
        assertThat(digest.rowCount()).isEqualTo(6);
        assertThat(digest.rows().isReadOnly()).isTrue();
        assertThat(digest.rows(1, 2).address()).isEqualTo(digest.rows().address() + 16);
        assertThat(digest.rows(1, 2).byteSize()).isEqualTo(32);
        assertThat(digest.rows(6, 0).byteSize()).isZero();
        for (long[] range : new long[][] {{-1, 1}, {0, 7}, {6, 1}, {0, -1}, {Long.MAX_VALUE, Long.MAX_VALUE}}) {
            assertThatThrownBy(() -> digest.rows(range[0], range[1])).isInstanceOf(IcfException.class);
        }
    }

    @Test
    void comesBackFromAFile() throws IOException {
        digest.save(file);
        Digest loaded = Digest.load(file);

        assertThat(loaded.rows().mismatch(digest.rows())).isEqualTo(-1);
        assertThat(loaded.type()).isEqualTo(RowType.F32);
        assertThat(loaded.width()).isEqualTo(4);
        assertThat(loaded.rowCount()).isEqualTo(6);
        assertThat(loaded.chunks()).isEqualTo(digest.chunks());
        assertThat(loaded.origin()).isEqualTo(ORIGIN);
        assertThat(folder).isDirectoryContaining("glob:**.safetensors").isDirectoryNotContaining("glob:**.part");
    }

    /** Nothing that is done to the file later reaches the rows, be it a cut that would end the process in a map of it. */
    @Test
    void rowsOfAFileAreReadOnce() throws IOException {
        digest.save(file);
        try (Arena arena = Arena.ofConfined()) {
            Digest loaded = Digest.load(file, arena);
            Files.write(file, new byte[0]);

            assertThat(loaded.rows().mismatch(digest.rows())).isEqualTo(-1);
            assertThat(loaded.rows().address() % 64).isZero();
            assertThat(loaded.rows().scope()).isEqualTo(arena.scope());
        }
    }

    @Test
    void halvesRoundEveryElement() throws IOException {
        digest.save(file, RowType.F16);
        Digest loaded = Digest.load(file);

        assertThat(loaded.type()).isEqualTo(RowType.F16);
        assertThat(loaded.rowCount()).isEqualTo(6);
        for (int i = 0; i < 24; i++) {
            assertThat(loaded.rows().getAtIndex(ValueLayout.JAVA_SHORT, i)).isEqualTo(Float.floatToFloat16(i / 3f));
        }
    }

    @Test
    void elementsBeyondHalvesAreRefused() {
        MemorySegment rows = Arena.ofAuto().allocate(4 * Float.BYTES, Float.BYTES);
        rows.setAtIndex(ValueLayout.JAVA_FLOAT, 2, 70000f);
        Digest large = new Digest(rows, RowType.F32, 4, List.of(new Digest.Chunk(0, 5)), ORIGIN);

        assertThatThrownBy(() -> large.save(file, RowType.F16))
                .isInstanceOfSatisfying(
                        IcfException.class, e -> assertThat(e.status()).isEqualTo(Status.UNSUPPORTED))
                .hasMessageContaining("70000.0");
        assertThat(file).doesNotExist();
    }

    @Test
    void halvesCanBeWidenedAgain() throws IOException {
        digest.save(file, RowType.F16);
        Path wide = folder.resolve("wide.safetensors");
        Digest.load(file).save(wide, RowType.F32);

        assertThat(Digest.load(wide).rows().getAtIndex(ValueLayout.JAVA_FLOAT, 7))
                .isEqualTo(Float.float16ToFloat(Float.floatToFloat16(7 / 3f)));
    }

    @Test
    void fileIsAsDocumented() throws IOException {
        digest.save(file);
        try (Arena arena = Arena.ofConfined()) {
            Safetensors stored = Safetensors.open(file, arena);

            assertThat(stored.onlyTensor().name()).isEqualTo("digest");
            assertThat(stored.onlyTensor().type()).isEqualTo(ElementType.F32);
            assertThat(stored.onlyTensor().shape()).containsExactly(6L, 4L);
            assertThat(stored.metadata())
                    .containsEntry("format", "icformer-digest")
                    .containsEntry("format_version", "1")
                    .containsEntry("model_fingerprint", "8000000000000001")
                    .containsEntry("former_fingerprint", "0000000000000002")
                    .containsEntry("model_name", "a model")
                    .containsEntry("former_name", "a former")
                    .containsEntry("chunks", "[[0,5],[5,9]]")
                    .containsEntry("context_sha256", "ab".repeat(32))
                    .containsKey("rows_sha256")
                    .hasSize(9);
        }
    }

    @Test
    void savingReplacesAFileThatIsInUse() throws IOException {
        digest.save(file);
        Digest old = Digest.load(file);
        digest.save(file, RowType.F16);

        assertThat(old.rows().mismatch(digest.rows())).isEqualTo(-1);
        assertThat(Digest.load(file).type()).isEqualTo(RowType.F16);
    }

    @Test
    void changedRowsAreFound() throws IOException {
        digest.save(file);
        byte[] bytes = Files.readAllBytes(file);
        bytes[bytes.length - 3] ^= 1;
        Files.write(file, bytes);

        assertRefused(Status.FORMAT, "is damaged");
    }

    @Test
    void missingFile() {
        assertThatThrownBy(() -> Digest.load(file)).isInstanceOf(NoSuchFileException.class);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            format             | safetensors        | FORMAT      | is no digest file
            format_version     | 2                  | UNSUPPORTED | version 2
            model_fingerprint  | 12                 | FORMAT      | fingerprint
            former_fingerprint | 00000000_0000000   | FORMAT      | fingerprint
            chunks             | [[0,5],[6,9]]      | FORMAT      | chunk table
            chunks             | [[0,5],[5,4]]      | FORMAT      | chunk table
            chunks             | [[0,5,9]]          | FORMAT      | chunk table
            chunks             | [0,5]              | FORMAT      | chunk table
            chunks             | []                 | FORMAT      | 6 rows for 0 chunks
            chunks             | [[0,1],[1,2],[2,3],[3,4]] | FORMAT | 6 rows for 4 chunks
            chunks             | {                  | FORMAT      | JSON
            rows_sha256        | 00                 | FORMAT      | is damaged
            """)
    void falseStringsAreRefused(String key, String value, Status status, String message) throws IOException {
        saveWith(key, value, "digest", List.of(6L, 4L));

        assertRefused(status, message);
    }

    @ParameterizedTest
    @CsvSource({
        "format",
        "format_version",
        "model_name",
        "model_fingerprint",
        "former_name",
        "former_fingerprint",
        "chunks",
        "context_sha256",
        "rows_sha256"
    })
    void missingStringsAreRefused(String key) throws IOException {
        saveWith(key, null, "digest", List.of(6L, 4L));

        assertThatThrownBy(() -> Digest.load(file)).isInstanceOf(ModelFileException.class);
    }

    @Test
    void otherTensorsAreRefused() throws IOException {
        saveWith("format_version", "1", "rows", List.of(6L, 4L));
        assertRefused(Status.FORMAT, "named digest");
        saveWith("format_version", "1", "digest", List.of(24L));
        assertRefused(Status.FORMAT, "rows [rows, width]");
    }

    private void saveWith(String key, String value, String tensor, List<Long> shape) throws IOException {
        Map<String, String> strings = new LinkedHashMap<>(DigestFiles.metadata(digest, digest.rows()));
        strings.remove(key);
        if (value != null) {
            strings.put(key, value);
        }
        SafetensorsWriter.write(
                file,
                AtomicFile.Existing.REPLACE,
                strings,
                new SafetensorsWriter.Entry(tensor, ElementType.F32, shape),
                digest.rows());
    }

    private void assertRefused(Status status, String message) {
        assertThatThrownBy(() -> Digest.load(file))
                .isInstanceOfSatisfying(
                        ModelFileException.class, e -> assertThat(e.status()).isEqualTo(status))
                .hasMessageContaining(file.toString())
                .hasMessageContaining(message);
    }
}
