package icformer.template;

/**
 * What one rendering may cost. What it is given comes on top: a long conversation may take longer.
 *
 * @param steps evaluations, of which an operation takes more the more it reads; 20 million are a second or so
 * @param bytes of all values that are made, about
 * @param output characters that are written
 */
public record Limits(long steps, long bytes, int output) {
    /** For templates out of files of strangers: about a second, 512 MiB and 16 million characters. */
    public static Limits standard() {
        return new Limits(20_000_000, 512L << 20, 16 << 20);
    }
}
