package icformer.internal.gguf;

import icformer.error.IcfException;
import icformer.error.Status;
import icformer.internal.ffi.GgufReader;
import icformer.metadata.Metadata;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Metadata of an open GGUF file. The list of keys is read once; values are read when they are asked for. */
public final class GgufMetadata implements Metadata {
    /** By their number in {@code icf_value_kind}. */
    private static final List<Kind> KINDS = List.of(Kind.INTEGER, Kind.NUMBER, Kind.BOOL, Kind.TEXT);

    private final GgufReader reader;
    private volatile @Nullable Map<String, Entry> entries;

    /** A key and its index in the file. */
    private record Entry(long index, Key key) {}

    public GgufMetadata(GgufReader reader) {
        this.reader = reader;
    }

    @Override
    public List<Key> keys() {
        return entries().values().stream().map(Entry::key).toList();
    }

    @Override
    public boolean contains(String key) {
        return entries().containsKey(key);
    }

    @Override
    public Key key(String key) {
        return entry(key).key();
    }

    @Override
    public String text(String key) {
        return reader.readTexts(single(key, "a text", Kind.TEXT).index(), 1).getFirst();
    }

    @Override
    public long integer(String key) {
        return reader.readIntegers(single(key, "an integer", Kind.INTEGER).index(), 1)[0];
    }

    @Override
    public double number(String key) {
        return reader.readNumbers(
                        single(key, "a number", Kind.NUMBER, Kind.INTEGER).index(), 1)[0];
    }

    @Override
    public boolean bool(String key) {
        return reader.readIntegers(single(key, "a truth value", Kind.BOOL).index(), 1)[0] != 0;
    }

    @Override
    public List<String> texts(String key) {
        Entry entry = entry(key, "texts", Kind.TEXT);
        return reader.readTexts(entry.index(), entry.key().count());
    }

    @Override
    public long[] integers(String key) {
        Entry entry = entry(key, "integers", Kind.INTEGER, Kind.BOOL);
        return reader.readIntegers(entry.index(), entry.key().count());
    }

    @Override
    public double[] numbers(String key) {
        Entry entry = entry(key, "numbers", Kind.NUMBER, Kind.INTEGER);
        return reader.readNumbers(entry.index(), entry.key().count());
    }

    private Map<String, Entry> entries() {
        Map<String, Entry> known = entries;
        if (known == null) {
            known = new LinkedHashMap<>();
            List<GgufReader.Key> keys = reader.keys();
            for (int i = 0; i < keys.size(); i++) {
                GgufReader.Key key = keys.get(i);
                Kind kind = KINDS.get(key.kind());
                known.put(key.name(), new Entry(i, new Key(key.name(), kind, key.isArray(), key.count())));
            }
            entries = known;
        }
        return known;
    }

    private Entry entry(String key) {
        Entry entry = entries().get(key);
        if (entry == null) {
            throw new IcfException(Status.FORMAT, "there is no key '" + key + "'");
        }
        return entry;
    }

    private Entry entry(String key, String wanted, Kind... kinds) {
        Entry entry = entry(key);
        if (!List.of(kinds).contains(entry.key().kind())) {
            throw new IcfException(Status.FORMAT, "key '" + key + "' does not hold " + wanted);
        }
        return entry;
    }

    private Entry single(String key, String wanted, Kind... kinds) {
        Entry entry = entry(key, wanted, kinds);
        if (entry.key().array()) {
            throw new IcfException(Status.FORMAT, "key '" + key + "' holds an array, not " + wanted);
        }
        return entry;
    }
}
