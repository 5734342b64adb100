package icformer.files;

import icformer.internal.base.Failures;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.math.BigInteger;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The part of Python's pickle machine that a PyTorch checkpoint of tensors needs, and no more.
 *
 * <p>A pickle is a program. This machine cannot run anything: it knows dictionaries, lists, tuples, numbers and strings,
 * and the six names of {@link Known}. Any other name is refused when it is met, before anything is made of it; any other
 * instruction is refused too. No length in the pickle makes it reserve memory: strings are read from its own bytes and
 * numbers are bounded.
 */
final class TensorUnpickler {

    /** What a pickle may name. */
    private enum Known {
        FLOAT_STORAGE("torch", "FloatStorage"),
        HALF_STORAGE("torch", "HalfStorage"),
        BFLOAT16_STORAGE("torch", "BFloat16Storage"),
        REBUILD_TENSOR("torch._utils", "_rebuild_tensor_v2"),
        REBUILD_PARAMETER("torch._utils", "_rebuild_parameter"),
        ORDERED_DICT("collections", "OrderedDict");

        final String module;
        final String symbol;

        Known(String module, String symbol) {
            this.module = module;
            this.symbol = symbol;
        }

        ElementType elementType() {
            return switch (this) {
                case FLOAT_STORAGE -> ElementType.F32;
                case HALF_STORAGE -> ElementType.F16;
                case BFLOAT16_STORAGE -> ElementType.BF16;
                default -> throw new IllegalStateException(symbol + " is no storage");
            };
        }

        boolean isStorage() {
            return ordinal() <= BFLOAT16_STORAGE.ordinal();
        }
    }

    /** A storage: an entry of the archive and how many elements it holds. */
    record Storage(ElementType type, String key, long elements) {}

    /** A view of a storage. */
    record Tensor(Storage storage, long offset, List<Long> shape, List<Long> strides) {}

    /** A tuple, apart from a list because it cannot be appended to. */
    private record Tuple(List<@Nullable Object> items) {}

    /** The instruction that ends a pickle. */
    private static final int STOP = '.';

    private static final ValueLayout.OfShort U16 = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt I32 = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong I64 = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final int MAX_DIMENSIONS = 8;
    /** Of thousands of tensors; an instruction of one byte can cost a hundred bytes of heap. */
    static final long MAX_BYTES = 4 << 20;

    private final Path file;
    private final MemorySegment pickle;
    private long position;
    private ArrayList<@Nullable Object> stack = new ArrayList<>();
    private final Deque<ArrayList<@Nullable Object>> marks = new ArrayDeque<>();
    private final Map<Long, @Nullable Object> memo = new HashMap<>();

    private TensorUnpickler(MemorySegment pickle, Path file) {
        this.pickle = pickle;
        this.file = file;
    }

    /**
     * Reads a dictionary of tensors.
     *
     * @param pickle the bytes of {@code data.pkl}, at most {@link #MAX_BYTES}
     * @param file the checkpoint, for messages
     * @throws icformer.error.ModelFileException UNSUPPORTED for a name or instruction that reading tensors does not need, FORMAT
     *     for a pickle that is damaged or holds something else than tensors by name
     */
    static Map<String, Tensor> read(MemorySegment pickle, Path file) throws IOException {
        TensorUnpickler machine = new TensorUnpickler(pickle, file);
        Object root;
        try {
            root = machine.run();
        } catch (IndexOutOfBoundsException e) {
            throw Failures.format(file, "the pickle is damaged: it ends too early or takes what it never gave");
        }
        if (!(root instanceof Map<?, ?> map)) {
            throw Failures.format(file, "holds no dictionary of tensors");
        }
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        for (Map.Entry<?, ?> entry : map.entrySet()) {
            if (!(entry.getKey() instanceof String name) || !(entry.getValue() instanceof Tensor tensor)) {
                throw Failures.format(file, "its entry %s is no tensor", entry.getKey());
            }
            tensors.put(name, tensor);
        }
        return Collections.unmodifiableMap(tensors);
    }

    private @Nullable Object run() throws IOException {
        for (int instruction = u8(); instruction != STOP; instruction = u8()) {
            execute(instruction);
        }
        return pop();
    }

    private void execute(int instruction) throws IOException {
        switch (instruction) {
            case 0x80 -> checkProtocol(u8()); // PROTO
            case 0x95 -> position += 8; // FRAME: only a hint for buffered readers
            case '(' -> { // MARK
                marks.push(stack);
                stack = new ArrayList<>();
            }
            case '0' -> pop(); // POP
            case '}' -> push(new LinkedHashMap<Object, @Nullable Object>()); // EMPTY_DICT
            case ']' -> push(new ArrayList<@Nullable Object>()); // EMPTY_LIST
            case ')' -> push(new Tuple(List.of())); // EMPTY_TUPLE
            case 0x85 -> tuple(1); // TUPLE1
            case 0x86 -> tuple(2); // TUPLE2
            case 0x87 -> tuple(3); // TUPLE3
            case 't' -> push(new Tuple(popMark())); // TUPLE
            case 'a' -> list(peek(1)).add(pop()); // APPEND
            case 'e' -> { // APPENDS
                List<@Nullable Object> items = popMark();
                list(peek(0)).addAll(items);
            }
            case 's' -> { // SETITEM
                Object value = pop();
                put(dictionary(peek(1)), pop(), value);
            }
            case 'u' -> putAll(popMark()); // SETITEMS
            case 'q' -> memo.put((long) u8(), peek(0)); // BINPUT
            case 'r' -> memo.put(i32() & 0xFFFFFFFFL, peek(0)); // LONG_BINPUT
            case 0x94 -> memo.put((long) memo.size(), peek(0)); // MEMOIZE
            case 'h' -> push(recall(u8())); // BINGET
            case 'j' -> push(recall(i32() & 0xFFFFFFFFL)); // LONG_BINGET
            case 'c' -> push(known(line(), line())); // GLOBAL
            case 0x93 -> { // STACK_GLOBAL
                String symbol = string(pop());
                push(known(string(pop()), symbol));
            }
            case 'Q' -> push(storage(pop())); // BINPERSID
            case 'R' -> { // REDUCE
                List<@Nullable Object> arguments = items(pop());
                push(reduce(pop(), arguments));
            }
            case 'b' -> build(pop()); // BUILD
            default -> push(scalar(instruction));
        }
    }

    private @Nullable Object scalar(int instruction) throws IOException {
        return switch (instruction) {
            case 'N' -> null; // NONE
            case 0x88 -> true; // NEWTRUE
            case 0x89 -> false; // NEWFALSE
            case 'K' -> (long) u8(); // BININT1
            case 'M' -> (long) u16(); // BININT2
            case 'J' -> (long) i32(); // BININT
            case 0x8a -> longInteger(u8()); // LONG1
            case 'G' -> Double.longBitsToDouble(Long.reverseBytes(i64())); // BINFLOAT
            case 'X' -> text(i32() & 0xFFFFFFFFL); // BINUNICODE
            case 0x8c -> text(u8()); // SHORT_BINUNICODE
            case 0x8d -> text(i64()); // BINUNICODE8
            default ->
                throw Failures.unsupported(
                        file, "the pickle uses instruction 0x%02x, which tensors do not need; refused", instruction);
        };
    }

    private void checkProtocol(int protocol) throws IOException {
        if (protocol > 5) {
            throw Failures.unsupported(file, "pickle protocol %d is not known", protocol);
        }
    }

    /** The name a pickle wants to use; it must be one of {@link Known}. */
    private Known known(String module, String symbol) throws IOException {
        for (Known known : Known.values()) {
            if (known.module.equals(module) && known.symbol.equals(symbol)) {
                return known;
            }
        }
        throw Failures.unsupported(
                file,
                "the pickle uses %s.%s, which tensors of float32, float16 or bfloat16 do not need; refused",
                printable(module),
                printable(symbol));
    }

    /** The persistent id {@code ("storage", type, key, location, elements)}. The location, such as cuda:0, is ignored. */
    private Storage storage(@Nullable Object id) throws IOException {
        List<@Nullable Object> parts = items(id);
        if (parts.size() == 5
                && "storage".equals(parts.get(0))
                && parts.get(1) instanceof Known known
                && known.isStorage()
                && parts.get(2) instanceof String key
                && parts.get(4) instanceof Long elements
                && elements >= 0) {
            return new Storage(known.elementType(), key, elements);
        }
        throw damaged("a persistent id is no storage");
    }

    private Object reduce(@Nullable Object function, List<@Nullable Object> arguments) throws IOException {
        if (function instanceof Known known) {
            return call(known, arguments);
        }
        throw damaged("something is called that cannot be");
    }

    private Object call(Known known, List<@Nullable Object> arguments) throws IOException {
        return switch (known) {
            case REBUILD_TENSOR -> rebuildTensor(arguments);
            case REBUILD_PARAMETER -> {
                if (arguments.isEmpty() || !(arguments.getFirst() instanceof Tensor tensor)) {
                    throw damaged("a parameter has no tensor");
                }
                yield tensor;
            }
            case ORDERED_DICT -> {
                if (!arguments.isEmpty()) {
                    throw damaged("an OrderedDict is made with arguments");
                }
                yield new LinkedHashMap<Object, @Nullable Object>();
            }
            default -> throw damaged(known.symbol + " is called");
        };
    }

    /** {@code _rebuild_tensor_v2(storage, storage_offset, size, stride, requires_grad, backward_hooks)}. */
    private Tensor rebuildTensor(List<@Nullable Object> arguments) throws IOException {
        if (arguments.size() < 4
                || !(arguments.get(0) instanceof Storage storage)
                || !(arguments.get(1) instanceof Long offset)) {
            throw damaged("a tensor has no storage and offset");
        }
        List<Long> shape = lengths(arguments.get(2));
        List<Long> strides = lengths(arguments.get(3));
        if (shape.size() != strides.size()) {
            throw damaged("a tensor has %d dimensions and %d strides".formatted(shape.size(), strides.size()));
        }
        checkExtent(storage, offset, shape, strides);
        return new Tensor(storage, offset, shape, strides);
    }

    /** The last element a view touches must lie in its storage: offset + sum of (size - 1) * stride. */
    private void checkExtent(Storage storage, long offset, List<Long> shape, List<Long> strides) throws IOException {
        try {
            long elements = 1;
            long last = offset;
            for (int i = 0; i < shape.size(); i++) {
                elements = Math.multiplyExact(elements, shape.get(i));
                last = Math.addExact(last, Math.multiplyExact(Math.max(shape.get(i) - 1, 0), strides.get(i)));
            }
            if (elements > storage.elements()) {
                throw Failures.unsupported(
                        file,
                        "a tensor of shape %s repeats the %d elements of its storage; save a copy of it that does not",
                        shape,
                        storage.elements());
            }
            if (offset >= 0 && (elements == 0 ? offset <= storage.elements() : last < storage.elements())) {
                return;
            }
        } catch (ArithmeticException e) {
            throw damaged("a tensor of shape %s is too large for any file".formatted(shape));
        }
        throw damaged("a tensor of shape %s at offset %d reaches beyond its storage of %d elements"
                .formatted(shape, offset, storage.elements()));
    }

    private List<Long> lengths(@Nullable Object tuple) throws IOException {
        List<Long> lengths = new ArrayList<>();
        for (Object item : items(tuple)) {
            if (!(item instanceof Long length) || length < 0 || lengths.size() == MAX_DIMENSIONS) {
                throw damaged("a shape or stride is no tuple of at most %d lengths".formatted(MAX_DIMENSIONS));
            }
            lengths.add(length);
        }
        return List.copyOf(lengths);
    }

    /** The state of an OrderedDict is its attributes, such as {@code _metadata}; they say nothing about tensors. */
    private void build(@Nullable Object state) throws IOException {
        if (!(peek(0) instanceof Map<?, ?>) || !(state instanceof Map<?, ?>)) {
            throw damaged("an object other than a dictionary is given a state");
        }
    }

    private void tuple(int size) {
        List<@Nullable Object> tail = stack.subList(stack.size() - size, stack.size());
        Tuple tuple = new Tuple(Collections.unmodifiableList(new ArrayList<>(tail)));
        tail.clear();
        push(tuple);
    }

    private void putAll(List<@Nullable Object> items) throws IOException {
        Map<Object, @Nullable Object> dictionary = dictionary(peek(0));
        if (items.size() % 2 != 0) {
            throw damaged("a key has no value");
        }
        for (int i = 0; i < items.size(); i += 2) {
            put(dictionary, items.get(i), items.get(i + 1));
        }
    }

    private void put(Map<Object, @Nullable Object> dictionary, @Nullable Object key, @Nullable Object value)
            throws IOException {
        // keys that hash deeply could be nested without end
        if (!(key instanceof String) && !(key instanceof Long)) {
            throw damaged("a dictionary has a key that is neither text nor integer");
        }
        if (dictionary.put(key, value) != null) {
            throw damaged("a dictionary has two entries " + key);
        }
    }

    private @Nullable Object recall(long index) throws IOException {
        if (!memo.containsKey(index)) {
            throw damaged("entry %d of the memo is used before it is set".formatted(index));
        }
        return memo.get(index);
    }

    private List<@Nullable Object> popMark() throws IOException {
        if (marks.isEmpty()) {
            throw damaged("a mark is missing");
        }
        List<@Nullable Object> items = stack;
        stack = marks.pop();
        return items;
    }

    private void push(@Nullable Object value) {
        stack.add(value);
    }

    private @Nullable Object pop() {
        return stack.remove(stack.size() - 1);
    }

    private @Nullable Object peek(int depth) {
        return stack.get(stack.size() - 1 - depth);
    }

    private List<@Nullable Object> items(@Nullable Object tuple) throws IOException {
        if (tuple instanceof Tuple(List<@Nullable Object> items)) {
            return items;
        }
        throw damaged("a tuple is expected");
    }

    private String string(@Nullable Object value) throws IOException {
        if (value instanceof String text) {
            return text;
        }
        throw damaged("a text is expected");
    }

    @SuppressWarnings("unchecked") // every list of this machine was made by it
    private List<@Nullable Object> list(@Nullable Object value) throws IOException {
        if (value instanceof ArrayList<?>) {
            return (List<@Nullable Object>) value;
        }
        throw damaged("a list is expected");
    }

    @SuppressWarnings("unchecked") // every dictionary of this machine was made by it
    private Map<Object, @Nullable Object> dictionary(@Nullable Object value) throws IOException {
        if (value instanceof LinkedHashMap<?, ?>) {
            return (Map<Object, @Nullable Object>) value;
        }
        throw damaged("a dictionary is expected");
    }

    private IOException damaged(String reason) {
        return Failures.format(file, "the pickle is damaged: %s", reason);
    }

    private static String printable(String name) {
        return name.codePoints()
                .limit(80)
                .map(c -> c > ' ' && c < 0x7F ? c : '?')
                .collect(StringBuilder::new, StringBuilder::appendCodePoint, StringBuilder::append)
                .toString();
    }

    private int u8() {
        return Byte.toUnsignedInt(pickle.get(ValueLayout.JAVA_BYTE, position++));
    }

    private int u16() {
        int value = Short.toUnsignedInt(pickle.get(U16, position));
        position += 2;
        return value;
    }

    private int i32() {
        int value = pickle.get(I32, position);
        position += 4;
        return value;
    }

    private long i64() {
        long value = pickle.get(I64, position);
        position += 8;
        return value;
    }

    /** An integer of {@code length} little-endian bytes; beyond 64 bits it is no length of anything. */
    private long longInteger(int length) throws IOException {
        byte[] bytes = slice(length).toArray(ValueLayout.JAVA_BYTE);
        byte[] reversed = new byte[length + 1];
        for (int i = 0; i < length; i++) {
            reversed[length - i] = bytes[i];
        }
        reversed[0] = (byte) (length > 0 && bytes[length - 1] < 0 ? -1 : 0);
        try {
            return new BigInteger(reversed).longValueExact();
        } catch (ArithmeticException e) {
            throw damaged("an integer has more than 64 bits");
        }
    }

    private String text(long length) {
        return new String(slice(length).toArray(ValueLayout.JAVA_BYTE), StandardCharsets.UTF_8);
    }

    /** A line up to its line feed, which is not part of it. */
    private String line() {
        long start = position;
        while (u8() != '\n') {
            continue;
        }
        return new String(
                pickle.asSlice(start, position - 1 - start).toArray(ValueLayout.JAVA_BYTE), StandardCharsets.UTF_8);
    }

    private MemorySegment slice(long length) {
        MemorySegment slice = pickle.asSlice(position, length);
        position += length;
        return slice;
    }
}
