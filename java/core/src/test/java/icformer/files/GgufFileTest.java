package icformer.files;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import icformer.TestData;
import icformer.error.IcfException;
import icformer.error.ModelFileException;
import icformer.error.Status;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class GgufFileTest {
    @TempDir
    private Path folder;

    @Test
    void tensorsAreReadAsTheyLie() throws IOException {
        try (GgufFile file = GgufFile.open(TestData.LLM);
                Arena arena = Arena.ofConfined()) {
            MemorySegment whole = TestData.bytes(TestData.LLM);
            for (TensorInfo tensor : file.tensors()) {
                MemorySegment data = arena.allocate(tensor.bytes() - 8);
                file.read(tensor, 8, data);
                assertThat(data.mismatch(whole.asSlice(file.dataOffset() + tensor.offset() + 8, data.byteSize())))
                        .as(tensor.name())
                        .isEqualTo(-1);
            }
        }
    }

    @Test
    void whatATensorDoesNotHaveIsRefused() throws IOException {
        try (GgufFile file = GgufFile.open(TestData.LLM);
                Arena arena = Arena.ofConfined()) {
            TensorInfo tensor = file.tensors().getFirst();
            MemorySegment data = arena.allocate(8);
            assertRefused(() -> file.read(tensor, tensor.bytes() - 7, data));
            assertRefused(() -> file.read(tensor, -1, data));
            assertRefused(() -> file.read(new TensorInfo("none", tensor.type(), tensor.shape(), 0, 8), 0, data));
            assertRefused(() -> file.read(tensor, 0, MemorySegment.ofArray(new byte[8])));
        }
    }

    @Test
    void aFileThatIsCutShortIsToldOf() throws IOException {
        Path copy = Files.copy(TestData.LLM, folder.resolve("copy.gguf"));
        try (GgufFile file = GgufFile.open(copy);
                Arena arena = Arena.ofConfined()) {
            try (FileChannel channel = FileChannel.open(copy, StandardOpenOption.WRITE)) {
                channel.truncate(file.dataOffset() + 8);
            }
            TensorInfo last = file.tensors().getLast();
            MemorySegment data = arena.allocate(last.bytes());
            assertThatThrownBy(() -> file.read(last, 0, data))
                    .isInstanceOfSatisfying(
                            ModelFileException.class,
                            e -> assertThat(e.status()).isEqualTo(Status.IO));
        }
    }

    private static void assertRefused(ThrowingCallable call) {
        assertThatThrownBy(call)
                .isInstanceOfSatisfying(
                        IcfException.class, e -> assertThat(e.status()).isEqualTo(Status.ARGUMENT));
    }
}
