/**
 * The command line.
 *
 * <p>Exit codes: 0 for success, 1 for a failure with one line on standard error, 2 for wrong usage. Results go to standard
 * output, everything else to standard error; progress is shown on a terminal only.
 */
@NullMarked
package icformer.cli;

import org.jspecify.annotations.NullMarked;
