/** How good a model or a pair is: perplexity, comparison of predictions, scores of answers. */
@NullMarked
package icformer.eval;

import org.jspecify.annotations.NullMarked;
