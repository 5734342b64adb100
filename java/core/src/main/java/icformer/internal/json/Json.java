package icformer.internal.json;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import icformer.internal.base.Failures;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Strict JSON: no duplicate keys, no nesting beyond {@value #MAX_DEPTH}, nothing after the value, UTF-8 alone. */
public final class Json {
    private static final int MAX_DEPTH = 32;

    private Json() {}

    /** Initialised on first use: most commands read no JSON. */
    private static final class Factory {
        static final JsonFactory INSTANCE = JsonFactory.builder()
                .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                .streamReadConstraints(StreamReadConstraints.builder()
                        .maxNestingDepth(MAX_DEPTH)
                        .maxNumberLength(40)
                        .maxNameLength(64 << 10)
                        .maxStringLength(64 << 20)
                        .build())
                .build();
    }

    /** A parser of a text. */
    public static JsonParser parser(String text) throws IOException {
        return Factory.INSTANCE.createParser(text);
    }

    /** A factory for generators. */
    public static JsonFactory factory() {
        return Factory.INSTANCE;
    }

    /**
     * Reads one JSON value: {@code Map<String, ?>} (in order), {@code List<?>}, {@link String}, {@link Long} for integers,
     * {@link Double}, {@link Boolean} or null.
     *
     * @param file where the text comes from, for messages
     */
    public static @Nullable Object parse(String text, Path file) throws IOException {
        try (JsonParser parser = parser(text)) {
            if (parser.nextToken() == null) {
                throw Failures.format(file, "holds no JSON");
            }
            Object value = value(parser);
            if (parser.nextToken() != null) {
                throw Failures.format(file, "holds more than one JSON value");
            }
            return value;
        } catch (JsonProcessingException e) {
            throw malformed(file, e);
        }
    }

    /** Reads one JSON object from UTF-8. */
    public static Map<String, @Nullable Object> parseObject(MemorySegment utf8, Path file) throws IOException {
        if (parse(decode(utf8, file), file) instanceof Map<?, ?> map) {
            @SuppressWarnings("unchecked") // every key of a JSON object is a string
            Map<String, @Nullable Object> object = (Map<String, @Nullable Object>) map;
            return object;
        }
        throw Failures.format(file, "holds no JSON object");
    }

    /** Decodes UTF-8 strictly. */
    public static String decode(MemorySegment utf8, Path file) throws IOException {
        try {
            ByteBuffer bytes = ByteBuffer.wrap(utf8.toArray(ValueLayout.JAVA_BYTE));
            return StandardCharsets.UTF_8.newDecoder().decode(bytes).toString();
        } catch (CharacterCodingException e) {
            throw Failures.format(file, "holds JSON that is not UTF-8");
        }
    }

    /** A parser's complaint, as one sentence about the file. */
    public static IOException malformed(Path file, JsonProcessingException e) {
        String where = e.getLocation() == null
                ? ""
                : " at line %d, column %d"
                        .formatted(e.getLocation().getLineNr(), e.getLocation().getColumnNr());
        return Failures.format(file, "malformed JSON%s: %s", where, firstLine(e.getOriginalMessage()));
    }

    private static String firstLine(@Nullable String message) {
        return message == null ? "unreadable" : message.lines().findFirst().orElse("unreadable");
    }

    private static @Nullable Object value(JsonParser parser) throws IOException {
        return switch (parser.currentToken()) {
            case START_OBJECT -> object(parser);
            case START_ARRAY -> array(parser);
            case VALUE_STRING -> parser.getText();
            case VALUE_NUMBER_INT -> parser.getLongValue();
            case VALUE_NUMBER_FLOAT -> parser.getDoubleValue();
            case VALUE_TRUE -> true;
            case VALUE_FALSE -> false;
            default -> null;
        };
    }

    private static Map<String, @Nullable Object> object(JsonParser parser) throws IOException {
        Map<String, @Nullable Object> map = new LinkedHashMap<>();
        while (parser.nextToken() != JsonToken.END_OBJECT) {
            String key = parser.currentName();
            parser.nextToken();
            map.put(key, value(parser));
        }
        return map;
    }

    private static List<@Nullable Object> array(JsonParser parser) throws IOException {
        List<@Nullable Object> list = new ArrayList<>();
        while (parser.nextToken() != JsonToken.END_ARRAY) {
            list.add(value(parser));
        }
        return Collections.unmodifiableList(list);
    }
}
