package icformer.metadata;

import icformer.error.IcfException;
import icformer.error.Status;
import java.util.List;
import java.util.Map;

/** Metadata that was never in a file. */
final class MapMetadata implements Metadata {
    private final Map<String, ?> values;

    MapMetadata(Map<String, ?> values) {
        this.values = values;
        values.forEach(MapMetadata::key);
    }

    @Override
    public List<Key> keys() {
        return values.keySet().stream().map(this::key).toList();
    }

    @Override
    public boolean contains(String key) {
        return values.containsKey(key);
    }

    @Override
    public Key key(String key) {
        return key(key, value(key));
    }

    @Override
    public String text(String key) {
        return toText(key, value(key));
    }

    @Override
    public long integer(String key) {
        return toInteger(key, value(key));
    }

    @Override
    public double number(String key) {
        return toNumber(key, value(key));
    }

    @Override
    public boolean bool(String key) {
        if (value(key) instanceof Boolean bool) {
            return bool;
        }
        throw otherKind(key, "a truth value");
    }

    @Override
    public List<String> texts(String key) {
        return elements(key).stream().map(element -> toText(key, element)).toList();
    }

    @Override
    public long[] integers(String key) {
        return elements(key).stream()
                .mapToLong(element -> element instanceof Boolean bool ? (bool ? 1 : 0) : toInteger(key, element))
                .toArray();
    }

    @Override
    public double[] numbers(String key) {
        return elements(key).stream()
                .mapToDouble(element -> toNumber(key, element))
                .toArray();
    }

    private Object value(String key) {
        Object value = values.get(key);
        if (value == null) {
            throw new IcfException(Status.FORMAT, "there is no key '" + key + "'");
        }
        return value;
    }

    private List<?> elements(String key) {
        return value(key) instanceof List<?> list ? list : List.of(value(key));
    }

    private static String toText(String key, Object value) {
        if (value instanceof String text) {
            return text;
        }
        throw otherKind(key, "text");
    }

    private static long toInteger(String key, Object value) {
        if (value instanceof Integer || value instanceof Long) {
            return ((Number) value).longValue();
        }
        throw otherKind(key, "an integer");
    }

    private static double toNumber(String key, Object value) {
        if (value instanceof Number number) {
            return number.doubleValue();
        }
        throw otherKind(key, "a number");
    }

    private static IcfException otherKind(String key, String wanted) {
        return new IcfException(Status.FORMAT, "key '" + key + "' does not hold " + wanted);
    }

    private static Key key(String name, Object value) {
        return value instanceof List<?> list
                ? new Key(name, list.isEmpty() ? Kind.TEXT : kind(name, list.getFirst()), true, list.size())
                : new Key(name, kind(name, value), false, 1);
    }

    private static Kind kind(String name, Object value) {
        return switch (value) {
            case String _ -> Kind.TEXT;
            case Boolean _ -> Kind.BOOL;
            case Integer _, Long _ -> Kind.INTEGER;
            case Float _, Double _ -> Kind.NUMBER;
            default ->
                throw new IcfException(
                        Status.ARGUMENT,
                        "key '" + name + "' cannot hold a " + value.getClass().getSimpleName());
        };
    }
}
