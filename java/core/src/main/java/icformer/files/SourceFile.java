package icformer.files;

import icformer.internal.base.Failures;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileTime;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A file that is read by one descriptor, from its opening until its arena is closed.
 *
 * <p>A file that takes its name meanwhile is not seen, and one that is cut short or written to is an {@link IOException}. In a
 * map of the file either would end the process, or give a mixture of old bytes and new. Any number of threads may read at once.
 */
public final class SourceFile {
    /** Bytes read at once: the channel reads what is not direct through a buffer of that size. */
    private static final long READ_BYTES = 8 << 20;

    private final Path path;
    private final long size;
    private final Content content;

    /** What reads bytes {@code offset …} into the target, which lies within the size. */
    private interface Content {
        void read(long offset, MemorySegment target) throws IOException;
    }

    private SourceFile(Path path, long size, Content content) {
        this.path = path;
        this.size = size;
        this.content = content;
    }

    /**
     * Opens a regular file for the life of {@code arena}.
     *
     * @throws IOException if the file is missing, is no regular file, or cannot be read
     */
    public static SourceFile open(Path path, Arena arena) throws IOException {
        FileChannel channel = openChannel(path);
        try {
            SourceFile file = new SourceFile(path, channel.size(), new Descriptor(path, channel));
            closeWith(arena, channel);
            return file;
        } catch (IOException | RuntimeException e) {
            channel.close();
            throw e;
        }
    }

    /** A file that is in memory. */
    public static SourceFile of(MemorySegment bytes, Path path) {
        return new SourceFile(
                path,
                bytes.byteSize(),
                (offset, target) -> MemorySegment.copy(bytes, offset, target, 0, target.byteSize()));
    }

    private static FileChannel openChannel(Path path) throws IOException {
        if (!Files.exists(path)) {
            throw new NoSuchFileException(path.toString());
        }
        if (!Files.isRegularFile(path)) {
            throw new FileSystemException(path.toString(), null, "not a regular file");
        }
        return FileChannel.open(path, StandardOpenOption.READ);
    }

    /** An arena closes what is bound to it: here a segment of no bytes, whose cleanup is the channel's. */
    @SuppressWarnings("restricted") // no address is made up
    private static void closeWith(Arena arena, FileChannel channel) {
        MemorySegment.NULL.reinterpret(arena, _ -> {
            try {
                channel.close();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        });
    }

    /** The file. */
    public Path path() {
        return path;
    }

    /** Its size when it was opened, in bytes. */
    public long size() {
        return size;
    }

    /**
     * Fills a segment with bytes {@code offset …} of the file.
     *
     * @param target off-heap, or a byte array
     * @throws IndexOutOfBoundsException if they are not within the file
     * @throws IOException if the file has become shorter or was changed, or cannot be read
     */
    public void read(long offset, MemorySegment target) throws IOException {
        if (offset < 0 || offset > size - target.byteSize()) {
            throw new IndexOutOfBoundsException(
                    "%d bytes at %d of the %d of %s".formatted(target.byteSize(), offset, size, path));
        }
        content.read(offset, target);
    }

    /** Bytes {@code offset … offset + count - 1} in an array. */
    public MemorySegment read(long offset, long count) throws IOException {
        if (count < 0 || count > Integer.MAX_VALUE - 8) {
            throw new IndexOutOfBoundsException(count + " bytes");
        }
        if (offset < 0 || offset > size - count) {
            throw new IndexOutOfBoundsException("%d bytes at %d of the %d of %s".formatted(count, offset, size, path));
        }
        MemorySegment bytes = MemorySegment.ofArray(new byte[(int) count]);
        content.read(offset, bytes);
        return bytes;
    }

    /**
     * The bytes of a short file.
     *
     * @param most bytes it may have
     * @throws icformer.error.ModelFileException of status UNSUPPORTED if it has more
     */
    public static MemorySegment readAll(Path path, long most) throws IOException {
        try (FileChannel channel = openChannel(path)) {
            long size = channel.size();
            if (size > most) {
                throw Failures.unsupported(path, "has %d bytes, of which at most %d are read", size, most);
            }
            MemorySegment bytes = MemorySegment.ofArray(new byte[(int) size]);
            new Descriptor(path, channel).read(0, bytes);
            return bytes;
        }
    }

    /** An open file, and what it was when it was opened. */
    private static final class Descriptor implements Content {
        private final Path path;
        private final FileChannel channel;
        private final @Nullable Object key;
        private final long size;
        private final FileTime modified;

        Descriptor(Path path, FileChannel channel) throws IOException {
            BasicFileAttributes attributes = Files.readAttributes(path, BasicFileAttributes.class);
            this.path = path;
            this.channel = channel;
            this.key = attributes.fileKey();
            this.size = channel.size();
            this.modified = attributes.lastModifiedTime();
        }

        @Override
        public void read(long offset, MemorySegment target) throws IOException {
            for (long done = 0; done < target.byteSize(); done += READ_BYTES) {
                ByteBuffer buffer = target.asSlice(done, Math.min(READ_BYTES, target.byteSize() - done))
                        .asByteBuffer();
                long at = offset + done;
                while (buffer.hasRemaining()) {
                    int count = channel.read(buffer, at);
                    if (count < 0) {
                        throw new FileSystemException(path.toString(), null, "has become shorter while it was read");
                    }
                    at += count;
                }
            }
            checkUnchanged();
        }

        /** Behind each reading, so that what was read before a change is whole. */
        private void checkUnchanged() throws IOException {
            boolean changed = channel.size() != size;
            if (!changed && Files.exists(path)) {
                BasicFileAttributes now = Files.readAttributes(path, BasicFileAttributes.class);
                // another file of that name is none of our matter
                changed = Objects.equals(now.fileKey(), key)
                        && !now.lastModifiedTime().equals(modified);
            }
            if (changed) {
                throw new FileSystemException(path.toString(), null, "was changed while it was read");
            }
        }
    }
}
