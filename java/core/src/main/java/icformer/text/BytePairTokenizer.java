package icformer.text;

import icformer.internal.tokenizer.BytePairTokens;
import icformer.metadata.Metadata;

/**
 * Byte-level BPE ({@code tokenizer.ggml.model} is {@code gpt2}), as GPT-2, Llama 3, Qwen and SmolLM have it: a text is cut into
 * words as {@code tokenizer.ggml.pre} says, and the bytes of a word are merged in the order of the file's merges.
 */
public final class BytePairTokenizer extends VocabularyTokenizer {
    BytePairTokenizer(Metadata metadata) {
        super(new BytePairTokens(metadata));
    }
}
