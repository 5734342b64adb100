package icformer.metadata;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The keys of a GGUF file, typed.
 *
 * <p>The getters of one argument throw an {@link icformer.error.IcfException} of status FORMAT where the file lacks the key; those of two
 * answer the second one then. Both throw it where the key holds a value of another kind. Any number of threads may read
 * one metadata at once, until the file, model or digester it came from is closed.
 */
public interface Metadata {

    /** Kinds of values. Integers of every width are one kind. */
    enum Kind {
        /** Signed or unsigned, of any width. */
        INTEGER,
        /** A floating-point number. */
        NUMBER,
        /** True or false. */
        BOOL,
        /** Unicode text. */
        TEXT
    }

    /**
     * What a key holds.
     *
     * @param name of the key
     * @param kind of the value, or of its elements where it is an array
     * @param array whether it is an array
     * @param count number of elements; 1 where it is not an array
     */
    record Key(String name, Kind kind, boolean array, long count) {}

    /** Metadata out of a map of texts, integers ({@code Integer}, {@code Long}), numbers, booleans and lists of one of them. */
    static Metadata of(Map<String, ?> values) {
        return new MapMetadata(new LinkedHashMap<>(values));
    }

    /** All keys, in the order of the file. */
    List<Key> keys();

    /** Whether the file has a key of that name. */
    boolean contains(String key);

    /** What that key holds. */
    Key key(String key);

    /** A text. */
    String text(String key);

    /** An integer; an unsigned one of 64 bits keeps its bits. */
    long integer(String key);

    /** A number; an integer is one too. */
    double number(String key);

    /** A truth value. */
    boolean bool(String key);

    /** An array of texts; a single text counts as an array of one, here and below. */
    List<String> texts(String key);

    /** An array of integers or truth values (0 or 1). */
    long[] integers(String key);

    /** An array of numbers or integers. */
    double[] numbers(String key);

    /** A text, or {@code fallback} where the file lacks the key. */
    default String text(String key, String fallback) {
        return contains(key) ? text(key) : fallback;
    }

    /** An integer, or {@code fallback} where the file lacks the key. */
    default long integer(String key, long fallback) {
        return contains(key) ? integer(key) : fallback;
    }

    /** A number, or {@code fallback} where the file lacks the key. */
    default double number(String key, double fallback) {
        return contains(key) ? number(key) : fallback;
    }

    /** A truth value, or {@code fallback} where the file lacks the key. */
    default boolean bool(String key, boolean fallback) {
        return contains(key) ? bool(key) : fallback;
    }
}
