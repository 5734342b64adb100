@NullMarked
package icformer.cli.answer;

import org.jspecify.annotations.NullMarked;
