/** Commands that write intermediate results: {@code dump}. */
@NullMarked
package icformer.cli.dump;

import org.jspecify.annotations.NullMarked;
