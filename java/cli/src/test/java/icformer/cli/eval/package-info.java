@NullMarked
package icformer.cli.eval;

import org.jspecify.annotations.NullMarked;
