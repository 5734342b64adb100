package icformer.internal.ffi;

import icformer.bindings.IcfNative;
import icformer.error.IcfException;
import icformer.error.Status;
import java.io.IOException;
import java.io.InputStream;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.DigestOutputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The native library's files on the class path, and their copy in a folder, from where the system can load them.
 *
 * <p>{@code icformer-native/OS-ARCH/files.txt} lists them in the format of {@code sha256sum}: the hash, two spaces, the
 * name. They are extracted once, to {@code icformer/native-VERSION-HASH} below {@code $XDG_CACHE_HOME} or
 * {@code ~/.cache}, HASH being that of the list.
 */
final class LibraryFiles {
    private static final String LIST = "files.txt";
    /** Extracting takes a second. */
    private static final Duration LOCK_TIMEOUT = Duration.ofMinutes(1);

    private static final Duration LOCK_INTERVAL = Duration.ofMillis(1);

    private final ClassLoader loader;
    private final String root;
    private final String list;
    /** SHA-256 by name. */
    private final Map<String, String> hashes = new LinkedHashMap<>();

    private LibraryFiles(ClassLoader loader, String root, String list) {
        this.loader = loader;
        this.root = root;
        this.list = list;
        for (String line : list.lines().filter(line -> !line.isBlank()).toList()) {
            String[] parts = line.split("[ *]+(\\./)?", 2);
            if (parts.length != 2 || !parts[0].matches("[0-9a-f]{64}") || !parts[1].matches("[A-Za-z0-9._+-]+")) {
                throw new IcfException(Status.FORMAT, root + LIST + " has a line that names no file: " + line);
            }
            hashes.put(parts[1], parts[0]);
        }
    }

    /** Name of the library's file on this system. */
    static String libraryName() {
        return System.mapLibraryName("icf");
    }

    /** This system, as folders are named: {@code linux-x86_64}. */
    static String platform() {
        String os = System.getProperty("os.name").toLowerCase(Locale.ROOT);
        String arch = System.getProperty("os.arch").toLowerCase(Locale.ROOT);
        String system = os.startsWith("mac") ? "macos" : os.startsWith("windows") ? "windows" : os;
        return system + "-" + (arch.equals("amd64") ? "x86_64" : arch);
    }

    /** The folder of the extracted files of this platform. */
    static Path extract() {
        ClassLoader loader = LibraryFiles.class.getClassLoader();
        String root = "icformer-native/" + platform() + "/";
        try {
            LibraryFiles files = find(loader, root);
            if (files == null) {
                throw new IcfException(
                        Status.UNSUPPORTED,
                        "there is no native library for %s on the class path: add icformer-native for it, or give a folder with -D%s=FOLDER"
                                .formatted(platform(), NativeLibrary.PATH_PROPERTY));
            }
            return files.extractTo(cache(System.getenv("XDG_CACHE_HOME")));
        } catch (IOException e) {
            throw new IcfException(
                    Status.IO,
                    "the native library cannot be extracted (%s): give its folder with -D%s=FOLDER"
                            .formatted(e, NativeLibrary.PATH_PROPERTY),
                    e);
        }
    }

    /** The user's cache, as the XDG base directory specification has it: a relative path there counts as none. */
    static Path cache(@Nullable String xdgCacheHome) {
        Path base = xdgCacheHome != null && Path.of(xdgCacheHome).isAbsolute()
                ? Path.of(xdgCacheHome)
                : Path.of(System.getProperty("user.home"), ".cache");
        return base.resolve("icformer");
    }

    /** The files that a list below {@code root} names; null where there is no list. */
    static @Nullable LibraryFiles find(ClassLoader loader, String root) throws IOException {
        try (InputStream stream = loader.getResourceAsStream(root + LIST)) {
            return stream == null
                    ? null
                    : new LibraryFiles(loader, root, new String(stream.readAllBytes(), StandardCharsets.UTF_8));
        }
    }

    /** Extracts into a cache, or where it cannot be written into a folder of this process alone. */
    Path extractTo(Path cache) throws IOException {
        Path folder = cache.resolve("native-" + IcfNative.ICF_ABI_VERSION() + "-" + hash());
        if (isComplete(folder)) {
            return folder;
        }
        try {
            Files.createDirectories(cache);
            extractLocked(cache, folder);
            return folder;
        } catch (IOException e) {
            return extractForThisProcess(e);
        }
    }

    private void extractLocked(Path cache, Path folder) throws IOException {
        Path lockFile = cache.resolve(folder.getFileName() + ".lock");
        try (FileChannel channel = FileChannel.open(lockFile, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
                FileLock _ = lock(channel)) {
            if (isComplete(folder)) {
                return;
            }
            Path part = Files.createTempDirectory(cache, "native-");
            try {
                copyTo(part);
                deleteFolder(folder);
                Files.move(part, folder, StandardCopyOption.ATOMIC_MOVE);
            } finally {
                deleteFolder(part);
            }
        }
    }

    /** Waits for other processes, and for other class loaders of this one, which get an exception instead of waiting. */
    private static FileLock lock(FileChannel channel) throws IOException {
        long end = System.nanoTime() + LOCK_TIMEOUT.toNanos();
        while (true) {
            try {
                return channel.lock();
            } catch (OverlappingFileLockException e) {
                if (System.nanoTime() - end > 0) {
                    throw new IOException("the lock of the native library's cache is held for too long", e);
                }
                LockSupport.parkNanos(LOCK_INTERVAL.toNanos());
            }
        }
    }

    /** A private folder that goes when the process ends. */
    private Path extractForThisProcess(IOException cacheFailure) throws IOException {
        try {
            Path folder = Files.createTempDirectory("icformer-native-");
            folder.toFile().deleteOnExit();
            for (String name : hashes.keySet()) {
                folder.resolve(name).toFile().deleteOnExit();
            }
            copyTo(folder);
            return folder;
        } catch (IOException e) {
            e.addSuppressed(cacheFailure);
            throw e;
        }
    }

    private void copyTo(Path folder) throws IOException {
        for (Map.Entry<String, String> file : hashes.entrySet()) {
            copy(file.getKey(), file.getValue(), folder.resolve(file.getKey()));
        }
    }

    private void copy(String name, String expectedHash, Path target) throws IOException {
        MessageDigest sha256 = sha256();
        try (InputStream in = resource(name);
                DigestOutputStream out = new DigestOutputStream(Files.newOutputStream(target), sha256)) {
            in.transferTo(out);
        }
        if (!HexFormat.of().formatHex(sha256.digest()).equals(expectedHash)) {
            throw new IcfException(Status.FORMAT, root + name + " is not what " + root + LIST + " says: it is damaged");
        }
        // the rename that follows must not reach the disk before the bytes do
        try (FileChannel channel = FileChannel.open(target, StandardOpenOption.WRITE)) {
            channel.force(true);
        }
    }

    /** Whether every file is there: a folder appears by one rename, after all was checked and flushed. */
    private boolean isComplete(Path folder) {
        return hashes.keySet().stream().allMatch(name -> Files.isRegularFile(folder.resolve(name)));
    }

    private InputStream resource(String name) throws IOException {
        InputStream resource = loader.getResourceAsStream(root + name);
        if (resource == null) {
            throw new IOException(root + LIST + " names " + name + ", which is not there");
        }
        return resource;
    }

    /** The first 12 hexadecimal digits of the list's SHA-256. */
    private String hash() {
        return HexFormat.of()
                .formatHex(sha256().digest(list.getBytes(StandardCharsets.UTF_8)))
                .substring(0, 12);
    }

    private static void deleteFolder(Path folder) throws IOException {
        if (!Files.exists(folder)) {
            return;
        }
        try (Stream<Path> files = Files.list(folder)) {
            for (Path file : files.toList()) {
                Files.delete(file);
            }
        }
        Files.delete(folder);
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("every Java platform has SHA-256", e);
        }
    }
}
