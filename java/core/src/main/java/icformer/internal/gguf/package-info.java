/** Opening of GGUF files and reading of their keys, for whatever holds such a file open. */
@NullMarked
package icformer.internal.gguf;

import org.jspecify.annotations.NullMarked;
