@NullMarked
package icformer.cli.bench;

import org.jspecify.annotations.NullMarked;
