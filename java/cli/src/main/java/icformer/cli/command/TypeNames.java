package icformer.cli.command;

import icformer.cli.console.CommandException;
import icformer.files.TensorType;
import java.util.stream.Collectors;

/** Names of tensor types, as options take them. */
public final class TypeNames {
    private TypeNames() {}

    /** The type of a name, in any case. */
    public static TensorType type(String name) {
        return TensorType.find(name)
                .orElseThrow(() -> new CommandException("there is no tensor type %s; there are %s"
                        .formatted(
                                name,
                                TensorType.all().stream()
                                        .filter(TensorType::isQuantizable)
                                        .map(TensorType::name)
                                        .collect(Collectors.joining(", ")))));
    }
}
