package icformer.template;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Python's dict: in the order of insertion, with keys that are equal as Python has it, 1 and 1.0 and true among them. */
final class Dict {
    /** A key and what it stands for. */
    record Item(Object key, Object value) {}

    /** What a method gives of a dict: {@code keys}, {@code values} or {@code items}, as they are now. */
    record View(String kind, List<Object> elements) {}

    private final Map<Object, Item> items = new LinkedHashMap<>();

    /**
     * What is equal if and only if values are. Tuples become texts, which have an order: a map of colliding lists would be
     * searched one by one.
     */
    static Object hashable(Object key, Budget budget) {
        budget.step();
        return switch (key) {
            case Boolean bool -> bool ? 1L : 0L;
            case Double real when real == Math.rint(real) && Math.abs(real) < 0x1p63 -> (long) (double) real;
            case Markup(String text) -> text;
            case String _, Long _, BigInteger _, Double _, None _, Undefined _ -> key;
            case Range range -> new ArrayList<>(range);
            case Tuple tuple -> {
                StringBuilder text = new StringBuilder("\0tuple");
                for (Object element : tuple) {
                    Object part = hashable(element, budget);
                    String shown = part.toString();
                    budget.text(shown.length() + 24L);
                    text.append(part.getClass().getSimpleName()).append(shown.length()).append(':').append(shown);
                }
                yield text.toString();
            }
            case List<?> _, Dict _, View _ -> throw TemplateException.error("unhashable type: '%s'", Values.type(key));
            default -> key;
        };
    }

    @Nullable Object get(Object key, Budget budget) {
        Item item = items.get(hashable(key, budget));
        return item == null ? null : item.value();
    }

    void put(Object key, Object value, Budget budget) {
        Object hashable = hashable(key, budget);
        Item old = items.get(hashable);
        if (old == null) {
            budget.elements(1);
        }
        items.put(hashable, new Item(old == null ? key : old.key(), value));
    }

    void putAll(Dict other, Budget budget) {
        other.items().forEach(item -> put(item.key(), item.value(), budget));
    }

    int size() {
        return items.size();
    }

    Iterable<Item> items() {
        return items.values();
    }

    List<Object> keys(Budget budget) {
        budget.list(size());
        List<Object> keys = new ArrayList<>(size());
        items().forEach(item -> keys.add(item.key()));
        return keys;
    }

    List<Object> values(Budget budget) {
        budget.list(size());
        List<Object> values = new ArrayList<>(size());
        items().forEach(item -> values.add(item.value()));
        return values;
    }

    /** Keys with values, as tuples. */
    List<Object> tuples(Budget budget) {
        budget.elements(size());
        List<Object> tuples = new ArrayList<>(size());
        items().forEach(item -> tuples.add(Tuple.of(item.key(), item.value())));
        return tuples;
    }
}
