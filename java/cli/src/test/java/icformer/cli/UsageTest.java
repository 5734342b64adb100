package icformer.cli;

import static org.assertj.core.api.Assertions.assertThat;

import icformer.cli.console.Streams;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class UsageTest {
    @TempDir
    private Path folder;

    @Test
    void helpListsTheCommands() {
        assertThat(Cli.run("--help").output())
                .contains(
                        "ask",
                        "compress",
                        "generate",
                        "convert",
                        "quantize",
                        "info",
                        "tokenize",
                        "dump",
                        "eval",
                        "compare",
                        "bench")
                .contains("icf COMMAND --help");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "ask",
                "compress",
                "generate",
                "convert",
                "quantize",
                "info",
                "tokenize",
                "dump",
                "dump digest",
                "dump logits",
                "dump embeddings",
                "eval",
                "eval answers",
                "eval perplexity",
                "compare",
                "bench"
            })
    void everyCommandHasHelp(String command) {
        String[] words = (command + " --help").split(" ");
        assertThat(Cli.run(words).output()).startsWith("Usage: icf " + command).contains("Show this help and exit.");
    }

    @Test
    void theVersionIsThatOfTheLibrary() {
        assertThat(Cli.run("--version").output()).matches("icf \\d+\\.\\d+\\.\\d+ \\(ggml \\d+\\.\\d+\\.\\d+\\)\n");
    }

    @Test
    void aCommandIsNeeded() {
        assertThat(Cli.run().usage()).contains("Commands:").contains("icf: a command is missing");
        assertThat(Cli.run("dump").usage()).contains("say what to dump: digest, logits or embeddings");
    }

    @Test
    void aMisspeltCommandGetsASuggestion() {
        assertThat(Cli.run("tokenise", "x").usage())
                .contains("tokenise")
                .contains("Did you mean")
                .contains("tokenize");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
            ask --question q                                  | --context
            ask --context x                                   | --question
            ask --context x --digest y --question q           | mutually exclusive
            ask --digest y --question q --full                | --full needs the context itself
            ask --context x --question q --full --ratio 8     | --ratio says how a context is compressed
            ask --context - --question -                      | cannot both be read from standard input
            ask --context x --question q --max-tokens many    | 'many' is not an int
            ask --context x --question q --kv-type f8         | expected one of [F32, F16, Q8_0]
            ask --context x --question q --encoding klingon   | klingon
            compress --context x                              | --output
            generate                                          | --prompt
            generate --prompt x --system y                    | --system goes with --chat
            convert x                                         | --output
            quantize a b                                      | TYPE
            quantize a b c d                                  | d
            tokenize                                          | TEXT
            info --nonsense                                   | --nonsense
            dump digest -o x                                  | --embeddings
            dump logits --tokens 1,x -o x                     | 'x' is no token id
            dump logits --tokens 1 --generate -1 -o x         | --generate must be 0 or more
            """)
    void wrongUsageIsToldInALineWithAWayToHelp(String command, String reason) {
        String[] words = command.split(" ");
        String error = Cli.run(words).usage();
        assertThat(error).contains(reason).endsWith("--help'.");
        assertThat(error.lines().count()).isLessThanOrEqualTo(4);
    }

    /** Files that begin with @ are not read as lists of arguments. */
    @Test
    void anAtSignIsText() throws IOException {
        Path file = Files.writeString(folder.resolve("args"), "--json");
        assertThat(Cli.run("tokenize", "@" + file, "--model", Cli.MODEL.toString())
                        .output()
                        .lines()
                        .count())
                .isGreaterThan(3);
    }

    @Test
    void theParserKnowsOfTheCommandThatIsRunOnly() {
        Streams streams = new Streams(
                InputStream.nullInputStream(), OutputStream.nullOutputStream(), OutputStream.nullOutputStream(), false);
        assertThat(Main.commandLine(streams, "info").getSubcommands().keySet()).isEqualTo(Set.of("info"));
        assertThat(Main.commandLine(streams, "help").getSubcommands().keySet())
                .containsAll(List.of("ask", "compress", "generate", "convert", "quantize", "info", "tokenize", "dump"));
    }
}
