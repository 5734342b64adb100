package icformer.files;

import icformer.internal.base.Failures;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.zip.DataFormatException;
import java.util.zip.Inflater;

/**
 * Where the entries of a zip archive lie.
 *
 * <p>{@link java.util.zip.ZipFile} gives entries as streams; stored entries of a checkpoint are wanted as slices of the
 * mapping, so the central directory is read here. Checksums are not compared: PyTorch can be told to leave them wrong.
 */
final class ZipIndex {
    private static final int END = 0x06054b50;
    private static final int END_64 = 0x06064b50;
    private static final int END_64_LOCATOR = 0x07064b50;
    private static final int CENTRAL = 0x02014b50;
    private static final int LOCAL = 0x04034b50;
    private static final int END_BYTES = 22;
    private static final int CENTRAL_BYTES = 46;
    private static final int LOCAL_BYTES = 30;
    private static final int STORED = 0;
    private static final int DEFLATED = 8;
    /** Deflate cannot do better than one bit for a match of 258 bytes, twice over: 1 to 1032. */
    private static final long MAX_RATIO = 1032;

    private static final ValueLayout.OfShort U16 = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt U32 = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong U64 = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** An entry: how it is packed and where its bytes are. */
    private record Entry(int method, MemorySegment packed, long size) {}

    private final Path file;
    private final MemorySegment zip;
    private final Map<String, Entry> entries = new LinkedHashMap<>();

    private ZipIndex(Path file, MemorySegment zip) {
        this.file = file;
        this.zip = zip;
    }

    /**
     * Reads the directory of an archive that is mapped.
     *
     * @throws icformer.error.ModelFileException if it is damaged, encrypted or split
     */
    static ZipIndex read(MemorySegment zip, Path file) throws IOException {
        ZipIndex index = new ZipIndex(file, zip);
        try {
            index.readDirectory();
        } catch (IndexOutOfBoundsException e) {
            throw Failures.format(file, "the zip archive is damaged: its directory points beyond the file");
        }
        return index;
    }

    /** Names and unpacked sizes, in the order of the directory. */
    Map<String, Long> sizes() {
        Map<String, Long> sizes = new LinkedHashMap<>();
        entries.forEach((name, entry) -> sizes.put(name, entry.size()));
        return Collections.unmodifiableMap(sizes);
    }

    /** The bytes of an entry: where they lie if it is stored, unpacked into {@code arena} if it is deflated. */
    MemorySegment bytes(String name, Arena arena) throws IOException {
        Entry entry = entries.get(name);
        if (entry == null) {
            throw Failures.format(file, "the zip archive has no entry %s", name);
        }
        return entry.method() == STORED ? entry.packed() : inflate(name, entry, arena);
    }

    private MemorySegment inflate(String name, Entry entry, Arena arena) throws IOException {
        MemorySegment unpacked = arena.allocate(entry.size(), 64);
        Inflater inflater = new Inflater(true);
        try {
            long read = 0;
            long written = 0;
            while (!inflater.finished()) {
                if (inflater.needsInput()) {
                    long length = Math.min(1 << 20, entry.packed().byteSize() - read);
                    if (length == 0) {
                        throw Failures.format(file, "zip entry %s: ends too early", name);
                    }
                    inflater.setInput(entry.packed().asSlice(read, length).asByteBuffer());
                    read += length;
                }
                ByteBuffer target = unpacked.asSlice(written, Math.min(1 << 20, entry.size() - written))
                        .asByteBuffer();
                int length = inflater.inflate(target);
                written += length;
                if (length == 0 && !inflater.needsInput() && !inflater.finished()) {
                    throw Failures.format(
                            file, "zip entry %s: unpacks to more than the %d bytes it declares", name, entry.size());
                }
            }
            if (written != entry.size()) {
                throw Failures.format(
                        file,
                        "zip entry %s: unpacks to %d bytes, not to the %d it declares",
                        name,
                        written,
                        entry.size());
            }
            return unpacked;
        } catch (DataFormatException e) {
            throw Failures.format(file, "zip entry %s: damaged", name);
        } finally {
            inflater.end();
        }
    }

    private void readDirectory() throws IOException {
        long end = findEnd();
        long count = u16(end + 10);
        long size = u32(end + 12);
        long offset = u32(end + 16);
        if (end >= 20 && u32(end - 20) == END_64_LOCATOR) {
            long end64 = u64(end - 12);
            if (zip.get(U32, end64) != END_64) {
                throw Failures.format(file, "the zip archive is damaged: no zip64 directory where one is announced");
            }
            count = u64(end64 + 32);
            size = u64(end64 + 40);
            offset = u64(end64 + 48);
        }
        MemorySegment directory = zip.asSlice(offset, size);
        long position = 0;
        for (long i = 0; i < count; i++) {
            position = readEntry(directory, position);
        }
    }

    /** The end record is last, behind it only its comment of at most 65,535 bytes. */
    private long findEnd() throws IOException {
        long lowest = Math.max(0, zip.byteSize() - END_BYTES - 0xFFFF);
        for (long at = zip.byteSize() - END_BYTES; at >= lowest; at--) {
            if (zip.get(U32, at) == END && at + END_BYTES + u16(at + 20) == zip.byteSize()) {
                return at;
            }
        }
        throw Failures.format(file, "not a zip archive");
    }

    private long readEntry(MemorySegment directory, long at) throws IOException {
        if (directory.get(U32, at) != CENTRAL) {
            throw Failures.format(
                    file, "the zip archive is damaged: entry %d of its directory is none", entries.size());
        }
        int flags = Short.toUnsignedInt(directory.get(U16, at + 8));
        int method = Short.toUnsignedInt(directory.get(U16, at + 10));
        long packedSize = Integer.toUnsignedLong(directory.get(U32, at + 20));
        long size = Integer.toUnsignedLong(directory.get(U32, at + 24));
        int nameBytes = Short.toUnsignedInt(directory.get(U16, at + 28));
        int extraBytes = Short.toUnsignedInt(directory.get(U16, at + 30));
        int commentBytes = Short.toUnsignedInt(directory.get(U16, at + 32));
        long local = Integer.toUnsignedLong(directory.get(U32, at + 42));
        String name = new String(
                directory.asSlice(at + CENTRAL_BYTES, nameBytes).toArray(ValueLayout.JAVA_BYTE),
                StandardCharsets.UTF_8);

        Zip64 wide = new Zip64(directory.asSlice(at + CENTRAL_BYTES + nameBytes, extraBytes));
        size = wide.orElse(size);
        packedSize = wide.orElse(packedSize);
        local = wide.orElse(local);

        if ((flags & 1) != 0) {
            throw Failures.unsupported(file, "zip entry %s is encrypted", name);
        }
        if (method != STORED && method != DEFLATED) {
            throw Failures.unsupported(file, "zip entry %s: unknown compression method %d", name, method);
        }
        boolean possible = method == STORED ? size == packedSize : size / MAX_RATIO <= packedSize;
        if (!possible) {
            throw Failures.format(file, "zip entry %s: %d bytes cannot unpack to %d", name, packedSize, size);
        }
        if (entries.put(name, new Entry(method, packed(name, local, packedSize), size)) != null) {
            throw Failures.format(file, "the zip archive has two entries %s", name);
        }
        return at + CENTRAL_BYTES + nameBytes + extraBytes + commentBytes;
    }

    /** The packed bytes begin behind a local header whose own name and extra field may have other lengths. */
    private MemorySegment packed(String name, long local, long packedSize) throws IOException {
        if (u32(local) != LOCAL) {
            throw Failures.format(file, "zip entry %s: no header where the directory points", name);
        }
        return zip.asSlice(local + LOCAL_BYTES + u16(local + 26) + u16(local + 28), packedSize);
    }

    private long u16(long at) {
        return Short.toUnsignedLong(zip.get(U16, at));
    }

    private long u32(long at) {
        return Integer.toUnsignedLong(zip.get(U32, at));
    }

    private long u64(long at) {
        long value = zip.get(U64, at);
        if (value < 0) {
            throw new IndexOutOfBoundsException();
        }
        return value;
    }

    /** The zip64 extra field: 8-byte values for those fields of the entry that hold 0xFFFFFFFF, in their order. */
    private static final class Zip64 {
        private MemorySegment values = MemorySegment.NULL;

        Zip64(MemorySegment extra) {
            long at = 0;
            while (at + 4 <= extra.byteSize()) {
                int id = Short.toUnsignedInt(extra.get(U16, at));
                int length = Short.toUnsignedInt(extra.get(U16, at + 2));
                if (id == 1) {
                    values = extra.asSlice(at + 4, length);
                    return;
                }
                at += 4 + length;
            }
        }

        long orElse(long narrow) {
            if (narrow != 0xFFFFFFFFL) {
                return narrow;
            }
            long value = values.get(U64, 0);
            values = values.asSlice(8);
            if (value < 0) {
                throw new IndexOutOfBoundsException();
            }
            return value;
        }
    }
}
