package icformer.template;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What {@code loop} is in the body of a loop.
 *
 * @param elements that the loop goes over
 * @param index of the one it is at, from 0
 */
record Loop(List<Object> elements, int index) {

    /** An attribute; null if there is none of that name. */
    @Nullable Object get(String name) {
        int size = elements.size();
        return switch (name) {
            case "index" -> index + 1L;
            case "index0" -> (long) index;
            case "revindex" -> (long) size - index;
            case "revindex0" -> size - index - 1L;
            case "first" -> index == 0;
            case "last" -> index == size - 1;
            case "length" -> (long) size;
            case "previtem" -> index > 0 ? elements.get(index - 1) : new Undefined("there is no previous item");
            case "nextitem" -> index < size - 1 ? elements.get(index + 1) : new Undefined("there is no next item");
            case "cycle" -> (Callable) (arguments, _) -> {
                arguments.first("loop.cycle");
                return arguments.positional().get(index % arguments.positional().size());
            };
            default -> null;
        };
    }
}
