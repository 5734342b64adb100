@NullMarked
package icformer.files;

import org.jspecify.annotations.NullMarked;
