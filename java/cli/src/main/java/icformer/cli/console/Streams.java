package icformer.cli.console;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import java.io.BufferedOutputStream;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Standard input, output and error of a command, in UTF-8 whatever the locale.
 *
 * <p>The streams of {@link System} swallow failures; here a broken pipe ends the command quietly, and a full disk is told.
 */
public final class Streams {
    private final InputStream in;
    private final OutputStream out;
    private final PrintStream err;
    private final boolean terminal;

    /** @param terminal whether standard error is a terminal, where progress can be shown */
    public Streams(InputStream in, OutputStream out, OutputStream err, boolean terminal) {
        this.in = in;
        this.out = new BufferedOutputStream(out);
        this.err = new PrintStream(err, true, StandardCharsets.UTF_8);
        this.terminal = terminal;
    }

    /** Those of the process. */
    public static Streams ofProcess() {
        return new Streams(
                isOpen(0) ? new FileInputStream(FileDescriptor.in) : InputStream.nullInputStream(),
                new FileOutputStream(FileDescriptor.out),
                new FileOutputStream(FileDescriptor.err),
                isTerminal(2));
    }

    /** Where a file descriptor leads, such as {@code /dev/pts/0} or {@code pipe:[4711]}; empty where that is not known. */
    private static String target(int descriptor) {
        try {
            return Files.readSymbolicLink(Path.of("/proc/self/fd", String.valueOf(descriptor)))
                    .toString();
        } catch (IOException | UnsupportedOperationException e) {
            return "";
        }
    }

    private static boolean isTerminal(int descriptor) {
        String target = target(descriptor);
        return target.startsWith("/dev/pts/") || target.startsWith("/dev/tty") || target.equals("/dev/console");
    }

    /** A descriptor that was closed at the start has been given to the first file that the virtual machine opened. */
    private static boolean isOpen(int descriptor) {
        return !target(descriptor).startsWith(System.getProperty("java.home"));
    }

    /** Whether standard error is a terminal. */
    public boolean isTerminal() {
        return terminal;
    }

    /** Standard error. */
    public PrintStream errorStream() {
        return err;
    }

    /** Standard error for texts of the command line itself. */
    public PrintWriter errorWriter() {
        return new PrintWriter(err, true, StandardCharsets.UTF_8);
    }

    /** Writes a line to standard error. */
    public void error(String line) {
        err.println(line);
    }

    /** Everything that comes from standard input. */
    public byte[] readAll() {
        try {
            return in.readAllBytes();
        } catch (IOException e) {
            throw new CommandException("standard input: " + e.getMessage(), e);
        }
    }

    /** Writes text to standard output at once. */
    public void print(String text) {
        try {
            out.write(text.getBytes(StandardCharsets.UTF_8));
            out.flush();
        } catch (IOException e) {
            throw failure(e);
        }
    }

    /** Writes a line to standard output. */
    public void println(String line) {
        print(line + "\n");
    }

    /** Writes a JSON object as a line to standard output. */
    public void json(Map<String, ?> object) {
        println(jsonText(object));
    }

    /** A JSON object as text, in one line. */
    public static String jsonText(Map<String, ?> object) {
        StringWriter text = new StringWriter();
        try (JsonGenerator json = new JsonFactory().createGenerator(text)) {
            writeValue(json, object);
        } catch (IOException e) {
            throw new IllegalStateException("a string cannot fail", e);
        }
        return text.toString();
    }

    private static void writeValue(JsonGenerator json, @Nullable Object value) throws IOException {
        switch (value) {
            case null -> json.writeNull();
            case Map<?, ?> map -> {
                json.writeStartObject();
                for (Map.Entry<?, ?> entry : map.entrySet()) {
                    json.writeFieldName(String.valueOf(entry.getKey()));
                    writeValue(json, entry.getValue());
                }
                json.writeEndObject();
            }
            case Iterable<?> list -> {
                json.writeStartArray();
                for (Object element : list) {
                    writeValue(json, element);
                }
                json.writeEndArray();
            }
            case Double number when !Double.isFinite(number) -> json.writeNull();
            case Float number when !Float.isFinite(number) -> json.writeNull();
            case Number number -> json.writeNumber(number.toString());
            case Boolean truth -> json.writeBoolean(truth);
            default -> json.writeString(value.toString());
        }
    }

    /** Standard output for texts of the command line itself, such as help. */
    public PrintWriter writer() {
        return new PrintWriter(out, false, StandardCharsets.UTF_8);
    }

    /** Hands on what is still buffered. */
    public void flush() {
        try {
            out.flush();
        } catch (IOException e) {
            throw failure(e);
        }
    }

    /** A pipe fails in one way only: nobody reads it. The message of the system is of the user's language. */
    private static RuntimeException failure(IOException e) {
        String message = String.valueOf(e.getMessage()).toLowerCase(Locale.ROOT);
        String target = target(1);
        if (message.contains("broken pipe") || target.startsWith("pipe:") || target.startsWith("socket:")) {
            return new ClosedOutputException(e);
        }
        return new CommandException("standard output: " + e.getMessage(), e);
    }
}
