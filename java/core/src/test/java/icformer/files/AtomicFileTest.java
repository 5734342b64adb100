package icformer.files;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

class AtomicFileTest {
    @TempDir
    private Path folder;

    @Test
    void appearsOnlyWhenCommitted() throws IOException {
        Path target = folder.resolve("out.bin");
        try (AtomicFile file = AtomicFile.create(target, AtomicFile.Existing.KEEP)) {
            file.write(text("abc"));
            assertThat(target).doesNotExist();
            file.write(text("def"));
            assertThat(file.length()).isEqualTo(6);
            file.commit();
        }
        assertThat(target).hasContent("abcdef");
        assertThat(names()).containsExactly("out.bin");
    }

    @Test
    void leavesNothingWithoutACommit() throws IOException {
        try (AtomicFile file = AtomicFile.create(folder.resolve("out.bin"), AtomicFile.Existing.KEEP)) {
            file.write(text("abc"));
            assertThat(names()).hasSize(1);
        }
        assertThat(names()).isEmpty();
    }

    @Test
    void keepsTheModeOfWhatItReplaces() throws IOException {
        Path target = Files.writeString(folder.resolve("out.bin"), "old");
        Set<PosixFilePermission> mode = PosixFilePermissions.fromString("rw-------");
        Files.setPosixFilePermissions(target, mode);
        try (AtomicFile file = AtomicFile.create(target, AtomicFile.Existing.REPLACE)) {
            file.write(text("new"));
            file.commit();
        }
        assertThat(target).hasContent("new");
        assertThat(Files.getPosixFilePermissions(target)).isEqualTo(mode);
    }

    @Test
    void refusesADanglingLinkAndAnInput() throws IOException {
        Path link = Files.createSymbolicLink(folder.resolve("link"), folder.resolve("gone"));
        assertThatThrownBy(() -> AtomicFile.create(link, AtomicFile.Existing.REPLACE))
                .isInstanceOf(FileSystemException.class)
                .hasMessageContaining("a link to a file that does not exist");
        Path input = Files.writeString(folder.resolve("input"), "mine");
        Path other = Files.createSymbolicLink(folder.resolve("other"), input);
        assertThatThrownBy(() -> AtomicFile.checkTarget(other, AtomicFile.Existing.REPLACE, List.of(input)))
                .isInstanceOf(FileSystemException.class)
                .hasMessageContaining("is an input");
        assertThat(input).hasContent("mine");
    }

    /** What a run that was killed has left goes with the next one of that name; what is being written to, or another's, stays. */
    @Test
    void removesWhatAKilledRunHasLeft() throws IOException {
        Path left = Files.writeString(folder.resolve(".out.bin." + UUID.randomUUID() + ".part"), "half");
        Path foreign = Files.writeString(folder.resolve(".out.bin.mine.part"), "mine");
        for (Path old : List.of(left, foreign)) {
            Files.setLastModifiedTime(old, FileTime.fromMillis(0));
        }
        try (AtomicFile going = AtomicFile.create(folder.resolve("out.bin"), AtomicFile.Existing.KEEP);
                AtomicFile file = AtomicFile.create(folder.resolve("out.bin"), AtomicFile.Existing.REPLACE)) {
            file.commit();
            going.write(text("it goes on"));
            assertThat(names()).hasSize(3);
        }
        assertThat(left).doesNotExist();
        assertThat(foreign).exists();
    }

    /** Nobody, root neither, makes files in the kernel's folders. */
    @Test
    @EnabledOnOs(OS.LINUX)
    void namesTheFileWhoseFolderCannotBeWrittenTo() {
        for (String target : List.of("/proc/out.bin", "/sys/out.bin")) {
            assertThatThrownBy(() -> AtomicFile.create(Path.of(target), AtomicFile.Existing.KEEP))
                    .isInstanceOf(FileSystemException.class)
                    .hasMessageStartingWith(target + ": its folder cannot be written to");
        }
    }

    @Test
    void keepsWhatIsThereUnlessToldToReplaceIt() throws IOException {
        Path target = Files.writeString(folder.resolve("out.bin"), "old");
        assertThatThrownBy(() -> AtomicFile.create(target, AtomicFile.Existing.KEEP))
                .isInstanceOf(FileAlreadyExistsException.class);
        try (AtomicFile file = AtomicFile.create(target, AtomicFile.Existing.REPLACE)) {
            file.write(text("new"));
            assertThat(target).hasContent("old");
            file.commit();
        }
        assertThat(target).hasContent("new");
    }

    @Test
    void keepsWhatAppearsMeanwhile() throws IOException {
        Path target = folder.resolve("out.bin");
        try (AtomicFile file = AtomicFile.create(target, AtomicFile.Existing.KEEP)) {
            file.write(text("late"));
            Files.writeString(target, "first");
            assertThatThrownBy(file::commit).isInstanceOf(FileAlreadyExistsException.class);
        }
        assertThat(target).hasContent("first");
        assertThat(names()).containsExactly("out.bin");
    }

    @Test
    void replacesTheFileAndNotTheLinkToIt() throws IOException {
        Path real = Files.writeString(folder.resolve("real.bin"), "old");
        Path link = Files.createSymbolicLink(folder.resolve("link.bin"), real);
        try (AtomicFile file = AtomicFile.create(link, AtomicFile.Existing.REPLACE)) {
            file.write(text("new"));
            file.commit();
        }
        assertThat(link).isSymbolicLink();
        assertThat(real).hasContent("new");
    }

    @Test
    void refusesAFolderADeviceAndAMissingFolder() {
        assertThatThrownBy(() -> AtomicFile.create(folder, AtomicFile.Existing.REPLACE))
                .hasMessageContaining("not a regular file");
        assertThatThrownBy(() -> AtomicFile.create(Path.of("/dev/null"), AtomicFile.Existing.REPLACE))
                .hasMessageContaining("not a regular file");
        assertThatThrownBy(() -> AtomicFile.create(folder.resolve("none/out.bin"), AtomicFile.Existing.KEEP))
                .isInstanceOf(NoSuchFileException.class)
                .hasMessageContaining("its folder does not exist");
    }

    private static MemorySegment text(String text) {
        return MemorySegment.ofArray(text.getBytes(StandardCharsets.UTF_8));
    }

    private List<String> names() throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString()).toList();
        }
    }
}
