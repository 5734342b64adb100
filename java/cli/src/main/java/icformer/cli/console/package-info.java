/** Standard input, output and error: texts that come in, progress, and failures in one line. */
@NullMarked
package icformer.cli.console;

import org.jspecify.annotations.NullMarked;
