package icformer.files;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/** Read-only mappings of files. */
public final class MappedFile {
    private MappedFile() {}

    /**
     * Maps a regular file for the life of {@code arena}.
     *
     * @throws IOException if the file is missing, is no regular file, or cannot be read or mapped
     */
    public static MemorySegment map(Path file, Arena arena) throws IOException {
        if (!Files.exists(file)) {
            throw new NoSuchFileException(file.toString());
        }
        if (!Files.isRegularFile(file)) {
            throw new FileSystemException(file.toString(), null, "not a regular file");
        }
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            return channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
        }
    }

    /**
     * Maps bytes {@code offset … offset + size - 1} of a regular file for the life of {@code arena}.
     *
     * @throws IOException if the file has become shorter, or cannot be mapped
     */
    public static MemorySegment map(Path file, long offset, long size, Arena arena) throws IOException {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            if (offset + size > channel.size()) {
                throw new FileSystemException(file.toString(), null, "has become shorter");
            }
            return channel.map(FileChannel.MapMode.READ_ONLY, offset, size, arena);
        }
    }
}
