package icformer;

import icformer.internal.base.Checks;
import icformer.internal.base.Hashes;
import icformer.internal.base.Segments;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * A context that grows, with its digest at hand at any time.
 *
 * <p>Chunks are as long as the former was trained for. One that is full is digested once and kept; {@link #digest} computes
 * the rest of the context anew, so that its cost does not grow with the context. That differs from
 * {@link Digester#digest(int[])}, which divides a context of known length evenly.
 *
 * <p>Arriving tokens go into the digester's token table (see {@link DigesterOptions#maxTableBytes}), so that a digest pays
 * for its rows alone. For one thread at a time; the digester must stay open.
 */
public final class ContextStream {
    /** Longest array of every virtual machine. */
    private static final int MAX_LENGTH = Integer.MAX_VALUE - 8;

    private final Digester digester;
    private final int chunkLength;
    private final List<Digest> full = new ArrayList<>();
    private int[] tokens = new int[1024];
    private int length;

    ContextStream(Digester digester) {
        this.digester = digester;
        this.chunkLength = digester.info().chunkLength();
    }

    /**
     * Adds tokens to the context, and digests the chunks that they fill. After a failure the context is as it was before the
     * call.
     *
     * @throws icformer.error.IcfException of status ARGUMENT, with nothing added, if a token is not of the vocabulary
     */
    public void append(int... more) {
        digester.prepare(more);
        int end = Math.addExact(length, more.length);
        int[] grown = end > tokens.length
                ? Arrays.copyOf(tokens, (int) Math.max(Math.min(2L * tokens.length, MAX_LENGTH), end))
                : tokens;
        System.arraycopy(more, 0, grown, length, more.length); // behind what is in use
        List<Digest> filled = new ArrayList<>();
        for (long first = (long) full.size() * chunkLength; first + chunkLength <= end; first += chunkLength) {
            filled.add(digest(grown, (int) first, chunkLength));
        }
        full.addAll(filled);
        tokens = grown;
        length = end;
    }

    /** Tokens of the context. */
    public int length() {
        return length;
    }

    /**
     * The digest of all tokens until now: {@link DigesterInfo#digestRows} rows for every full chunk and for the rest.
     *
     * @throws icformer.error.IcfException of status ARGUMENT if there are no tokens yet
     */
    public Digest digest() {
        Checks.argument(length > 0, "the context is empty");
        List<Digest> parts = new ArrayList<>(full);
        int first = full.size() * chunkLength;
        if (first < length) {
            parts.add(digest(tokens, first, length - first));
        }
        return join(parts);
    }

    private Digest digest(int[] tokens, int first, int count) {
        return digester.digest(
                Arrays.copyOfRange(tokens, first, first + count),
                DigestOptions.defaults().withMaxChunk(DigestOptions.ONE_CHUNK));
    }

    private Digest join(List<Digest> parts) {
        long bytes = parts.stream().mapToLong(part -> part.rows().byteSize()).sum();
        MemorySegment rows = Segments.allocate(Arena.ofAuto(), bytes);
        List<Digest.Chunk> chunks = new ArrayList<>();
        long end = 0;
        for (Digest part : parts) {
            MemorySegment.copy(part.rows(), 0, rows, end, part.rows().byteSize());
            end += part.rows().byteSize();
            long first = (long) chunks.size() * chunkLength;
            chunks.add(new Digest.Chunk(first, Math.min(first + chunkLength, length)));
        }
        return digester.digestOf(rows, chunks, sha256());
    }

    private String sha256() {
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment ids = scratch.allocate(ValueLayout.JAVA_INT, length);
            MemorySegment.copy(tokens, 0, ids, ValueLayout.JAVA_INT, 0, length);
            return Hashes.sha256(ids);
        }
    }
}
