package icformer;

import icformer.error.IcfException;
import icformer.error.Status;
import icformer.files.AtomicFile;
import icformer.files.ElementType;
import icformer.files.SafetensorsWriter;
import icformer.internal.base.Checks;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.List;

/**
 * The digest of a context: rows of an LLM's embedding width in off-heap memory, for {@link Session#append(Digest)}.
 *
 * <p>The native library wrote them where they lie, and a session reads them there; nothing on the way copies them. A digest
 * outlives its digester and its model. It is immutable, and any number of threads may use it at once.
 */
public final class Digest {

    /**
     * Tokens (or given embeddings) of a context that were digested together, first … end - 1.
     *
     * @param first index of the first one
     * @param end index after the last one
     */
    public record Chunk(long first, long end) {
        public Chunk {
            Checks.argument(0 <= first && first <= end, "a chunk cannot go from %d to %d", first, end);
        }

        /** Number of tokens. */
        public long length() {
            return end - first;
        }
    }

    /**
     * What a digest was made with.
     *
     * @param modelName {@link ModelInfo#name}; empty where the digester had no model
     * @param modelFingerprint {@link ModelInfo#fingerprint}; 0 where the digester had no model
     * @param formerName {@link DigesterInfo#name}
     * @param formerFingerprint {@link DigesterInfo#fingerprint}
     * @param contextSha256 SHA-256 of the context's token ids, as 32-bit little-endian integers, in 64 hexadecimal digits;
     *     empty where embeddings were given
     */
    public record Origin(
            String modelName, long modelFingerprint, String formerName, long formerFingerprint, String contextSha256) {}

    private final MemorySegment rows;
    private final RowType type;
    private final int width;
    private final List<Chunk> chunks;
    private final Origin origin;

    /** @param rows [rows, width] elements of {@code type}, and nothing else */
    Digest(MemorySegment rows, RowType type, int width, List<Chunk> chunks, Origin origin) {
        this.rows = rows.asReadOnly();
        this.type = type;
        this.width = width;
        this.chunks = List.copyOf(chunks);
        this.origin = origin;
    }

    /** All rows [rowCount, width] as they lie, read-only. */
    public MemorySegment rows() {
        return rows;
    }

    /** Rows {@code first … first + count - 1} as they lie, read-only. */
    public MemorySegment rows(long first, long count) {
        Checks.argument(
                0 <= first && 0 <= count && count <= rowCount() - first,
                "rows %d to %d are not within the %d of the digest",
                first,
                first + count,
                rowCount());
        return rows.asSlice(first * rowBytes(), count * rowBytes());
    }

    /** Number of rows. */
    public long rowCount() {
        return rows.byteSize() / rowBytes();
    }

    /** Elements of a row: the embedding width of the LLM. */
    public int width() {
        return width;
    }

    /** Type of the elements. */
    public RowType type() {
        return type;
    }

    /** The chunks that the context was divided into; each has the same number of rows. */
    public List<Chunk> chunks() {
        return chunks;
    }

    /** What the digest was made with. */
    public Origin origin() {
        return origin;
    }

    private long rowBytes() {
        return (long) width * type.bytes();
    }

    /** Writes the digest to a file, as it lies; an existing file is replaced. */
    public void save(Path path) throws IOException {
        save(path, type);
    }

    /**
     * Writes the digest to a safetensors file of one tensor {@code digest} [rows, width]. The file appears complete or not
     * at all; an existing one is replaced.
     *
     * @param as type of the elements in the file; F16 halves it and rounds every element to 11 significant bits
     * @throws IOException if it cannot be written
     * @throws IcfException of status UNSUPPORTED if an element is beyond what F16 holds, 65504
     */
    public void save(Path path, RowType as) throws IOException {
        save(path, as, AtomicFile.Existing.REPLACE);
    }

    /**
     * The same, replacing an existing file or not.
     *
     * @throws java.nio.file.FileAlreadyExistsException if the file exists and is to be kept
     */
    public void save(Path path, RowType as, AtomicFile.Existing existing) throws IOException {
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment data = converted(as, scratch);
            SafetensorsWriter.write(
                    path,
                    existing,
                    DigestFiles.metadata(this, data),
                    new SafetensorsWriter.Entry(
                            DigestFiles.TENSOR, ElementType.valueOf(as.name()), List.of(rowCount(), (long) width)),
                    data);
        }
    }

    /** Reads a digest file into memory that lasts as long as the digest is used. */
    public static Digest load(Path path) throws IOException {
        return load(path, Arena.ofAuto());
    }

    /**
     * Reads a digest file. What becomes of the file afterwards does not matter.
     *
     * @param arena owns the memory of the rows
     * @throws IOException if the file is missing, is no digest, or its rows are not those it was saved with: see
     *     {@link icformer.error.ModelFileException}
     */
    public static Digest load(Path path, Arena arena) throws IOException {
        return DigestFiles.load(path, arena);
    }

    /** The rows as elements of another type; where they lie if they are of that type already. */
    private MemorySegment converted(RowType as, Arena arena) {
        if (as == type) {
            return rows;
        }
        long elements = rowCount() * width;
        MemorySegment target = arena.allocate(elements * as.bytes(), as.bytes());
        for (long i = 0; i < elements; i++) {
            switch (as) {
                case F16 ->
                    target.setAtIndex(ValueLayout.JAVA_SHORT, i, half(rows.getAtIndex(ValueLayout.JAVA_FLOAT, i)));
                case F32 ->
                    target.setAtIndex(
                            ValueLayout.JAVA_FLOAT,
                            i,
                            Float.float16ToFloat(rows.getAtIndex(ValueLayout.JAVA_SHORT, i)));
            }
        }
        return target;
    }

    private static short half(float value) {
        short half = Float.floatToFloat16(value);
        if (Float.isFinite(value) && !Float.isFinite(Float.float16ToFloat(half))) {
            throw new IcfException(Status.UNSUPPORTED, value + " is beyond what F16 holds: save the digest as F32");
        }
        return half;
    }
}
