@NullMarked
package icformer.internal.format;

import org.jspecify.annotations.NullMarked;
