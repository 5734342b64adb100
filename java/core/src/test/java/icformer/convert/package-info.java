@NullMarked
package icformer.convert;

import org.jspecify.annotations.NullMarked;
