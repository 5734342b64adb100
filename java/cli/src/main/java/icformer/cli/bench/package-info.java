/** The command that measures speed: {@code bench}. */
@NullMarked
package icformer.cli.bench;

import org.jspecify.annotations.NullMarked;
