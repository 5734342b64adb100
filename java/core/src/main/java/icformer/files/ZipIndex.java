package icformer.files;

import icformer.internal.base.Failures;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Where the entries of a zip archive lie, if they are stored as {@code torch.save} does: not compressed, none over another.
 *
 * <p>What an archive of that kind can make anybody read is no more than it holds. The central directory is what counts; of an
 * entry's own header only its length. Checksums are not compared: PyTorch can be told to leave them wrong.
 */
final class ZipIndex {
    private static final int END = 0x06054b50;
    private static final int END_64 = 0x06064b50;
    private static final int END_64_LOCATOR = 0x07064b50;
    private static final int CENTRAL = 0x02014b50;
    private static final int LOCAL = 0x04034b50;
    private static final int END_BYTES = 22;
    private static final int END_64_BYTES = 56;
    private static final int LOCATOR_BYTES = 20;
    private static final int CENTRAL_BYTES = 46;
    private static final int LOCAL_BYTES = 30;
    private static final int STORED = 0;
    /** Of a hundred thousand tensors. */
    private static final long MAX_DIRECTORY_BYTES = 16 << 20;

    private static final ValueLayout.OfShort U16 = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt U32 = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong U64 = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** The bytes of an entry, from {@code offset} of the archive on. */
    record Span(long offset, long size) {}

    /** What an entry takes of the archive, with its header. */
    private record Extent(String name, long begin, long end) {}

    private final Path file;
    private final SourceFile zip;
    private final Map<String, Span> entries = new LinkedHashMap<>();
    private final List<Extent> extents = new ArrayList<>();

    private ZipIndex(SourceFile zip) {
        this.file = zip.path();
        this.zip = zip;
    }

    /**
     * Reads the directory of an archive.
     *
     * @return the entries by name, in the order of the directory
     * @throws icformer.error.ModelFileException FORMAT if it is damaged or an entry lies over another, UNSUPPORTED if one is
     *     compressed or encrypted
     */
    static Map<String, Span> read(SourceFile zip) throws IOException {
        ZipIndex index = new ZipIndex(zip);
        try {
            index.readDirectory();
            index.checkExtents();
        } catch (IndexOutOfBoundsException e) {
            throw Failures.format(index.file, "the zip archive is damaged: its directory points beyond the file");
        }
        return Collections.unmodifiableMap(index.entries);
    }

    private void readDirectory() throws IOException {
        long tailBytes = Math.min(zip.size(), LOCATOR_BYTES + END_BYTES + 0xFFFF);
        MemorySegment tail = zip.read(zip.size() - tailBytes, tailBytes);
        long end = findEnd(tail);
        long count = u16(tail, end + 10);
        long size = u32(tail, end + 12);
        long offset = u32(tail, end + 16);
        if (end >= LOCATOR_BYTES && tail.get(U32, end - LOCATOR_BYTES) == END_64_LOCATOR) {
            MemorySegment wide = zip.read(u64(tail, end - 12), END_64_BYTES);
            if (wide.get(U32, 0) != END_64) {
                throw Failures.format(file, "the zip archive is damaged: no zip64 directory where one is announced");
            }
            count = u64(wide, 32);
            size = u64(wide, 40);
            offset = u64(wide, 48);
        }
        if (size > MAX_DIRECTORY_BYTES) {
            throw Failures.unsupported(file, "the zip archive has a directory of %d bytes", size);
        }
        MemorySegment directory = zip.read(offset, size);
        extents.add(new Extent("the directory", offset, offset + size));
        long position = 0;
        for (long i = 0; i < count; i++) {
            position = readEntry(directory, position);
        }
    }

    /** The end record is last, behind it only its comment of at most 65,535 bytes. */
    private long findEnd(MemorySegment tail) throws IOException {
        for (long at = tail.byteSize() - END_BYTES; at >= 0; at--) {
            if (tail.get(U32, at) == END && at + END_BYTES + u16(tail, at + 20) == tail.byteSize()) {
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
        long flags = u16(directory, at + 8);
        long method = u16(directory, at + 10);
        long packedSize = u32(directory, at + 20);
        long size = u32(directory, at + 24);
        long nameBytes = u16(directory, at + 28);
        long extraBytes = u16(directory, at + 30);
        long commentBytes = u16(directory, at + 32);
        long local = u32(directory, at + 42);
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
        if (method != STORED) {
            throw Failures.unsupported(file, "zip entry %s is compressed; torch.save stores entries as they are", name);
        }
        if (size != packedSize) {
            throw Failures.format(file, "zip entry %s: %d bytes cannot unpack to %d", name, packedSize, size);
        }
        if (entries.put(name, locate(name, local, size)) != null) {
            throw Failures.format(file, "the zip archive has two entries %s", name);
        }
        return at + CENTRAL_BYTES + nameBytes + extraBytes + commentBytes;
    }

    /** The bytes begin behind a local header whose own name and extra field may have other lengths. */
    private Span locate(String name, long local, long size) throws IOException {
        MemorySegment header = zip.read(local, LOCAL_BYTES);
        if (header.get(U32, 0) != LOCAL) {
            throw Failures.format(file, "zip entry %s: no header where the directory points", name);
        }
        long offset = local + LOCAL_BYTES + u16(header, 26) + u16(header, 28);
        if (offset > zip.size() - size) {
            throw new IndexOutOfBoundsException();
        }
        extents.add(new Extent("zip entry " + name, local, offset + size));
        return new Span(offset, size);
    }

    private void checkExtents() throws IOException {
        extents.sort(Comparator.comparingLong(Extent::begin));
        for (int i = 1; i < extents.size(); i++) {
            if (extents.get(i).begin() < extents.get(i - 1).end()) {
                throw Failures.format(
                        file,
                        "the zip archive is damaged: %s lies over %s",
                        extents.get(i).name(),
                        extents.get(i - 1).name());
            }
        }
    }

    private static long u16(MemorySegment bytes, long at) {
        return Short.toUnsignedLong(bytes.get(U16, at));
    }

    private static long u32(MemorySegment bytes, long at) {
        return Integer.toUnsignedLong(bytes.get(U32, at));
    }

    private static long u64(MemorySegment bytes, long at) {
        long value = bytes.get(U64, at);
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
            long value = u64(values, 0);
            values = values.asSlice(8);
            return value;
        }
    }
}
