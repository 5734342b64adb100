package icformer.files;

import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** Element types of the safetensors format. The constant's name is the name in the file. */
public enum ElementType {
    BOOL(1),
    U8(1),
    I8(1),
    F8_E5M2(1),
    F8_E4M3(1),
    I16(2),
    U16(2),
    F16(2),
    BF16(2),
    I32(4),
    U32(4),
    F32(4),
    F64(8),
    I64(8),
    U64(8);

    private static final Map<String, ElementType> BY_NAME =
            Stream.of(values()).collect(Collectors.toUnmodifiableMap(ElementType::name, Function.identity()));

    private final int bytes;

    ElementType(int bytes) {
        this.bytes = bytes;
    }

    /** Size of one element in bytes. */
    public int bytes() {
        return bytes;
    }

    /** Whether {@link StoredTensor#readFloats} widens this type. */
    public boolean isFloat() {
        return this == F32 || this == F16 || this == BF16;
    }

    /** The type of that exact name; null if the format has none. */
    static @Nullable ElementType find(String name) {
        return BY_NAME.get(name);
    }
}
