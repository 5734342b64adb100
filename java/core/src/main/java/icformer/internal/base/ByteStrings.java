package icformer.internal.base;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.util.AbstractList;
import java.util.Arrays;
import java.util.List;
import java.util.RandomAccess;

/**
 * Texts in UTF-8 one after the other in one array, as a file has them: a vocabulary without an object for each token. As a
 * list it decodes its elements when they are asked for; bytes that are no UTF-8 are U+FFFD in them, and kept here.
 */
public final class ByteStrings extends AbstractList<String> implements RandomAccess {
    private final byte[] bytes;
    private final int[] ends; // ends[i]: where string i ends and string i + 1 begins

    private ByteStrings(byte[] bytes, int[] ends) {
        this.bytes = bytes;
        this.ends = ends;
    }

    /** Of an array and where in it each text ends and the next one begins. Both are kept, and not to be changed. */
    public static ByteStrings of(byte[] bytes, int[] ends) {
        return new ByteStrings(bytes, ends);
    }

    /** Of texts; of byte strings themselves if they are such. */
    public static ByteStrings of(List<String> texts) {
        if (texts instanceof ByteStrings strings) {
            return strings;
        }
        Builder builder = new Builder(texts.size());
        for (String text : texts) {
            builder.add(text.getBytes(UTF_8));
        }
        return builder.build();
    }

    @Override
    public int size() {
        return ends.length;
    }

    @Override
    public String get(int index) {
        return new String(bytes, start(index), length(index), UTF_8);
    }

    /** The array that holds all of them; not to be written to. */
    public byte[] bytes() {
        return bytes;
    }

    /** Where one begins in the array. */
    public int start(int index) {
        return index == 0 ? 0 : ends[index - 1];
    }

    /** Where one ends in the array. */
    public int end(int index) {
        return ends[index];
    }

    /** How many bytes one has. */
    public int length(int index) {
        return end(index) - start(index);
    }

    /** The bytes of one text. */
    public byte[] copy(int index) {
        return Arrays.copyOfRange(bytes, start(index), end(index));
    }

    /** Whether one text is text[from, to). */
    public boolean equal(int index, byte[] text, int from, int to) {
        return Arrays.equals(bytes, start(index), end(index), text, from, to);
    }

    /** Puts byte strings together. */
    public static final class Builder {
        private byte[] bytes;
        private final int[] ends;
        private int count;
        private int size;

        /** Room for {@code count} strings of any length. */
        public Builder(int count) {
            bytes = new byte[Math.max(16, 8 * count)];
            ends = new int[count];
        }

        /** Appends one byte to the string that the next {@link #end()} ends. */
        public void put(byte value) {
            if (size == bytes.length) {
                bytes = Arrays.copyOf(bytes, Math.addExact(size, size >> 1));
            }
            bytes[size++] = value;
        }

        /** Drops what was put since the last end. */
        public void drop() {
            size = count == 0 ? 0 : ends[count - 1];
        }

        /** Ends a string. */
        public void end() {
            ends[count++] = size;
        }

        /** Appends a whole string. */
        public void add(byte[] text) {
            if (bytes.length - size < text.length) {
                bytes = Arrays.copyOf(bytes, Math.addExact(size, text.length) + (size >> 1));
            }
            System.arraycopy(text, 0, bytes, size, text.length);
            size += text.length;
            end();
        }

        /** The strings, of which there were as many as announced. */
        public ByteStrings build() {
            return new ByteStrings(Arrays.copyOf(bytes, size), Arrays.copyOf(ends, count));
        }
    }
}
