@NullMarked
package icformer.internal.tokenizer;

import org.jspecify.annotations.NullMarked;
