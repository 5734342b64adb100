package icformer.internal.ffi;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import icformer.Devices;
import icformer.Icformer;
import icformer.error.IcfException;
import icformer.error.Status;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Loading: what is in the way is said in one sentence. Every case needs a process of its own. */
class NativeLibraryTest {
    @TempDir
    private Path folder;

    /** What the child runs: prints versions, or status and message. */
    static final class Child {
        private Child() {}

        public static void main(String[] args) {
            try {
                System.out.println("version " + Icformer.version());
            } catch (IcfException e) {
                System.out.println(e.status() + " " + e.getMessage());
            }
        }
    }

    @Test
    void versionsAreThoseOfTheLibraries() {
        assertThat(Icformer.version()).matches("\\d+\\.\\d+\\.\\d+");
        assertThat(Icformer.ggmlVersion()).matches("\\d+\\.\\d+\\.\\d+.*");
        assertThat(Devices.all().getFirst().name()).isEqualTo("CPU");
    }

    @Test
    void givenFolderIsUsed() throws IOException, InterruptedException {
        assertThat(run(System.getProperty(NativeLibrary.PATH_PROPERTY), "")).startsWith("version ");
    }

    /** {@code OMP_DISPLAY_ENV} has OpenMP print what it read when it was loaded. */
    @Test
    void waitingThreadsSleepSoon() throws IOException, InterruptedException {
        String libraries = System.getProperty(NativeLibrary.PATH_PROPERTY);
        assertThat(run(libraries, "", Map.of("OMP_DISPLAY_ENV", "VERBOSE"))).contains("GOMP_SPINCOUNT = '10000'");
    }

    @Test
    void usersOwnWaitingIsKept() throws IOException, InterruptedException {
        String libraries = System.getProperty(NativeLibrary.PATH_PROPERTY);
        assertThat(run(libraries, "", Map.of("OMP_DISPLAY_ENV", "VERBOSE", "GOMP_SPINCOUNT", "77")))
                .contains("GOMP_SPINCOUNT = '77'");
        assertThat(run(libraries, "", Map.of("OMP_DISPLAY_ENV", "VERBOSE", "OMP_WAIT_POLICY", "active")))
                .contains("OMP_WAIT_POLICY = 'ACTIVE'")
                .doesNotContain("GOMP_SPINCOUNT = '10000'");
    }

    @Test
    void folderWithoutTheLibrary() throws IOException, InterruptedException {
        assertThat(run(folder.toString(), ""))
                .startsWith("IO there is no " + folder)
                .contains("libicf.so, but -Dicformer.library.path points there");
    }

    @Test
    void fileThatIsNoLibrary() throws IOException, InterruptedException {
        Files.writeString(folder.resolve("libicf.so"), "no library");

        assertThat(run(folder.toString(), ""))
                .contains("UNSUPPORTED " + folder)
                .contains("cannot be loaded on linux-")
                .contains("-Dicformer.library.path=FOLDER");
    }

    @Test
    void libraryOfAnotherKind() throws IOException, InterruptedException {
        Path other =
                Path.of(System.getProperty("java.home"), "lib", "libjsig.so"); // it needs nothing but the C library
        Files.copy(other, folder.resolve("libicf.so"));

        assertThat(run(folder.toString(), ""))
                .startsWith("MISMATCH " + folder)
                .contains("libicf.so is not the native library of icformer");
    }

    @Test
    void libraryOfAnotherVersion() {
        assertThatThrownBy(() -> NativeLibrary.checkVersion(Path.of("libicf.so"), 99))
                .isInstanceOfSatisfying(
                        IcfException.class, e -> assertThat(e.status()).isEqualTo(Status.MISMATCH))
                .hasMessage("libicf.so has version 99 of the native interface, but this icformer needs 1: "
                        + "take both from one release");
    }

    @Test
    void libraryOnTheClassPathIsExtracted() throws IOException, InterruptedException {
        Path resources = folder.resolve("classes/icformer-native/" + LibraryFiles.platform());
        Files.createDirectories(resources);
        // without the backends, which are many and not needed to tell the version
        List<String> lines = Files.readAllLines(libraries().resolve("files.txt")).stream()
                .filter(line -> !line.contains("libggml-c"))
                .toList();
        for (String name : lines.stream().map(line -> line.split("  ")[1]).toList()) {
            Files.copy(libraries().resolve(name), resources.resolve(name));
        }
        Files.write(resources.resolve("files.txt"), lines);

        assertThat(run(null, folder.resolve("classes").toString())).startsWith("version ");
        assertThat(folder.resolve("cache/icformer")).isDirectoryContaining("glob:**/native-1-????????????");
    }

    @Test
    void platformWithoutALibrary() throws IOException, InterruptedException {
        assertThat(run(null, "", "-Dos.arch=vax"))
                .startsWith("UNSUPPORTED there is no native library for linux-vax on the class path")
                .contains("-Dicformer.library.path=FOLDER");
    }

    private static Path libraries() {
        return Path.of(System.getProperty(NativeLibrary.PATH_PROPERTY));
    }

    private String run(String libraryPath, String moreClasses, String... options)
            throws IOException, InterruptedException {
        return run(libraryPath, moreClasses, Map.of(), options);
    }

    private String run(String libraryPath, String moreClasses, Map<String, String> environment, String... options)
            throws IOException, InterruptedException {
        List<String> command = new ArrayList<>();
        command.add(ProcessHandle.current().info().command().orElseThrow());
        command.add("--enable-native-access=ALL-UNNAMED");
        if (libraryPath != null) {
            command.add("-D" + NativeLibrary.PATH_PROPERTY + "=" + libraryPath);
        }
        command.addAll(List.of(options));
        command.addAll(List.of(
                "-cp",
                moreClasses + ":" + System.getProperty("java.class.path") + ":"
                        + System.getProperty("jdk.module.path", ""),
                Child.class.getName()));
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
        builder.environment().put("XDG_CACHE_HOME", folder.resolve("cache").toString());
        builder.environment().keySet().removeAll(List.of("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"));
        builder.environment().putAll(environment);
        Process process = builder.start();
        String output = new String(process.getInputStream().readAllBytes());
        assertThat(process.waitFor()).as(output).isZero();
        return output;
    }
}
