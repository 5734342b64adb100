package icformer.files;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/**
 * Writes a GGUF file of version 3 from front to back: metadata and the list of tensors first, then the tensors' data in
 * that order, each padded to {@value #ALIGNMENT} bytes. Nothing but the block that is being written is held in memory.
 */
public final class GgufWriter implements AutoCloseable {
    /** The format's default alignment of a tensor's data, in bytes. */
    public static final int ALIGNMENT = 32;

    private static final int VERSION = 3;
    private static final int MAX_DIMENSIONS = 4;
    private static final int MAX_NAME_BYTES = 63;

    /**
     * A tensor to come.
     *
     * @param name its name, at most 63 bytes
     * @param type number of its type in the format
     * @param shape elements per dimension, the fastest first
     * @param bytes size of its data
     */
    public record Entry(String name, int type, List<Long> shape, long bytes) {
        public Entry {
            shape = List.copyOf(shape);
            if (name.getBytes(StandardCharsets.UTF_8).length > MAX_NAME_BYTES) {
                throw new IllegalArgumentException("tensor name %s is longer than 63 bytes".formatted(name));
            }
            if (shape.isEmpty() || shape.size() > MAX_DIMENSIONS) {
                throw new IllegalArgumentException(
                        "tensor %s: 1 to 4 dimensions, not %d".formatted(name, shape.size()));
            }
        }

        private long paddedBytes() {
            return Math.ceilDiv(bytes, ALIGNMENT) * ALIGNMENT;
        }
    }

    private final AtomicFile out;
    private final List<Entry> tensors;
    private int current;
    private long remaining;

    private GgufWriter(AtomicFile out, List<Entry> tensors) {
        this.out = out;
        this.tensors = tensors;
        this.remaining = tensors.isEmpty() ? 0 : tensors.getFirst().bytes();
    }

    /**
     * Begins a file and writes its header.
     *
     * @param values metadata in the order of the file
     * @param tensors tensors in the order of the file
     * @throws IOException as {@link AtomicFile#create}
     */
    public static GgufWriter create(
            Path path, AtomicFile.Existing existing, Map<String, GgufValue> values, List<Entry> tensors)
            throws IOException {
        byte[] header = header(values, tensors);
        AtomicFile out = AtomicFile.create(path, existing);
        try {
            out.write(ByteBuffer.wrap(header));
        } catch (IOException e) {
            out.close();
            throw e;
        }
        return new GgufWriter(out, List.copyOf(tensors));
    }

    /**
     * Appends bytes of the current tensor; behind its last byte comes the padding, and the next tensor is current.
     *
     * @throws IllegalArgumentException if the tensor has less bytes left
     */
    public void write(MemorySegment data) throws IOException {
        if (data.byteSize() > remaining) {
            throw new IllegalArgumentException(
                    "%d bytes for the %d that are left".formatted(data.byteSize(), remaining));
        }
        out.write(data);
        remaining -= data.byteSize();
        if (remaining == 0 && current < tensors.size()) {
            Entry done = tensors.get(current++);
            out.write(ByteBuffer.allocate((int) (done.paddedBytes() - done.bytes())));
            remaining = current < tensors.size() ? tensors.get(current).bytes() : 0;
        }
    }

    /**
     * Makes the file appear under its name.
     *
     * @return its size in bytes
     * @throws IllegalStateException if a tensor is missing or incomplete
     */
    public long commit() throws IOException {
        if (current < tensors.size()) {
            throw new IllegalStateException(
                    "tensor %s is not complete".formatted(tensors.get(current).name()));
        }
        long length = out.length();
        out.commit();
        return length;
    }

    /** Drops the file if it was not committed. */
    @Override
    public void close() throws IOException {
        out.close();
    }

    private static byte[] header(Map<String, GgufValue> values, List<Entry> tensors) {
        ByteArrayOutputStream header = new ByteArrayOutputStream();
        header.writeBytes(new byte[] {'G', 'G', 'U', 'F'});
        header.writeBytes(buffer(20)
                .putInt(VERSION)
                .putLong(tensors.size())
                .putLong(values.size())
                .array());
        values.forEach((key, value) -> {
            writeText(header, key);
            header.writeBytes(value.bytes().toArray(ValueLayout.JAVA_BYTE));
        });
        long offset = 0;
        for (Entry tensor : tensors) {
            writeText(header, tensor.name());
            ByteBuffer info =
                    buffer(16 + 8 * tensor.shape().size()).putInt(tensor.shape().size());
            tensor.shape().forEach(info::putLong);
            header.writeBytes(info.putInt(tensor.type()).putLong(offset).array());
            offset = Math.addExact(offset, tensor.paddedBytes());
        }
        header.writeBytes(new byte[Math.ceilDiv(header.size(), ALIGNMENT) * ALIGNMENT - header.size()]);
        return header.toByteArray();
    }

    private static void writeText(ByteArrayOutputStream header, String text) {
        byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
        header.writeBytes(buffer(8).putLong(utf8.length).array());
        header.writeBytes(utf8);
    }

    private static ByteBuffer buffer(int bytes) {
        return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }
}
