/** Files that are written anew: checkpoints as GGUF files, and GGUF files in other types. */
@NullMarked
package icformer.convert;

import org.jspecify.annotations.NullMarked;
