/** JSON of other people: strict, bounded, and without surprises. */
@NullMarked
package icformer.internal.json;

import org.jspecify.annotations.NullMarked;
