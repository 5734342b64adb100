package icformer.cli.console;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.Charset;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CoderResult;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Texts out of files and standard input. */
public final class TextSource {
    private static final String STANDARD_INPUT = "-";

    private TextSource() {}

    /**
     * Reads a text whole.
     *
     * @param source a file, or {@code -} for standard input
     * @param encoding of the text
     * @throws CommandException that names the first byte which is not of that encoding
     */
    public static String read(String source, Charset encoding, Streams streams) throws IOException {
        byte[] bytes;
        String name;
        if (source.equals(STANDARD_INPUT)) {
            bytes = streams.readAll();
            name = "standard input";
        } else {
            Path file = Path.of(source);
            if (Files.isDirectory(file)) {
                throw new FileSystemException(source, null, "is a folder");
            }
            bytes = Files.readAllBytes(file);
            name = source;
        }
        return decode(bytes, encoding, name);
    }

    /** A text that is given on the command line, or {@code -} for standard input in UTF-8. */
    public static String textOrInput(String text, Streams streams) throws IOException {
        return text.equals(STANDARD_INPUT) ? read(text, StandardCharsets.UTF_8, streams) : text;
    }

    public static boolean isStandardInput(String source) {
        return source.equals(STANDARD_INPUT);
    }

    private static String decode(byte[] bytes, Charset encoding, String name) {
        CharsetDecoder decoder = encoding.newDecoder()
                .onMalformedInput(CodingErrorAction.REPORT)
                .onUnmappableCharacter(CodingErrorAction.REPORT);
        ByteBuffer in = ByteBuffer.wrap(bytes);
        CharBuffer out = CharBuffer.allocate((int) Math.ceil(bytes.length * (double) decoder.maxCharsPerByte()));
        CoderResult result = decoder.decode(in, out, true);
        if (result.isUnderflow()) {
            result = decoder.flush(out);
        }
        if (result.isError()) {
            throw new CommandException("%s: byte %d is not %s text; --encoding names another encoding"
                    .formatted(name, in.position(), encoding.name()));
        }
        String text = out.flip().toString();
        return text.startsWith("\uFEFF") ? text.substring(1) : text; // a byte order mark is no part of the text
    }
}
