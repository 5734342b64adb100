/** What commands have in common: their frame, and groups of options. */
@NullMarked
package icformer.cli.command;

import org.jspecify.annotations.NullMarked;
