package icformer.files;

import com.fasterxml.jackson.core.JsonGenerator;
import icformer.internal.json.Json;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * Writes a safetensors file from front to back: the tensors are declared first, then their bytes follow in that order.
 *
 * <p>The data begins at a multiple of {@value #ALIGNMENT} bytes, so that a mapped file can be computed on where it lies.
 */
public final class SafetensorsWriter implements AutoCloseable {
    /** Alignment of the data in bytes: a cache line, and the widest vector register. */
    public static final int ALIGNMENT = 64;

    /**
     * A tensor to come.
     *
     * @param name its name
     * @param type of its elements
     * @param shape elements per dimension, the slowest first
     */
    public record Entry(String name, ElementType type, List<Long> shape) {
        public Entry {
            shape = List.copyOf(shape);
        }

        long bytes() {
            long bytes = type.bytes();
            for (long length : shape) {
                bytes = Math.multiplyExact(bytes, length);
            }
            return bytes;
        }
    }

    private final AtomicFile out;
    private long remaining;

    private SafetensorsWriter(AtomicFile out, long remaining) {
        this.out = out;
        this.remaining = remaining;
    }

    /**
     * Begins a file and writes its header.
     *
     * @param metadata strings for {@code __metadata__}; left out if empty
     * @param entries the tensors, wider types before narrower ones
     * @throws IOException as {@link AtomicFile#create}
     */
    public static SafetensorsWriter create(
            Path path, AtomicFile.Existing existing, Map<String, String> metadata, List<Entry> entries)
            throws IOException {
        byte[] header = header(metadata, entries);
        AtomicFile out = AtomicFile.create(path, existing);
        try {
            out.write(ByteBuffer.wrap(header));
        } catch (IOException e) {
            out.close();
            throw e;
        }
        return new SafetensorsWriter(
                out, entries.stream().mapToLong(Entry::bytes).sum());
    }

    /** Writes a file of one tensor. */
    public static void write(
            Path path, AtomicFile.Existing existing, Map<String, String> metadata, Entry entry, MemorySegment data)
            throws IOException {
        try (SafetensorsWriter writer = create(path, existing, metadata, List.of(entry))) {
            writer.write(data);
            writer.commit();
        }
    }

    /**
     * Appends bytes of the current tensor and, where it ends, of the next ones.
     *
     * @throws IllegalArgumentException if that is more than was declared
     */
    public void write(MemorySegment data) throws IOException {
        if (data.byteSize() > remaining) {
            throw new IllegalArgumentException(
                    "%d bytes for the %d that are left".formatted(data.byteSize(), remaining));
        }
        out.write(data);
        remaining -= data.byteSize();
    }

    /**
     * Makes the file appear under its name.
     *
     * @throws IllegalStateException if bytes are missing
     */
    public void commit() throws IOException {
        if (remaining != 0) {
            throw new IllegalStateException("%d bytes are missing".formatted(remaining));
        }
        out.commit();
    }

    /** Drops the file if it was not committed. */
    @Override
    public void close() throws IOException {
        out.close();
    }

    /** Length and header, padded with spaces up to the data. */
    private static byte[] header(Map<String, String> metadata, List<Entry> entries) throws IOException {
        byte[] json = json(metadata, entries);
        int length = Math.ceilDiv(8 + json.length, ALIGNMENT) * ALIGNMENT;
        byte[] header = Arrays.copyOf(
                ByteBuffer.allocate(8)
                        .order(ByteOrder.LITTLE_ENDIAN)
                        .putLong(length - 8L)
                        .array(),
                length);
        System.arraycopy(json, 0, header, 8, json.length);
        Arrays.fill(header, 8 + json.length, length, (byte) ' ');
        return header;
    }

    private static byte[] json(Map<String, String> metadata, List<Entry> entries) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (JsonGenerator json = Json.factory().createGenerator(bytes)) {
            json.writeStartObject();
            if (!metadata.isEmpty()) {
                json.writeObjectFieldStart("__metadata__");
                for (Map.Entry<String, String> pair : metadata.entrySet()) {
                    json.writeStringField(pair.getKey(), pair.getValue());
                }
                json.writeEndObject();
            }
            long offset = 0;
            for (Entry entry : entries) {
                if (offset % entry.type().bytes() != 0) {
                    throw new IllegalArgumentException(entry.name() + " follows a narrower type");
                }
                json.writeObjectFieldStart(entry.name());
                json.writeStringField("dtype", entry.type().name());
                writeLongs(json, "shape", entry.shape());
                writeLongs(json, "data_offsets", List.of(offset, offset + entry.bytes()));
                json.writeEndObject();
                offset += entry.bytes();
            }
            json.writeEndObject();
        }
        return bytes.toByteArray();
    }

    private static void writeLongs(JsonGenerator json, String name, List<Long> values) throws IOException {
        json.writeArrayFieldStart(name);
        for (long value : values) {
            json.writeNumber(value);
        }
        json.writeEndArray();
    }
}
