@NullMarked
package icformer.internal.base;

import org.jspecify.annotations.NullMarked;
