@NullMarked
package icformer.eval;

import org.jspecify.annotations.NullMarked;
