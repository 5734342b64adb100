package icformer.cli;

import static org.assertj.core.api.Assertions.assertThat;

import icformer.Device;
import icformer.Devices;
import icformer.Model;
import icformer.cli.console.Streams;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Runs commands in this process, on small models with random weights. */
public final class Cli {
    public static final Path ROOT = Path.of(System.getProperty("icformer.root"));

    /** An LLM of width 64 with a SentencePiece vocabulary of 512, and what the reference computes with it. */
    public static final Path GOLDEN = ROOT.resolve("java/core/src/test/resources/icformer/golden/e2e-llama");

    public static final Path MODEL = GOLDEN.resolve("lm-f32.gguf");

    /** The context, question and former of the golden case "qa". */
    public static final String CONTEXT =
            "Scientists found the diaries in a tin trunk in 1994 and used them to study how the paths of "
                    + "migrating birds had moved over a century. They discovered that the redwings now arrive eleven days later than "
                    + "they did in 1920, and that the number of storms in October has almost doubled.";

    public static final String QUESTION = "When was the lighthouse built?";

    private Cli() {}

    /** The device on which commands compute that name none. */
    public static Device device() throws IOException {
        try (Model model = Model.open(MODEL)) {
            return Devices.all().get(model.info().device());
        }
    }

    /** How far results may be from exact ones: {@code bar} where the CPU computes, no less than halves cost elsewhere. */
    public static double rounding(double bar) throws IOException {
        Device device = device();
        return device.kind() == Device.Kind.CPU
                ? bar
                : Math.max(bar, device.name().startsWith("Vulkan") ? 2e-2 : 5e-3);
    }

    /**
     * What became of a command.
     *
     * @param code exit code
     * @param out standard output
     * @param err standard error
     */
    public record Result(int code, String out, String err) {

        /** Standard output of a command that succeeded and had nothing to say beside it. */
        public String output() {
            assertThat(err).isEmpty();
            assertThat(code).isZero();
            return out;
        }

        /** The only line of standard error of a command that failed. */
        public String failure() {
            assertThat(code).as(err).isEqualTo(1);
            assertThat(out).isEmpty();
            assertThat(err).endsWith("\n").containsOnlyOnce("\n");
            return err.strip();
        }

        /** Standard error of a command that was called wrongly. */
        public String usage() {
            assertThat(code).as(err).isEqualTo(2);
            assertThat(out).isEmpty();
            return err.strip();
        }

        /** The JSON object that standard output is. */
        public Map<String, @Nullable Object> json() throws IOException {
            assertThat(output()).endsWith("}\n").containsOnlyOnce("\n");
            if (Json.parse(out) instanceof Map<?, ?> map) {
                @SuppressWarnings("unchecked") // every key of a JSON object is a string
                Map<String, @Nullable Object> object = (Map<String, @Nullable Object>) map;
                return object;
            }
            throw new AssertionError(out);
        }
    }

    public static Result run(String... args) {
        return run(new byte[0], args);
    }

    public static Result run(byte[] input, String... args) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        int code = Main.run(new Streams(new ByteArrayInputStream(input), out, err, false), args);
        return new Result(code, out.toString(StandardCharsets.UTF_8), err.toString(StandardCharsets.UTF_8));
    }

    /** A command with one thread on {@link #MODEL}. */
    public static Result runModel(String... args) {
        return run(withModel(args));
    }

    public static String[] withModel(String... args) {
        List<String> all = new ArrayList<>(List.of(args));
        all.addAll(List.of("--model", MODEL.toString(), "--threads", "1"));
        return all.toArray(String[]::new);
    }

    /** A command with one thread on {@link #MODEL} and its former. */
    public static Result runPair(String... args) {
        return run(withPair(args));
    }

    public static String[] withPair(String... args) {
        List<String> all = new ArrayList<>(List.of(withModel(args)));
        all.addAll(List.of("--former", Former.FILE.toString()));
        return all.toArray(String[]::new);
    }

    /** The former of {@link #MODEL}, converted when it is first needed. */
    public static final class Former {
        public static final Path FILE = convert();

        private Former() {}

        private static Path convert() {
            try {
                Path file = Files.createTempFile("former-", ".gguf");
                file.toFile().deleteOnExit();
                run(
                                "convert",
                                GOLDEN.resolve("icformer").toString(),
                                "-o",
                                file.toString(),
                                "--target",
                                MODEL.toString(),
                                "--force")
                        .output();
                return file;
            } catch (IOException e) {
                throw new AssertionError(e);
            }
        }
    }
}
