/** What fails, and how it is told: every package speaks in these, and they know no other. */
@NullMarked
package icformer.error;

import org.jspecify.annotations.NullMarked;
