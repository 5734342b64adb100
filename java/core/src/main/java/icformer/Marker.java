package icformer;

/** Learned rows that stand right after the digest rows of a context. */
public enum Marker {
    /** A question follows (fine-tuning). */
    FT,
    /** The context itself is to be reproduced (autoencoding). */
    AE
}
