/** Commands that answer: {@code ask}, {@code compress} for it, and {@code generate}. */
@NullMarked
package icformer.cli.answer;

import org.jspecify.annotations.NullMarked;
