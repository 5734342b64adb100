@NullMarked
package icformer.cli;

import org.jspecify.annotations.NullMarked;
