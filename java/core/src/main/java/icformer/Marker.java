package icformer;

/** Learned rows that stand right after the digest rows of a context. */
public enum Marker {
    /** A question follows (fine-tuning). */
    FT,
    /** The context itself is to be reproduced (autoencoding). */
    AE;

    /** Its tensor in a former's file. */
    String tensorName() {
        return switch (this) {
            case FT -> "marker_ft.weight";
            case AE -> "marker_ae.weight";
        };
    }
}
