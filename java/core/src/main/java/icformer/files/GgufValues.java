package icformer.files;

import icformer.internal.base.Failures;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The metadata of a mapped GGUF file as it stands there, to be copied into another file without losing the width of a
 * number or a byte of a token. To look at values, use {@link icformer.metadata.Metadata}.
 */
public final class GgufValues {
    private static final ValueLayout.OfInt U32 = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong U64 = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final int MAGIC = 0x46554747; // "GGUF"
    private static final long FNV_OFFSET = 0xcbf29ce484222325L;
    private static final long FNV_PRIME = 0x100000001b3L;

    private final MemorySegment bytes;
    private long position;

    private GgufValues(MemorySegment bytes) {
        this.bytes = bytes;
    }

    /**
     * Reads all metadata of a file of version 2 or 3.
     *
     * @param bytes the whole file, mapped
     * @return the values by key, in the order of the file; slices of {@code bytes}
     * @throws icformer.error.ModelFileException if the file is no GGUF file or is damaged
     */
    public static Map<String, GgufValue> read(MemorySegment bytes, Path file) throws IOException {
        try {
            return new GgufValues(bytes).readAll(file);
        } catch (IndexOutOfBoundsException e) {
            throw Failures.format(file, "the GGUF file is damaged: its metadata reach beyond its end");
        }
    }

    /**
     * FNV-1a of 64 bits over an array of texts: the UTF-8 bytes of each, then one byte 0xFF, which no UTF-8 text holds.
     *
     * @return the hash, or 0 if the value is no array of texts
     */
    public static long hashTexts(GgufValue value) {
        MemorySegment bytes = value.bytes();
        if (value.type() != GgufValue.Type.ARRAY || bytes.get(U32, 4) != GgufValue.Type.TEXT.ordinal()) {
            return 0;
        }
        long hash = FNV_OFFSET;
        long position = 16;
        for (long i = 0; i < bytes.get(U64, 8); i++) {
            long end = position + 8 + bytes.get(U64, position);
            for (position += 8; position < end; position++) {
                hash = (hash ^ Byte.toUnsignedLong(bytes.get(ValueLayout.JAVA_BYTE, position))) * FNV_PRIME;
            }
            hash = (hash ^ 0xFF) * FNV_PRIME;
        }
        return hash;
    }

    /** Number of elements of an array, 1 for any other value. */
    public static long count(GgufValue value) {
        return value.type() == GgufValue.Type.ARRAY ? value.bytes().get(U64, 8) : 1;
    }

    private Map<String, GgufValue> readAll(Path file) throws IOException {
        if (bytes.byteSize() < 24 || bytes.get(U32, 0) != MAGIC) {
            throw Failures.format(file, "not a GGUF file");
        }
        int version = bytes.get(U32, 4);
        if (version < 2 || version > 3) {
            throw Failures.unsupported(file, "GGUF version %d is not known", version);
        }
        long count = bytes.get(U64, 16);
        position = 24;
        Map<String, GgufValue> values = new LinkedHashMap<>();
        for (long i = 0; i < count; i++) {
            String key = new String(text().toArray(ValueLayout.JAVA_BYTE), StandardCharsets.UTF_8);
            if (values.put(key, value(key, file)) != null) {
                throw Failures.format(file, "key %s stands there twice", key);
            }
        }
        return Collections.unmodifiableMap(values);
    }

    private GgufValue value(String key, Path file) throws IOException {
        long start = position;
        GgufValue.Type type = type(key, file);
        if (type == GgufValue.Type.TEXT) {
            text();
        } else if (type == GgufValue.Type.ARRAY) {
            skipArray(key, file);
        } else {
            position += type.bytes();
        }
        return new GgufValue(bytes.asSlice(start, position - start));
    }

    private void skipArray(String key, Path file) throws IOException {
        GgufValue.Type type = type(key, file);
        long count = u64();
        if (type == GgufValue.Type.ARRAY) {
            throw Failures.unsupported(file, "key %s: an array of arrays", key);
        }
        if (type == GgufValue.Type.TEXT) {
            for (long i = 0; i < count; i++) {
                text();
            }
        } else {
            skip(type.bytes(), count);
        }
    }

    private void skip(int size, long count) {
        if (count > (bytes.byteSize() - position) / size) {
            throw new IndexOutOfBoundsException();
        }
        position += size * count;
    }

    private GgufValue.Type type(String key, Path file) throws IOException {
        int number = bytes.get(U32, position);
        position += 4;
        if (number < 0 || number >= GgufValue.Type.values().length) {
            throw Failures.format(file, "key %s: %d is no type of metadata", key, number);
        }
        return GgufValue.Type.values()[number];
    }

    private MemorySegment text() {
        long length = u64();
        MemorySegment text = bytes.asSlice(position, length);
        position += length;
        return text;
    }

    /** A count or length, which is never negative. */
    private long u64() {
        long value = bytes.get(U64, position);
        if (value < 0) {
            throw new IndexOutOfBoundsException();
        }
        position += 8;
        return value;
    }
}
