package icformer.cli.files;

import icformer.cli.command.DefaultPair;
import icformer.cli.command.IcfCommand;
import icformer.cli.console.Streams;
import icformer.cli.console.TextSource;
import icformer.files.GgufFile;
import icformer.text.Tokenizer;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Shows the tokens of a text. */
@Command(name = "tokenize", description = "Show the tokens of a text: their ids and pieces.")
public final class TokenizeCommand extends IcfCommand {
    @Parameters(paramLabel = "TEXT", description = "The text; - reads standard input.")
    private String text = "";

    @Option(
            names = "--model",
            paramLabel = "FILE",
            description = "GGUF file with the vocabulary (default: that of the default pair).")
    private @Nullable Path model;

    @Option(names = "--no-bos", description = "Leave out the tokens that the vocabulary wants around a text.")
    private boolean noSpecial;

    @Option(names = "--special", description = "Take the texts of control tokens, such as <s>, for these tokens.")
    private boolean parseSpecial;

    @Option(names = "--json", description = JSON)
    private boolean json;

    public TokenizeCommand(Streams streams) {
        super(streams);
    }

    @Override
    protected void run() throws IOException {
        String read = TextSource.textOrInput(text, streams());
        try (GgufFile file = GgufFile.open(model != null ? model : DefaultPair.model())) {
            Tokenizer tokenizer = Tokenizer.of(file.metadata());
            int[] ids = tokenizer.encode(read, !noSpecial, parseSpecial);
            if (json) {
                streams().json(describe(tokenizer, ids));
            } else {
                StringBuilder lines = new StringBuilder();
                for (int id : ids) {
                    lines.append("%7d  %s%n".formatted(id, visible(piece(tokenizer.piece(id)))));
                }
                streams().print(lines.toString());
            }
        }
    }

    private static Map<String, Object> describe(Tokenizer tokenizer, int[] ids) {
        Map<String, Object> object = new LinkedHashMap<>();
        object.put("ids", IntStream.of(ids).boxed().toList());
        object.put(
                "pieces",
                Arrays.stream(ids).mapToObj(id -> piece(tokenizer.piece(id))).toList());
        object.put("count", ids.length);
        return object;
    }

    /** The text of a piece; one that holds only a part of a character is shown by its bytes, as {@code <0xE2>}. */
    private static String piece(byte[] bytes) {
        try {
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(bytes))
                    .toString();
        } catch (CharacterCodingException e) {
            return HexFormat.of()
                    .withUpperCase()
                    .withPrefix("<0x")
                    .withSuffix(">")
                    .formatHex(bytes);
        }
    }

    /** In quotes, so that spaces can be seen, and on one line. */
    private static String visible(String piece) {
        return '"'
                + piece.replace("\\", "\\\\")
                        .replace("\n", "\\n")
                        .replace("\r", "\\r")
                        .replace("\t", "\\t")
                + '"';
    }
}
