@NullMarked
package icformer.cli.files;

import org.jspecify.annotations.NullMarked;
