package icformer;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Digest rows are written and read at one address: a child process prints the arguments of every native call. */
class ZeroCopyTest {
    @TempDir
    private Path folder;

    /** What the child runs. */
    static final class Child {
        private Child() {}

        public static void main(String[] args) throws IOException {
            Path file = Path.of(args[0]);
            try (Model model = Model.open(TestData.LLM);
                    Digester digester = model.openDigester(TestData.former());
                    Session session = model.openSession();
                    Arena arena = Arena.ofConfined()) {
                Digest digest = digester.digest(new int[] {5, 6, 7});
                session.append(digest);
                digest.save(file);
                Digest loaded = Digest.load(file, arena);
                System.out.println("loaded " + Long.toHexString(loaded.rows().address()));
                session.append(loaded);
            }
        }
    }

    @Test
    void rowsAreReadWhereTheyWereWritten() throws IOException, InterruptedException {
        String output = runChild();
        String written = address(output, "icf_digester_run\\(.*?\\}, .*?\\}, \\d+, .*?address: (?:0x)?([0-9a-f]+)")
                .getFirst();
        List<String> read = address(output, "icf_session_append_rows\\(.*?\\}, .*?address: (?:0x)?([0-9a-f]+)");
        String mapped = address(output, "loaded ([0-9a-f]+)").getFirst();

        assertThat(read).containsExactly(written, mapped);
    }

    private String runChild() throws IOException, InterruptedException {
        List<String> command = new ArrayList<>();
        command.add(ProcessHandle.current().info().command().orElseThrow());
        for (String property : List.of("icformer.library.path", "icformer.root")) {
            command.add("-D" + property + "=" + System.getProperty(property));
        }
        command.addAll(List.of(
                "--enable-native-access=ALL-UNNAMED",
                "-Djextract.trace.downcalls=true",
                "-cp",
                System.getProperty("java.class.path") + ":" + System.getProperty("jdk.module.path", ""),
                Child.class.getName(),
                folder.resolve("digest.safetensors").toString()));
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String output = new String(process.getInputStream().readAllBytes());
        assertThat(process.waitFor()).as(output).isZero();
        return output;
    }

    private static List<String> address(String output, String pattern) {
        List<String> addresses = new ArrayList<>();
        Matcher matcher = Pattern.compile(pattern).matcher(output);
        while (matcher.find()) {
            addresses.add(matcher.group(1));
        }
        assertThat(addresses).as(output).isNotEmpty();
        return addresses;
    }
}
