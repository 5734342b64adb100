package icformer.files;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFileAttributeView;
import java.time.Duration;
import java.time.Instant;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Pattern;
import java.util.stream.Stream;

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
        Leftovers.remove(path);
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
            Leftovers.claim(channel);
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
        if (Files.isSymbolicLink(path) && !Files.exists(path)) {
            throw new FileSystemException(path.toString(), null, "a link to a file that does not exist");
        }
        if (Files.exists(path)) {
            if (existing == Existing.KEEP) {
                throw new FileAlreadyExistsException(path.toString());
            }
            if (!Files.isRegularFile(path)) {
                throw new FileSystemException(path.toString(), null, "not a regular file");
            }
        }
    }

    /**
     * The checks of {@link #checkTarget}, and that the target is none of the files that it is made from, be it by another name.
     *
     * @throws FileSystemException if it is one of them
     */
    public static void checkTarget(Path path, Existing existing, Collection<Path> inputs) throws IOException {
        for (Path input : inputs) {
            if (Files.exists(path) && Files.exists(input) && Files.isSameFile(path, input)) {
                throw new FileSystemException(path.toString(), null, "is an input, which is not replaced");
            }
        }
        checkTarget(path, existing);
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
        keepMode();
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

    /** Who might read or write the file that is replaced may the new one, and nobody else. */
    private void keepMode() throws IOException {
        if (existing == Existing.REPLACE
                && Files.exists(target)
                && Files.getFileStore(target).supportsFileAttributeView(PosixFileAttributeView.class)) {
            Files.setPosixFilePermissions(temporary, Files.getPosixFilePermissions(target));
        }
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

    /**
     * What earlier runs that were killed left of a target. A run holds a lock on the file it writes to, which ends with it;
     * where a file system knows no locks, such files stay.
     */
    private static final class Leftovers {
        /** A file that was made just now may not be locked yet. */
        private static final Duration AGE = Duration.ofMillis(200);

        private static void claim(FileChannel channel) {
            try {
                channel.tryLock(); // held until the channel is closed
            } catch (IOException e) {
                return;
            }
        }

        private static void remove(Path path) throws IOException {
            Path folder = path.toAbsolutePath().getParent();
            if (folder == null || !Files.isDirectory(folder)) {
                return;
            }
            Pattern name = Pattern.compile(
                    Pattern.quote("." + path.getFileName() + ".") + "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\\.part");
            List<Path> parts;
            try (Stream<Path> files = Files.list(folder)) {
                parts = files.filter(file ->
                                name.matcher(file.getFileName().toString()).matches())
                        .toList();
            } catch (AccessDeniedException e) { // a folder that can be written to need not be readable
                return;
            }
            for (Path part : parts) {
                if (isAbandoned(part)) {
                    Files.deleteIfExists(part);
                }
            }
        }

        private static boolean isAbandoned(Path part) {
            if (Unfinished.FILES.contains(part)) {
                return false;
            }
            try (FileChannel channel = FileChannel.open(part, StandardOpenOption.WRITE, LinkOption.NOFOLLOW_LINKS)) {
                Instant young = Instant.now().minus(AGE);
                return Files.getLastModifiedTime(part).toInstant().isBefore(young) && channel.tryLock() != null;
            } catch (IOException | OverlappingFileLockException e) {
                return false;
            }
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
