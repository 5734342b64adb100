package icformer.files;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import icformer.error.ModelFileException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.FileTime;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class CheckpointTest {
    @TempDir
    private Path folder;

    @Test
    void joinsShards() throws IOException {
        shard("model-00001-of-00002.safetensors", "a", 1f);
        shard("model-00002-of-00002.safetensors", "b", 2f);
        index("""
                {"metadata": {"total_size": 8},
                 "weight_map": {"b": "model-00002-of-00002.safetensors", "a": "model-00001-of-00002.safetensors"}}""");
        try (Arena arena = Arena.ofConfined()) {
            Map<String, StoredTensor> tensors = Checkpoint.readWeights(folder, arena);
            assertThat(tensors.keySet()).containsExactly("b", "a");
            float[] value = new float[1];
            tensors.get("b").readFloats(0, 1, value);
            assertThat(value).containsExactly(2f);
        }
    }

    /** A file that takes the name of one that is open is not seen, and one that is written to is refused. */
    @ParameterizedTest
    @ValueSource(strings = {"model.safetensors", "param.pt"})
    void readsByOneDescriptor(String name) throws IOException {
        Path file = Files.copy(Checkpoints.TINY_BF16.resolve(name), folder.resolve(name));
        try (Arena arena = Arena.ofConfined()) {
            StoredTensor tensor =
                    Checkpoint.readFile(file, arena).values().iterator().next();
            MemorySegment before = tensor.read(arena);
            Path other = Files.write(folder.resolve("other"), new byte[(int) Files.size(file)]);
            Files.move(other, file, StandardCopyOption.REPLACE_EXISTING);
            assertThat(tensor.read(arena).mismatch(before)).isEqualTo(-1);
            Files.delete(file);
            assertThat(tensor.read(arena).mismatch(before)).isEqualTo(-1);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"model.safetensors", "param.pt"})
    void refusesAFileThatChanges(String name) throws IOException {
        Path file = Files.copy(Checkpoints.TINY_BF16.resolve(name), folder.resolve(name));
        try (Arena arena = Arena.ofConfined()) {
            StoredTensor tensor =
                    Checkpoint.readFile(file, arena).values().iterator().next();
            Files.setLastModifiedTime(file, FileTime.fromMillis(0));
            assertThatThrownBy(() -> tensor.read(arena))
                    .isInstanceOf(IOException.class)
                    .hasMessageContaining("changed");
        }
        try (Arena arena = Arena.ofConfined()) {
            StoredTensor tensor =
                    Checkpoint.readFile(file, arena).values().iterator().next();
            Files.write(file, new byte[100]);
            assertThatThrownBy(() -> tensor.read(arena))
                    .isInstanceOf(IOException.class)
                    .hasMessageContaining("shorter");
        }
    }

    @Test
    void prefersSafetensors() throws IOException {
        shard("model.safetensors", "a", 1f);
        Files.writeString(folder.resolve("pytorch_model.bin"), "not read");
        try (Arena arena = Arena.ofConfined()) {
            assertThat(Checkpoint.readWeights(folder, arena).keySet()).containsExactly("a");
        }
    }

    @Test
    void namesAFolderWithoutWeights() {
        try (Arena arena = Arena.ofConfined()) {
            assertThatThrownBy(() -> Checkpoint.readWeights(folder, arena))
                    .isInstanceOf(NoSuchFileException.class)
                    .hasMessageContaining("holds neither model.safetensors nor pytorch_model.bin");
        }
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
            {}                                                      | has no weight_map
            {"weight_map": []}                                      | has no weight_map
            []                                                      | holds no JSON object
            {"weight_map": {"a": 1}}                                | tensor a: its file is no text
            {"weight_map": {"a": "../secret.safetensors"}}          | is no file name
            {"weight_map": {"a": "/etc/secret.safetensors"}}        | is no file name
            {"weight_map": {"a": ""}}                               | is no file name
            {"weight_map": {"b": "one.safetensors"}}                | tensor b is not in one.safetensors
            {"weight_map": {"a": "one.safetensors", "a": "x"}}      | Duplicate field 'a'
            {"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}} | tensor c of two.safetensors is not listed
            """)
    void refusesAnIndexThatLies(String json, String reason) throws IOException {
        shard("one.safetensors", "a", 1f);
        try (SafetensorsWriter writer = SafetensorsWriter.create(
                folder.resolve("two.safetensors"),
                AtomicFile.Existing.KEEP,
                Map.of(),
                List.of(entry("b"), entry("c")))) {
            writer.write(MemorySegment.ofArray(new float[] {2f, 3f}));
            writer.commit();
        }
        index(json);
        try (Arena arena = Arena.ofConfined()) {
            assertThatThrownBy(() -> Checkpoint.readWeights(folder, arena))
                    .isInstanceOf(ModelFileException.class)
                    .hasMessageContaining(reason);
        }
    }

    private void shard(String file, String tensor, float value) throws IOException {
        SafetensorsWriter.write(
                folder.resolve(file),
                AtomicFile.Existing.KEEP,
                Map.of(),
                entry(tensor),
                MemorySegment.ofArray(new float[] {value}));
    }

    private static SafetensorsWriter.Entry entry(String name) {
        return new SafetensorsWriter.Entry(name, ElementType.F32, List.of(1L));
    }

    private void index(String json) throws IOException {
        Files.writeString(folder.resolve("model.safetensors.index.json"), json);
    }
}
