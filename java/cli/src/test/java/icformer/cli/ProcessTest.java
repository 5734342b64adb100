package icformer.cli;

import static org.assertj.core.api.Assertions.assertThat;

import icformer.files.AtomicFile;
import icformer.files.GgufValue;
import icformer.files.GgufWriter;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** What only a process of its own shows: exit codes, pipes and signals. */
@Timeout(120)
@EnabledOnOs(OS.LINUX)
class ProcessTest {
    @TempDir
    private Path folder;

    private final List<Process> started = new ArrayList<>();

    /** A test that fails leaves nothing running. */
    @AfterEach
    void end() {
        started.forEach(Process::destroyForcibly);
    }

    @Test
    void theExitCodeIsThatOfTheCommand() throws Exception {
        Process success = start(List.of(), "tokenize", "The lamp", "--model", Cli.MODEL.toString());
        assertThat(new String(success.getInputStream().readAllBytes(), StandardCharsets.UTF_8))
                .contains("\" The\"");
        assertThat(success.waitFor()).isZero();

        Process failure = start(List.of(), "info", folder.resolve("none").toString());
        assertThat(errors(failure)).isEqualTo("icf info: " + folder.resolve("none") + ": no such file\n");
        assertThat(failure.waitFor()).isEqualTo(1);

        assertThat(start(List.of(), "nonsense").waitFor()).isEqualTo(2);
    }

    @Test
    void aBrokenPipeEndsTheCommandQuietly() throws Exception {
        Process process = start(List.of(), generateForLong());
        assertThat(process.getInputStream().read()).isNotNegative();
        process.getInputStream().close();
        assertThat(errors(process)).isEmpty();
        assertThat(process.waitFor()).isZero();
    }

    @Test
    void aFullDiskIsTold() throws Exception {
        Process process = start(
                List.of("sh", "-c", "exec \"$@\" >/dev/full", "sh"),
                "tokenize",
                "The lamp",
                "--model",
                Cli.MODEL.toString());
        assertThat(errors(process))
                .startsWith("icf tokenize: standard output: ")
                .containsOnlyOnce("\n");
        assertThat(process.waitFor()).isEqualTo(1);
    }

    @Test
    void aClosedStandardInputIsAnEmptyOne() throws Exception {
        Process process = start(
                List.of("sh", "-c", "exec \"$@\" <&-", "sh"), Cli.withPair("ask", "--context", "-", "--question", "q"));
        assertThat(errors(process)).isEqualTo("icf ask: the context is empty: nothing came from standard input\n");
        assertThat(process.waitFor()).isEqualTo(1);
    }

    /** {@code env} undoes what a shell in the background does to the signal. */
    @Test
    void anInterruptEndsTheCommandAtOnce() throws Exception {
        Process process = start(List.of("env", "--default-signal=INT"), generateForLong());
        assertThat(process.getInputStream().read()).isNotNegative();
        interrupt(process);
        assertThat(errors(process)).isEmpty();
        assertThat(process.waitFor()).isEqualTo(130);
    }

    @Test
    void anInterruptLeavesNoFile() throws Exception {
        Process process = start(
                List.of("env", "--default-signal=INT"),
                Cli.withModel(
                        "dump",
                        "logits",
                        "--tokens",
                        "1",
                        "--generate",
                        "20000",
                        "--ctx",
                        "20100",
                        "-o",
                        folder.resolve("out").toString()));
        while (files().isEmpty()) {
            assertThat(process.isAlive()).isTrue();
            Thread.sleep(5);
        }
        interrupt(process);
        assertThat(errors(process)).isEmpty();
        assertThat(process.waitFor()).isEqualTo(130);
        assertThat(files()).isEmpty();
    }

    /** While the virtual machine starts, files are opened, weights are laid out, a context is compressed, or tokens come. */
    @Test
    void anInterruptAtAnyMomentIsQuiet() throws Exception {
        Path context = Files.writeString(folder.resolve("context.txt"), "The lamp burned whale oil. ".repeat(40));
        for (int milliseconds = 30; milliseconds <= 930; milliseconds += 100) {
            Process process = start(
                    List.of("env", "--default-signal=INT"),
                    Cli.withPair(
                            "ask", "--context", context.toString(), "--question", "When?", "--max-tokens", "1900"));
            process.waitFor(milliseconds, TimeUnit.MILLISECONDS);
            sendInterrupt(process);
            assertThat(process.waitFor(10, TimeUnit.SECONDS)).isTrue();
            // the virtual machine's own words where it is too young to log that it ends
            assertThat(errors(process))
                    .as("%d ms", milliseconds)
                    .matches("(Runtime\\.exit\\(130\\) logging failed: .*\n)?");
            String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            // a virtual machine that is interrupted between two of its own first steps takes that for a defect
            boolean tooEarly = output.startsWith("Error occurred during initialization of VM");
            assertThat(process.exitValue()).as("%d ms", milliseconds).isIn(130, tooEarly ? 1 : 0);
        }
    }

    /** What a file held before stays until the new one is complete, even if there is no time to clean up. */
    @Test
    void aKilledCommandLeavesTheFileThatWasThere() throws Exception {
        Path out = Files.writeString(folder.resolve("out"), "before");
        Process process = start(
                List.of(),
                Cli.withModel(
                        "dump",
                        "logits",
                        "--tokens",
                        "1",
                        "--generate",
                        "20000",
                        "--ctx",
                        "20100",
                        "--force",
                        "-o",
                        out.toString()));
        while (files().size() < 2
                || files().stream().mapToLong(file -> file.toFile().length()).sum() < 10_000) {
            assertThat(process.isAlive()).isTrue();
            Thread.sleep(5);
        }
        process.destroyForcibly();
        assertThat(process.waitFor()).isEqualTo(128 + 9);
        assertThat(out).hasContent("before");
    }

    /** Killed at any moment, a file is the old one or the new one. */
    @Test
    void aQuantizedFileIsOldOrNew() throws Exception {
        Path out = folder.resolve("out.gguf");
        Path expected = folder.resolve("expected.gguf");
        String[] quantize = {"quantize", Cli.MODEL.toString(), out.toString(), "q8_0", "--force"};
        assertThat(start(List.of(), "quantize", Cli.MODEL.toString(), expected.toString(), "q8_0")
                        .waitFor())
                .isZero();
        for (int milliseconds = 50; milliseconds <= 800; milliseconds += 125) {
            Files.writeString(out, "before");
            Process process = start(List.of(), quantize);
            process.waitFor(milliseconds, TimeUnit.MILLISECONDS);
            process.destroyForcibly().waitFor();
            if (Files.size(out) == 6) {
                assertThat(out).hasContent("before");
            } else {
                assertThat(out).hasSameBinaryContentAs(expected);
            }
        }
    }

    @Test
    void outputIsUtf8WhateverTheLocale() throws Exception {
        Path file = folder.resolve("named.gguf");
        Map<String, GgufValue> metadata = Map.of("general.name", GgufValue.text("gr\u00fcn \u4f60"));
        try (GgufWriter writer = GgufWriter.create(file, AtomicFile.Existing.KEEP, metadata, List.of())) {
            writer.commit();
        }
        Process process = start(List.of("env", "LC_ALL=C"), "info", file.toString());
        assertThat(new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8))
                .contains("name: gr\u00fcn \u4f60\n");
    }

    /** Takes minutes, and writes from the first millisecond on: behind this prompt the most likely tokens go in a circle. */
    private static String[] generateForLong() {
        return Cli.withModel(
                "generate", "--prompt", "a a a a a a a a a a a a", "--max-tokens", "100000", "--ctx", "100100");
    }

    private static void interrupt(Process process) throws IOException, InterruptedException {
        assertThat(sendInterrupt(process)).isTrue();
        assertThat(process.waitFor(10, TimeUnit.SECONDS)).isTrue();
    }

    /** Whether there was still a process to send it to. */
    private static boolean sendInterrupt(Process process) throws IOException, InterruptedException {
        return new ProcessBuilder("kill", "-INT", String.valueOf(process.pid()))
                        .start()
                        .waitFor()
                == 0;
    }

    private static String errors(Process process) throws IOException {
        return new String(process.getErrorStream().readAllBytes(), StandardCharsets.UTF_8);
    }

    private List<Path> files() throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.toList();
        }
    }

    /** Starts the command line in a virtual machine as the launcher does, with the modules or classes of this one. */
    private Process start(List<String> prefix, String... args) throws IOException {
        List<String> command = new ArrayList<>(prefix);
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(List.of("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx256m"));
        command.add(property("icformer.root"));
        command.add(property("icformer.library.path"));
        @Nullable String modules = System.getProperty("jdk.module.path");
        if (modules != null) {
            command.add("--enable-native-access=icformer,icformer.bindings");
            command.addAll(List.of("--module-path", modules, "--module", "icformer.cli/icformer.cli.Main"));
        } else {
            command.add("--enable-native-access=ALL-UNNAMED");
            command.addAll(List.of("-cp", System.getProperty("java.class.path"), "icformer.cli.Main"));
        }
        command.addAll(List.of(args));
        Process process = new ProcessBuilder(command).start();
        started.add(process);
        return process;
    }

    private static String property(String name) {
        return "-D%s=%s".formatted(name, System.getProperty(name));
    }
}
