/** Text to tokens and back, with the vocabulary of a GGUF file. */
@NullMarked
package icformer.text;

import org.jspecify.annotations.NullMarked;
