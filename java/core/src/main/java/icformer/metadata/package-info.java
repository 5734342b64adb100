/** The typed keys of a model file, wherever they come from. */
@NullMarked
package icformer.metadata;

import org.jspecify.annotations.NullMarked;
