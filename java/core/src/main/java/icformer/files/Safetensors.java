package icformer.files;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import icformer.internal.base.Failures;
import icformer.internal.json.Json;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A safetensors file: 8 bytes with the header's length, a JSON header, then the tensors' data without a gap.
 *
 * <p>The tensors can be read until the arena is closed.
 */
public final class Safetensors {
    /** The format's own limit. */
    private static final long MAX_HEADER_BYTES = 100_000_000;

    private static final int MAX_DIMENSIONS = 8;
    private static final ValueLayout.OfLong U64 = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final Path file;
    private final Map<String, String> metadata;
    private final Map<String, StoredTensor> tensors;

    private Safetensors(Path file, Map<String, String> metadata, Map<String, StoredTensor> tensors) {
        this.file = file;
        this.metadata = Collections.unmodifiableMap(metadata);
        this.tensors = Collections.unmodifiableMap(tensors);
    }

    /**
     * Opens a file for the life of {@code arena} and reads its header.
     *
     * @throws icformer.error.ModelFileException of status FORMAT if the header is not exactly what the format asks for: duplicate
     *     or unknown keys, tensors that overlap, leave holes or reach beyond the file
     * @throws IOException if the file cannot be read
     */
    public static Safetensors open(Path file, Arena arena) throws IOException {
        return parse(SourceFile.open(file, arena));
    }

    /** Reads the header of a file. */
    static Safetensors parse(SourceFile source) throws IOException {
        Path file = source.path();
        if (source.size() < 8) {
            throw Failures.format(file, "%d bytes are too short for a safetensors file", source.size());
        }
        long headerBytes = source.read(0, 8).get(U64, 0);
        if (headerBytes < 2 || headerBytes > MAX_HEADER_BYTES || headerBytes > source.size() - 8) {
            throw Failures.format(file, "not a safetensors file: its first 8 bytes are no possible length of a header");
        }
        if (source.read(8, 1).get(ValueLayout.JAVA_BYTE, 0) != '{') {
            throw Failures.format(file, "not a safetensors file: the header does not begin with {");
        }
        String header = Json.decode(source.read(8, headerBytes), file);
        return new HeaderReader(source, 8 + headerBytes).read(header);
    }

    /** The file. */
    public Path file() {
        return file;
    }

    /** The strings under {@code __metadata__}; empty if there are none. */
    public Map<String, String> metadata() {
        return metadata;
    }

    /** The tensors by name, in the order of the header. */
    public Map<String, StoredTensor> tensors() {
        return tensors;
    }

    /** The tensor of that name; null if there is none. */
    public @Nullable StoredTensor tensor(String name) {
        return tensors.get(name);
    }

    /**
     * The file's only tensor.
     *
     * @throws icformer.error.ModelFileException of status FORMAT if it holds none or several
     */
    public StoredTensor onlyTensor() throws IOException {
        if (tensors.size() != 1) {
            throw Failures.format(file, "must hold exactly one tensor, but holds %d", tensors.size());
        }
        return tensors.values().iterator().next();
    }

    /** Reads a header token by token. */
    private static final class HeaderReader {
        private final Path file;
        private final SourceFile source;
        private final long dataStart;
        private final Map<String, String> metadata = new LinkedHashMap<>();
        private final Map<String, StoredTensor> tensors = new LinkedHashMap<>();
        private final List<Span> spans = new ArrayList<>();

        /** Where a tensor lies, in bytes from the start of the data. */
        private record Span(String name, long begin, long end) {}

        HeaderReader(SourceFile source, long dataStart) {
            this.file = source.path();
            this.source = source;
            this.dataStart = dataStart;
        }

        Safetensors read(String header) throws IOException {
            try (JsonParser parser = Json.parser(header)) {
                expect(parser.nextToken(), JsonToken.START_OBJECT, "the header");
                while (parser.nextToken() != JsonToken.END_OBJECT) {
                    String name = parser.currentName();
                    expect(parser.nextToken(), JsonToken.START_OBJECT, name);
                    if (name.equals("__metadata__")) {
                        readMetadata(parser);
                    } else {
                        readTensor(name, parser);
                    }
                }
                if (parser.nextToken() != null) {
                    throw Failures.format(file, "the header holds more than one JSON value");
                }
            } catch (JsonProcessingException e) {
                throw Json.malformed(file, e);
            }
            checkCoverage();
            return new Safetensors(file, metadata, tensors);
        }

        private void readMetadata(JsonParser parser) throws IOException {
            while (parser.nextToken() != JsonToken.END_OBJECT) {
                String key = parser.currentName();
                expect(parser.nextToken(), JsonToken.VALUE_STRING, "__metadata__." + key);
                metadata.put(key, parser.getText());
            }
        }

        private void readTensor(String name, JsonParser parser) throws IOException {
            ElementType type = null;
            List<Long> shape = null;
            List<Long> offsets = null;
            while (parser.nextToken() != JsonToken.END_OBJECT) {
                String key = parser.currentName();
                JsonToken token = parser.nextToken();
                switch (key) {
                    case "dtype" -> {
                        expect(token, JsonToken.VALUE_STRING, name + ".dtype");
                        type = ElementType.find(parser.getText());
                        if (type == null) {
                            throw Failures.format(file, "tensor %s: unknown dtype %s", name, parser.getText());
                        }
                    }
                    case "shape" -> shape = lengths(parser, token, name + ".shape", MAX_DIMENSIONS);
                    case "data_offsets" -> offsets = lengths(parser, token, name + ".data_offsets", 2);
                    default -> throw Failures.format(file, "tensor %s: unknown key %s", name, key);
                }
            }
            if (type == null || shape == null || offsets == null || offsets.size() != 2) {
                throw Failures.format(file, "tensor %s: needs dtype, shape and two data_offsets", name);
            }
            tensors.put(name, tensor(name, type, shape, offsets.get(0), offsets.get(1)));
            spans.add(new Span(name, offsets.get(0), offsets.get(1)));
        }

        private StoredTensor tensor(String name, ElementType type, List<Long> shape, long begin, long end)
                throws IOException {
            long dataBytes = source.size() - dataStart;
            if (begin > end || end > dataBytes) {
                throw Failures.format(
                        file,
                        "tensor %s: bytes %d to %d are not within the %d bytes of data",
                        name,
                        begin,
                        end,
                        dataBytes);
            }
            long expected = byteSize(name, type, shape);
            if (end - begin != expected) {
                throw Failures.format(
                        file,
                        "tensor %s: %s of shape %s takes %d bytes, but %d are given",
                        name,
                        type,
                        shape,
                        expected,
                        end - begin);
            }
            return StoredTensor.contiguous(name, type, shape, source, dataStart + begin);
        }

        private long byteSize(String name, ElementType type, List<Long> shape) throws IOException {
            try {
                long size = type.bytes();
                for (long length : shape) {
                    size = Math.multiplyExact(size, length);
                }
                return size;
            } catch (ArithmeticException e) {
                throw Failures.format(file, "tensor %s: shape %s is too large for any file", name, shape);
            }
        }

        private List<Long> lengths(JsonParser parser, JsonToken token, String what, int most) throws IOException {
            expect(token, JsonToken.START_ARRAY, what);
            List<Long> values = new ArrayList<>();
            while (parser.nextToken() != JsonToken.END_ARRAY) {
                expect(parser.currentToken(), JsonToken.VALUE_NUMBER_INT, what);
                long value = parser.getLongValue();
                if (value < 0 || values.size() == most) {
                    throw Failures.format(file, "%s: must be at most %d numbers, none below 0", what, most);
                }
                values.add(value);
            }
            return values;
        }

        /** The data must be covered exactly once: bytes that no tensor owns could hide anything. */
        private void checkCoverage() throws IOException {
            spans.sort(Comparator.comparingLong(Span::begin).thenComparingLong(Span::end));
            long covered = 0;
            for (Span span : spans) {
                if (span.begin() < covered) {
                    throw Failures.format(file, "tensor %s: overlaps another tensor", span.name());
                }
                if (span.begin() > covered) {
                    throw Failures.format(
                            file, "bytes %d to %d of the data belong to no tensor", covered, span.begin());
                }
                covered = span.end();
            }
            if (dataStart + covered != source.size()) {
                throw Failures.format(
                        file, "bytes %d to %d of the data belong to no tensor", covered, source.size() - dataStart);
            }
        }

        private void expect(@Nullable JsonToken token, JsonToken expected, String what) throws IOException {
            if (token != expected) {
                throw Failures.format(
                        file,
                        "%s: expected %s",
                        what,
                        switch (expected) {
                            case START_OBJECT -> "an object";
                            case START_ARRAY -> "an array";
                            case VALUE_STRING -> "a string";
                            default -> "an integer";
                        });
            }
        }
    }
}
