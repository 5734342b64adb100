package icformer.text;

import static java.nio.charset.StandardCharsets.UTF_8;

import icformer.internal.json.Json;
import icformer.metadata.Metadata;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A vocabulary, and what llama.cpp made of some texts with it; written by {@code bench/peers/tokenizers/compare.py}. The
 * system property {@code icformer.tokenizers} names a folder with another fixture than the one among the test's resources.
 */
record TokenizerFixture(Map<String, Object> keys, List<byte[]> texts, List<Column> columns) {

    private static final @Nullable Path FOLDER = Optional.ofNullable(System.getProperty("icformer.tokenizers"))
            .map(Path::of)
            .orElse(null);

    /**
     * One way to encode the texts.
     *
     * @param keys those that differ from the vocabulary's
     * @param ids by text; null where llama.cpp threw
     */
    record Column(Map<String, Object> keys, boolean addSpecial, boolean parseSpecial, List<int @Nullable []> ids) {}

    /** What llama.cpp says about a token. */
    record Piece(boolean control, boolean endsGeneration, byte[] bytes) {}

    /** The vocabularies of the fixture. */
    static List<String> kinds() {
        Path folder = FOLDER;
        return folder == null
                ? List.of("spm", "bpe")
                : Stream.of("spm", "bpe", "phrases", "pairs")
                        .filter(kind -> Files.exists(folder.resolve(kind + ".tsv")))
                        .toList();
    }

    static TokenizerFixture read(String kind) throws IOException {
        List<String[]> rows =
                lines(kind + ".tsv").stream().map(line -> line.split("\t", -1)).toList();
        List<byte[]> texts = rows.stream().skip(1).map(row -> unescape(row[0])).toList();
        List<Column> columns = new ArrayList<>();
        for (int column = 1; column < rows.getFirst().length; column++) {
            Map<String, Object> asked = new HashMap<>(object(rows.getFirst()[column]));
            boolean addSpecial = (boolean) asked.remove("add");
            boolean parseSpecial = (boolean) asked.remove("parse");
            List<int @Nullable []> ids = new ArrayList<>();
            for (String[] row : rows.subList(1, rows.size())) {
                int given = column;
                while (row[given].equals("=")) {
                    given--;
                }
                ids.add(row[given].equals("!") ? null : ids(row[given]));
            }
            columns.add(new Column(asked, addSpecial, parseSpecial, ids));
        }
        return new TokenizerFixture(vocabulary(kind), texts, columns);
    }

    static Map<String, Object> vocabulary(String kind) throws IOException {
        return object(String.join("\n", lines(kind + ".json")));
    }

    static List<Piece> pieces(String kind) throws IOException {
        return lines(kind + ".pieces.tsv").stream()
                .skip(1)
                .map(line -> line.split("\t", -1))
                .map(cells -> new Piece(cells[0].equals("1"), cells[1].equals("1"), unescape(cells[2])))
                .toList();
    }

    /** Of the vocabulary, with some of its keys replaced. */
    Tokenizer tokenizer(Map<String, ?> other) {
        return tokenizer(keys, other);
    }

    static Tokenizer tokenizer(Map<String, ?> keys, Map<String, ?> other) {
        Map<String, Object> all = new HashMap<>(keys);
        all.putAll(other);
        return Tokenizer.of(Metadata.of(all));
    }

    private static int[] ids(String cell) {
        return cell.isEmpty()
                ? new int[0]
                : Arrays.stream(cell.split(" ")).mapToInt(Integer::parseInt).toArray();
    }

    private static Map<String, Object> object(String json) throws IOException {
        @SuppressWarnings("unchecked") // every key of a JSON object is a string, and the fixtures hold no null
        Map<String, Object> object =
                (Map<String, Object>) Objects.requireNonNull(Json.parse(json, Path.of("fixture.json")));
        return object;
    }

    private static List<String> lines(String name) throws IOException {
        if (FOLDER != null) {
            return Files.readAllLines(FOLDER.resolve(name));
        }
        try (InputStream in = TokenizerFixture.class.getResourceAsStream("/icformer/tokenizers/" + name)) {
            return List.of(new String(Objects.requireNonNull(in, name).readAllBytes(), UTF_8).split("\n"));
        }
    }

    /** Undoes {@code \xNN}. */
    private static byte[] unescape(String text) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        for (int at = 0; at < text.length(); at++) {
            if (text.charAt(at) == '\\') {
                bytes.write(Integer.parseInt(text, at + 2, at + 4, 16));
                at += 3;
            } else {
                bytes.write(text.charAt(at));
            }
        }
        return bytes.toByteArray();
    }
}
