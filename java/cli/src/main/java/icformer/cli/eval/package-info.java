/** Commands that measure quality: {@code compare} and {@code eval}. */
@NullMarked
package icformer.cli.eval;

import org.jspecify.annotations.NullMarked;
