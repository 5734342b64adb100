@NullMarked
package icformer.cli.command;

import org.jspecify.annotations.NullMarked;
