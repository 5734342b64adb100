package icformer.cli.command;

import static org.assertj.core.api.Assertions.assertThat;

import icformer.cli.Cli;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ContextTest {
    @TempDir
    private Path folder;

    @Test
    void filesThatCannotBeReadAreNamed() throws IOException {
        Path none = folder.resolve("none.txt");
        assertThat(compress(none)).isEqualTo("icf compress: " + none + ": no such file");
        assertThat(compress(folder)).isEqualTo("icf compress: " + folder + ": is a folder");
    }

    @Test
    void anEmptyContextIsRefused() throws IOException {
        Path empty = Files.createFile(folder.resolve("empty.txt"));
        assertThat(compress(empty)).isEqualTo("icf compress: the context is empty: " + empty + " has no text");
        Path mark = Files.writeString(folder.resolve("mark.txt"), "\uFEFF");
        assertThat(compress(mark)).isEqualTo("icf compress: the context is empty: " + mark + " has no text");
        assertThat(Cli.runPair("ask", "--context", "-", "--question", "q").failure())
                .isEqualTo("icf ask: the context is empty: nothing came from standard input");
        Path text = Files.writeString(folder.resolve("text.txt"), "Text.");
        assertThat(Cli.runPair("ask", "--context", text.toString(), "--question", "  ")
                        .failure())
                .isEqualTo("icf ask: the question is empty");
    }

    @Test
    void aByteThatIsNoUtf8IsNamedByItsPlace() throws IOException {
        Path file = Files.write(folder.resolve("latin.txt"), "Gr\u00f6\u00dfe".getBytes(StandardCharsets.ISO_8859_1));
        assertThat(compress(file))
                .isEqualTo("icf compress: " + file + ": byte 2 is not UTF-8 text; --encoding names another encoding");
        Path cut = Files.write(folder.resolve("cut.txt"), new byte[] {'a', 'b', (byte) 0xE2, (byte) 0x82});
        assertThat(compress(cut)).contains("cut.txt: byte 2 is not UTF-8 text");
        assertThat(Cli.runPair(
                                "compress",
                                "--context",
                                file.toString(),
                                "-o",
                                folder.resolve("out").toString(),
                                "--encoding",
                                "ISO-8859-1",
                                "--json")
                        .json())
                .containsKey("context_tokens");
    }

    /** The same text with a byte order mark, and in UTF-16, has the same tokens. */
    @Test
    void encodingsAndByteOrderMarksDoNotChangeTheTokens() throws IOException {
        String text = "A lamp at the sea, gr\u00fcn \u4f60.";
        String plain = digestOf(Files.writeString(folder.resolve("a"), text), "UTF-8");
        assertThat(digestOf(Files.writeString(folder.resolve("b"), "\uFEFF" + text), "UTF-8"))
                .isEqualTo(plain);
        assertThat(digestOf(Files.writeString(folder.resolve("c"), text, StandardCharsets.UTF_16), "UTF-16"))
                .isEqualTo(plain);
    }

    private String digestOf(Path file, String encoding) throws IOException {
        Path out = folder.resolve("out.digest");
        Cli.runPair("compress", "--context", file.toString(), "-o", out.toString(), "--force", "--encoding", encoding)
                .output();
        return String.valueOf(Cli.run("info", out.toString(), "--json").json().get("context_sha256"));
    }

    private String compress(Path file) throws IOException {
        String failure = Cli.runPair(
                        "compress",
                        "--context",
                        file.toString(),
                        "-o",
                        folder.resolve("out").toString())
                .failure();
        assertThat(folder.resolve("out")).doesNotExist();
        return failure;
    }
}
