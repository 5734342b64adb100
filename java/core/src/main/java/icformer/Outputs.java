package icformer;

import icformer.internal.base.Checks;

/**
 * What an append keeps of its last rows. It replaces the outputs of the append before.
 *
 * @param rows how many of the last rows; at most {@link SessionInfo#batchLength()}
 * @param logits whether to keep logits [rows, vocabulary], for {@link Session#logits} and {@link Session#sample}
 * @param hidden whether to keep the last hidden states after the final norm [rows, width], for {@link Session#hidden};
 *     alone it skips the output matrix
 */
public record Outputs(int rows, boolean logits, boolean hidden) {

    /** Nothing: more will be appended. */
    public static final Outputs NONE = new Outputs(0, false, false);

    /** Logits of the last row: the default. */
    public static final Outputs LAST = logits(1);

    public Outputs {
        Checks.argument(rows >= 0, "rows is %d, but must be 0 or more", rows);
    }

    /** Logits of the last rows. */
    public static Outputs logits(int rows) {
        return new Outputs(rows, true, false);
    }

    /** Hidden states of the last rows. */
    public static Outputs hidden(int rows) {
        return new Outputs(rows, false, true);
    }
}
