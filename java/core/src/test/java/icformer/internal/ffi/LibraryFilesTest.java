package icformer.internal.ffi;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import icformer.error.IcfException;
import icformer.error.Status;
import java.io.IOException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class LibraryFilesTest {
    private static final String ROOT = "icformer-native/test/";

    @TempDir
    private Path classes;

    @TempDir
    private Path home;

    private Path cache;
    private URLClassLoader loader;

    @BeforeEach
    void open() throws IOException {
        cache = home.resolve("cache/icformer");
        Files.createDirectories(classes.resolve(ROOT));
        write("libicf.so", "a library");
        write("libggml.so.0", "another");
        list(line("libicf.so"), line("libggml.so.0"));
        loader = new URLClassLoader(new URL[] {classes.toUri().toURL()}, null);
    }

    @AfterEach
    void close() throws IOException {
        loader.close();
    }

    @Test
    void filesAreExtractedOnce() throws IOException {
        Path folder = files().extractTo(cache);

        assertThat(folder).hasParent(cache);
        assertThat(folder.getFileName().toString()).matches("native-1-[0-9a-f]{12}");
        assertThat(folder.resolve("libicf.so")).hasContent("a library");
        assertThat(folder.resolve("libggml.so.0")).hasContent("another");
        Files.writeString(folder.resolve("libicf.so"), "still the first copy");
        assertThat(files().extractTo(cache)).isEqualTo(folder);
        assertThat(folder.resolve("libicf.so")).hasContent("still the first copy");
        assertThat(cacheEntries())
                .containsExactlyInAnyOrder(folder.getFileName().toString(), folder.getFileName() + ".lock");
    }

    @Test
    void incompleteCopyIsReplaced() throws IOException {
        Path folder = files().extractTo(cache);
        Files.delete(folder.resolve("libggml.so.0"));

        assertThat(files().extractTo(cache)).isEqualTo(folder);
        assertThat(folder.resolve("libggml.so.0")).hasContent("another");
    }

    @Test
    void otherFilesGoElsewhere() throws IOException {
        Path folder = files().extractTo(cache);
        write("libicf.so", "a newer library");
        list(line("libicf.so"), line("libggml.so.0"));

        assertThat(files().extractTo(cache)).isNotEqualTo(folder);
    }

    @Test
    void damagedFileIsRefused() throws IOException {
        write("libicf.so", "something else");

        assertThatThrownBy(() -> files().extractTo(cache))
                .isInstanceOfSatisfying(
                        IcfException.class, e -> assertThat(e.status()).isEqualTo(Status.FORMAT))
                .hasMessageContaining("libicf.so is not what");
        assertThat(cacheEntries()).allMatch(name -> name.endsWith(".lock"));
    }

    @Test
    void missingFileIsNamed() throws IOException {
        Files.delete(classes.resolve(ROOT + "libicf.so"));

        assertThatThrownBy(() -> files().extractTo(cache))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("names libicf.so, which is not there");
    }

    @ParameterizedTest
    @ValueSource(strings = {"libicf.so", "0123  libicf.so", "%64s  ../libicf.so", "%64s  a/libicf.so", "%64s  "})
    void listThatNamesNoFilesIsRefused(String line) throws IOException {
        list(line.formatted("0").replace("  0", "00").replace(' ', line.contains("%") ? '0' : ' '));

        assertThatThrownBy(this::files)
                .isInstanceOfSatisfying(
                        IcfException.class, e -> assertThat(e.status()).isEqualTo(Status.FORMAT));
    }

    @Test
    void noListIsNoLibrary() throws IOException {
        assertThat(LibraryFiles.find(loader, "icformer-native/other/")).isNull();
    }

    @Test
    void cacheThatCannotBeWrittenIsDoneWithout() throws IOException {
        Files.createDirectories(cache.getParent());
        Files.writeString(cache, "a file in the way");
        Path folder = files().extractTo(cache);

        assertThat(folder).hasParent(Path.of(System.getProperty("java.io.tmpdir")));
        assertThat(folder.resolve("libicf.so")).hasContent("a library");
    }

    @Test
    void manyMayExtractAtOnce() throws Exception {
        try (ExecutorService pool = Executors.newFixedThreadPool(8)) {
            List<Future<Path>> folders = new ArrayList<>();
            for (int i = 0; i < 8; i++) {
                folders.add(pool.submit(() -> files().extractTo(cache)));
            }
            for (Future<Path> folder : folders) {
                assertThat(folder.get()).isEqualTo(folders.getFirst().get()).hasParent(cache);
                assertThat(folder.get().resolve("libicf.so")).hasContent("a library");
            }
        }
        assertThat(cacheEntries()).hasSize(2);
    }

    @Test
    void cacheFollowsTheBaseDirectorySpecification() {
        Path fallback = Path.of(System.getProperty("user.home"), ".cache", "icformer");

        assertThat(LibraryFiles.cache("/var/cache")).isEqualTo(Path.of("/var/cache/icformer"));
        assertThat(LibraryFiles.cache(null)).isEqualTo(fallback);
        assertThat(LibraryFiles.cache("relative")).isEqualTo(fallback);
        assertThat(LibraryFiles.cache("")).isEqualTo(fallback);
    }

    private LibraryFiles files() throws IOException {
        return LibraryFiles.find(loader, ROOT);
    }

    private void write(String name, String content) throws IOException {
        Files.writeString(classes.resolve(ROOT + name), content);
    }

    private void list(String... lines) throws IOException {
        Files.write(classes.resolve(ROOT + "files.txt"), List.of(lines));
    }

    private String line(String name) throws IOException {
        try {
            byte[] hash = MessageDigest.getInstance("SHA-256").digest(Files.readAllBytes(classes.resolve(ROOT + name)));
            return HexFormat.of().formatHex(hash) + "  " + name;
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    private List<String> cacheEntries() throws IOException {
        try (Stream<Path> files = Files.list(cache)) {
            return files.map(file -> file.getFileName().toString()).toList();
        }
    }
}
