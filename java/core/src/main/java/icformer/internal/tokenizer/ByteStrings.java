package icformer.internal.tokenizer;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.util.Arrays;
import java.util.List;

/** Byte strings one after the other in one array, by number: the texts of a vocabulary without an object for each. */
final class ByteStrings {
    private final byte[] bytes;
    private final int[] ends; // ends[i]: where string i ends and string i + 1 begins

    private ByteStrings(byte[] bytes, int[] ends) {
        this.bytes = bytes;
        this.ends = ends;
    }

    static ByteStrings of(List<String> texts) {
        Builder builder = new Builder(texts.size());
        for (String text : texts) {
            builder.add(text.getBytes(UTF_8));
        }
        return builder.build();
    }

    int size() {
        return ends.length;
    }

    /** The array that holds all of them; not to be written to. */
    byte[] bytes() {
        return bytes;
    }

    int start(int index) {
        return index == 0 ? 0 : ends[index - 1];
    }

    int end(int index) {
        return ends[index];
    }

    int length(int index) {
        return end(index) - start(index);
    }

    byte[] get(int index) {
        return Arrays.copyOfRange(bytes, start(index), end(index));
    }

    String text(int index) {
        return new String(bytes, start(index), length(index), UTF_8);
    }

    boolean equal(int index, byte[] text, int from, int to) {
        return Arrays.equals(bytes, start(index), end(index), text, from, to);
    }

    static final class Builder {
        private byte[] bytes;
        private final int[] ends;
        private int count;
        private int size;

        /** Room for {@code count} strings of any length. */
        Builder(int count) {
            bytes = new byte[Math.max(16, 8 * count)];
            ends = new int[count];
        }

        /** Appends one byte to the string that the next {@link #end()} ends. */
        void put(byte value) {
            if (size == bytes.length) {
                bytes = Arrays.copyOf(bytes, Math.addExact(size, size >> 1));
            }
            bytes[size++] = value;
        }

        /** Drops what was put since the last end. */
        void drop() {
            size = count == 0 ? 0 : ends[count - 1];
        }

        void end() {
            ends[count++] = size;
        }

        void add(byte[] text) {
            if (bytes.length - size < text.length) {
                bytes = Arrays.copyOf(bytes, Math.addExact(size, text.length) + (size >> 1));
            }
            System.arraycopy(text, 0, bytes, size, text.length);
            size += text.length;
            end();
        }

        ByteStrings build() {
            return new ByteStrings(Arrays.copyOf(bytes, size), Arrays.copyOf(ends, count));
        }
    }
}
