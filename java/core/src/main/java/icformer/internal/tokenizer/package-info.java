/**
 * Tokenisers in pure Java, over bytes: what they do is what llama.cpp does with the same GGUF file.
 *
 * <p>The way of a text: {@link icformer.internal.tokenizer.SpecialTokens} cuts out the texts of special tokens;
 * {@link icformer.internal.tokenizer.PreTokenizer} cuts the rest into words (byte-level BPE only); a
 * {@link icformer.internal.tokenizer.MergeEncoder} merges the characters of each word, best pair first, into the tokens of
 * a {@link icformer.internal.tokenizer.Vocabulary}. Everything but the scratch of one call is immutable.
 */
@NullMarked
package icformer.internal.tokenizer;

import org.jspecify.annotations.NullMarked;
