package icformer.internal.base;

import java.lang.foreign.MemorySegment;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/** SHA-256 of off-heap memory. */
public final class Hashes {
    /** A buffer has at most as many bytes as an int counts. */
    private static final long STEP = 1 << 30;

    private Hashes() {}

    /** A hash of nothing yet. */
    public static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("every Java platform has SHA-256", e);
        }
    }

    /** Adds all bytes of a segment to a hash. */
    public static void update(MessageDigest hash, MemorySegment bytes) {
        for (long offset = 0; offset < bytes.byteSize(); offset += STEP) {
            hash.update(bytes.asSlice(offset, Math.min(STEP, bytes.byteSize() - offset))
                    .asByteBuffer());
        }
    }

    /** The hash of all bytes, as 64 hexadecimal digits. */
    public static String sha256(MemorySegment bytes) {
        MessageDigest hash = sha256();
        update(hash, bytes);
        return HexFormat.of().formatHex(hash.digest());
    }
}
