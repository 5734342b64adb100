package icformer.internal.template;

/** Python's {@code None}. */
enum None {
    /** The only one. */
    NONE
}
