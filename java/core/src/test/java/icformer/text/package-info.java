@NullMarked
package icformer.text;

import org.jspecify.annotations.NullMarked;
