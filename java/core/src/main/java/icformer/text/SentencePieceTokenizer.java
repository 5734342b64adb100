package icformer.text;

import icformer.internal.tokenizer.SentencePieceTokens;
import icformer.metadata.Metadata;

/**
 * SentencePiece with scores ({@code tokenizer.ggml.model} is {@code llama}), as Llama 2, Mistral and TinyLlama have it: of all
 * neighbouring pairs that make a token the one of the highest score is merged first, and what is in no token becomes
 * tokens of single bytes.
 */
public final class SentencePieceTokenizer extends VocabularyTokenizer {
    SentencePieceTokenizer(Metadata metadata) {
        super(new SentencePieceTokens(metadata));
    }
}
