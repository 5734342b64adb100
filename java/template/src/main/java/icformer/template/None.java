package icformer.template;

/** The value of {@code none}. */
enum None {
    NONE
}
