@NullMarked
package icformer.metadata;

import org.jspecify.annotations.NullMarked;
