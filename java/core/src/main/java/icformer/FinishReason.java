package icformer;

/** Why a {@link TokenStream} ended. */
public enum FinishReason {
    /** The model chose a token that ends its turn or the text. */
    END_OF_GENERATION,
    /** The number of tokens that was asked for is reached. */
    LIMIT,
    /** The session's context is full. */
    CONTEXT_FULL
}
