package icformer;

import icformer.error.IcfException;
import icformer.error.Status;
import icformer.internal.base.Checks;
import icformer.internal.base.Hashes;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a session reads: runs of tokens, digests and single rows, in their order. A value: it can be measured, compared,
 * joined with others and appended to any number of sessions of its model; {@link ContextPrompt} makes those of a former.
 *
 * <p>Neighbouring runs of tokens are one, so that a prompt is the same however it was put together.
 */
public final class Prompt {
    private static final Prompt EMPTY = new Prompt(List.of());

    /** What stands somewhere in a prompt. */
    public sealed interface Part {
        /** Positions it takes. */
        long length();
    }

    /** A run of tokens. */
    public static final class Tokens implements Part {
        private final int[] ids;

        private Tokens(int[] ids) {
            this.ids = ids;
        }

        /** A copy of their ids. */
        public int[] ids() {
            return ids.clone();
        }

        /** Their ids, not to be changed. */
        int[] shared() {
            return ids;
        }

        @Override
        public long length() {
            return ids.length;
        }
    }

    /**
     * The rows of a digest.
     *
     * @param digest where they lie
     */
    public record Digested(Digest digest) implements Part {
        @Override
        public long length() {
            return digest.rowCount();
        }
    }

    /**
     * One embedding row, such as a former's marker.
     *
     * @param values [width] floats, off-heap, aligned to a float; not to be changed as long as the prompt is used
     */
    public record Row(MemorySegment values) implements Part {
        /** Takes the memory read-only. */
        public Row {
            values = values.asReadOnly();
        }

        @Override
        public long length() {
            return 1;
        }
    }

    private final List<Part> parts;
    private final long length;
    private final @Nullable Former reader; // whose reader is on

    private Prompt(List<Part> parts) {
        this(parts, null);
    }

    private Prompt(List<Part> parts, @Nullable Former reader) {
        this.parts = List.copyOf(parts);
        this.length = parts.stream().mapToLong(Part::length).sum();
        this.reader = reader;
    }

    /** Nothing. */
    public static Prompt empty() {
        return EMPTY;
    }

    /** A run of tokens; nothing if there are none. */
    public static Prompt of(int... tokens) {
        return tokens.length == 0 ? EMPTY : new Prompt(List.of(new Tokens(tokens.clone())));
    }

    /** The rows of a digest. */
    public static Prompt of(Digest digest) {
        return new Prompt(List.of(new Digested(digest)));
    }

    /** One embedding row: see {@link Row}. */
    public static Prompt ofRow(MemorySegment values) {
        Checks.argument(
                values.byteSize() > 0 && values.byteSize() % Float.BYTES == 0,
                "a row of %d bytes holds no whole number of floats",
                values.byteSize());
        return new Prompt(List.of(new Row(values)));
    }

    /** This prompt and another one behind it. */
    public Prompt then(Prompt other) {
        Former both = reader(other);
        List<Part> joined = new ArrayList<>(parts);
        if (!joined.isEmpty()
                && !other.parts.isEmpty()
                && joined.getLast() instanceof Tokens left
                && other.parts.getFirst() instanceof Tokens right) {
            int[] ids = Arrays.copyOf(left.ids, Math.addExact(left.ids.length, right.ids.length));
            System.arraycopy(right.ids, 0, ids, left.ids.length, right.ids.length);
            joined.set(joined.size() - 1, new Tokens(ids));
            joined.addAll(other.parts.subList(1, other.parts.size()));
        } else {
            joined.addAll(other.parts);
        }
        return new Prompt(joined, both);
    }

    private @Nullable Former reader(Prompt other) {
        if (reader != null && other.reader != null && !reader.file().equals(other.reader.file())) {
            throw new IcfException(
                    Status.MISMATCH,
                    "one prompt is for the reader of the former '%s', the other for that of '%s'"
                            .formatted(reader.name(), other.reader.name()));
        }
        return reader != null ? reader : other.reader;
    }

    /**
     * This prompt, for an LLM with a former's reader on: {@link Session#append(Prompt)} sees to that. The same prompt where
     * the former brings none. Prompts with digests that a {@link ContextPrompt} makes are so already.
     */
    public Prompt readBy(Former former) {
        return former.hasReader() ? new Prompt(parts, former) : this;
    }

    /** The former whose reader is to be on; null for none. */
    @Nullable
    Former reader() {
        return reader;
    }

    /** This prompt and tokens behind it. */
    public Prompt then(int... tokens) {
        return then(of(tokens));
    }

    /** Its parts, in order; no two runs of tokens are neighbours. */
    public List<Part> parts() {
        return parts;
    }

    /** Positions that it takes in a session. */
    public long length() {
        return length;
    }

    /**
     * SHA-256 of all that a session reads, the fingerprint of a former whose reader is on, token ids and the bytes of rows, in 64 hexadecimal digits: prompts of one
     * fingerprint lead sessions of one model to one state. The rows are read anew by every call.
     */
    public String fingerprint() {
        MessageDigest sha256 = Hashes.sha256();
        if (reader != null) {
            begin(sha256, 'L', reader.fingerprint());
        }
        for (Part part : parts) {
            switch (part) {
                case Tokens tokens -> {
                    ByteBuffer ids = littleEndian(tokens.ids.length * Integer.BYTES);
                    ids.asIntBuffer().put(tokens.ids);
                    begin(sha256, 'T', tokens.length());
                    sha256.update(ids);
                }
                case Digested(Digest digest) -> {
                    begin(sha256, digest.type() == RowType.F32 ? 'R' : 'H', digest.rowCount());
                    Hashes.update(sha256, digest.rows());
                }
                case Row(MemorySegment values) -> {
                    begin(sha256, 'R', 1);
                    Hashes.update(sha256, values);
                }
            }
        }
        return HexFormat.of().formatHex(sha256.digest());
    }

    /** What and how much follows: no two prompts give the same bytes. */
    private static void begin(MessageDigest sha256, char kind, long count) {
        sha256.update(littleEndian(Character.BYTES + Long.BYTES)
                .putChar(kind)
                .putLong(count)
                .flip());
    }

    private static ByteBuffer littleEndian(int bytes) {
        return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }
}
