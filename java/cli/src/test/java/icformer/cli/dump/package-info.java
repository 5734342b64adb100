@NullMarked
package icformer.cli.dump;

import org.jspecify.annotations.NullMarked;
