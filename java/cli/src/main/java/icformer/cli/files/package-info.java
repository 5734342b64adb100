/** Commands about files: {@code convert}, {@code quantize}, {@code info}, {@code tokenize}. */
@NullMarked
package icformer.cli.files;

import org.jspecify.annotations.NullMarked;
