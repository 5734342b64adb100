/** What all packages stand on: checks of arguments and memory, hashes, and texts that lie in one array. */
@NullMarked
package icformer.internal.base;

import org.jspecify.annotations.NullMarked;
