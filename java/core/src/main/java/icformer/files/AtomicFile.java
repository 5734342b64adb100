package icformer.files;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;

/**
 * A file that appears complete or not at all.
 *
 * <p>Bytes go to a temporary file in the target's folder; {@link #commit} flushes it to the disk and renames it. Without
 * a commit, {@link #close} removes it, and so does the end of the virtual machine, be it by a signal.
 */
public final class AtomicFile implements AutoCloseable {

    /** What to do where the target already exists. */
    public enum Existing {
        /** Throw {@link FileAlreadyExistsException}. */
        KEEP,
        /** Replace it, at the moment of the commit. */
        REPLACE
    }

    /** Bytes handed to the channel at once: the channel copies what is not direct through a buffer of that size. */
    private static final long WRITE_BYTES = 8 << 20;

    private final Path target;
    private final Path temporary;
    private final Existing existing;
    private final FileChannel channel;
    private boolean open = true;

    private AtomicFile(Path target, Path temporary, Existing existing, FileChannel channel) {
        this.target = target;
        this.temporary = temporary;
        this.existing = existing;
        this.channel = channel;
    }

    /**
     * Begins a file.
     *
     * @throws FileAlreadyExistsException if the target exists and is to be kept
     * @throws IOException if the target is no regular file, or its folder is missing or not writable
     */
    public static AtomicFile create(Path path, Existing existing) throws IOException {
        checkTarget(path, existing);
        // a link is followed, so that the rename replaces the file and not the link to it
        Path target = Files.exists(path) ? path.toRealPath() : path.toAbsolutePath();
        Path folder = target.getParent();
        if (folder == null || !Files.isDirectory(folder)) {
            throw new NoSuchFileException(path.toString(), null, "its folder does not exist");
        }
        Path temporary = folder.resolve("." + target.getFileName() + "." + UUID.randomUUID() + ".part");
        Unfinished.add(temporary);
        try {
            FileChannel channel = FileChannel.open(temporary, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
            return new AtomicFile(target, temporary, existing, channel);
        } catch (FileSystemException e) { // it names the temporary file, which nobody has heard of
            Unfinished.remove(temporary);
            String reason = e.getReason() == null ? "" : ": " + e.getReason();
            throw new FileSystemException(path.toString(), null, "its folder cannot be written to" + reason);
        } catch (IOException | RuntimeException e) {
            Unfinished.remove(temporary);
            throw e;
        }
    }

    /** The checks of {@link #create} that need no writing, for callers with long work to do before the first byte. */
    public static void checkTarget(Path path, Existing existing) throws IOException {
        if (Files.exists(path)) {
            if (existing == Existing.KEEP) {
                throw new FileAlreadyExistsException(path.toString());
            }
            if (!Files.isRegularFile(path)) {
                throw new FileSystemException(path.toString(), null, "not a regular file");
            }
        }
    }

    /** Appends the bytes of a segment. */
    public void write(MemorySegment bytes) throws IOException {
        for (long offset = 0; offset < bytes.byteSize(); offset += WRITE_BYTES) {
            long length = Math.min(WRITE_BYTES, bytes.byteSize() - offset);
            write(buffer(bytes.asSlice(offset, length)));
        }
    }

    /** Off-heap memory is written from where it lies; only byte arrays of the heap can be seen as a buffer. */
    private static ByteBuffer buffer(MemorySegment bytes) {
        return bytes.isNative() ? bytes.asByteBuffer() : ByteBuffer.wrap(bytes.toArray(ValueLayout.JAVA_BYTE));
    }

    /** Appends the remaining bytes of a buffer. */
    public void write(ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            channel.write(bytes);
        }
    }

    /** Bytes written so far. */
    public long length() throws IOException {
        return channel.position();
    }

    /** Makes the file appear under its name, with all that was written. Nothing can be written afterwards. */
    public void commit() throws IOException {
        channel.force(true);
        channel.close();
        if (existing == Existing.REPLACE) {
            Files.move(temporary, target, StandardCopyOption.ATOMIC_MOVE);
        } else {
            Files.move(temporary, target);
        }
        open = false;
        Unfinished.remove(temporary);
        flushFolder();
    }

    /** Drops the file if it was not committed. */
    @Override
    public void close() throws IOException {
        if (open) {
            open = false;
            try {
                channel.close();
            } finally {
                Files.deleteIfExists(temporary);
                Unfinished.remove(temporary);
            }
        }
    }

    /** A rename is durable once its folder is flushed. Not every system can open a folder; there the rename is enough. */
    private void flushFolder() {
        try (FileChannel folder = FileChannel.open(target.getParent(), StandardOpenOption.READ)) {
            folder.force(true);
        } catch (IOException e) {
            return;
        }
    }

    /** Temporary files to remove when the virtual machine ends. */
    private static final class Unfinished {
        private static final Set<Path> FILES = ConcurrentHashMap.newKeySet();

        static {
            Runtime.getRuntime().addShutdownHook(new Thread(Unfinished::removeAll, "icformer-temporary-files"));
        }

        static void add(Path file) {
            FILES.add(file);
        }

        static void remove(Path file) {
            FILES.remove(file);
        }

        private static void removeAll() {
            for (Path file : FILES) {
                try {
                    Files.deleteIfExists(file);
                } catch (IOException e) {
                    // the machine is going down and nobody is left to tell; the name says what the file is
                    continue;
                }
            }
        }
    }
}
