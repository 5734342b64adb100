package icformer.eval;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import icformer.error.IcfException;
import icformer.error.Status;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A context and what is asked about it.
 *
 * @param context the text, as it is
 * @param questions with their answers, at least one
 */
public record AnswerCase(String context, List<Question> questions) {
    private static final JsonFactory JSON = new JsonFactory();

    /**
     * A question.
     *
     * @param text of the question
     * @param answers those that are right, at least one; the first is the one that the LLM is asked to predict
     * @param kind of question; empty where the file does not say
     */
    public record Question(String text, List<String> answers, String kind) {
        public Question {
            answers = List.copyOf(answers);
        }

        /** The first of the answers. */
        public String answer() {
            return answers.getFirst();
        }
    }

    /**
     * Reads JSON Lines: {@code {"context", "question", "answer", "kind"}}, or {@code {"context", "questions": [{"question",
     * "answer", "kind"}, …]}}; {@code "answers"}, a list, may stand in the place of {@code "answer"}. Lines that follow each other with the same context become one case; {@code kind} may be
     * missing, other keys are ignored.
     *
     * @param text the lines
     * @param name of the file that they come from, for messages
     * @throws IcfException of status FORMAT that names the first line which is none
     */
    public static List<AnswerCase> parse(String text, String name) {
        List<AnswerCase> cases = new ArrayList<>();
        int number = 0;
        for (String line : text.lines().toList()) {
            number++;
            if (line.isBlank()) {
                continue;
            }
            String where = "%s, line %d".formatted(name, number);
            Map<?, ?> object = object(parseLine(line, where), where);
            String context = text(object, "context", where);
            if (context.isEmpty()) {
                throw new IcfException(Status.FORMAT, where + ": the context is empty");
            }
            if (cases.isEmpty() || !cases.getLast().context().equals(context)) {
                cases.add(new AnswerCase(context, new ArrayList<>()));
            }
            List<?> entries = object.get("questions") instanceof List<?> several ? several : List.of(object);
            for (Object entry : entries) {
                cases.getLast().questions().add(question(object(entry, where), where));
            }
        }
        cases.removeIf(each -> each.questions().isEmpty());
        if (cases.isEmpty()) {
            throw new IcfException(Status.FORMAT, name + " has no questions");
        }
        return cases;
    }

    private static Question question(Map<?, ?> entry, String where) {
        String kind = entry.get("kind") instanceof String text ? text : "";
        return new Question(text(entry, "question", where), answers(entry, where), kind);
    }

    private static List<String> answers(Map<?, ?> entry, String where) {
        if (!(entry.get("answers") instanceof List<?> several)) {
            return List.of(text(entry, "answer", where));
        }
        List<String> answers = several.stream()
                .filter(String.class::isInstance)
                .map(String.class::cast)
                .toList();
        if (answers.isEmpty() || answers.size() < several.size()) {
            throw new IcfException(Status.FORMAT, where + ": answers is no list of texts");
        }
        return answers;
    }

    private static Map<?, ?> object(@Nullable Object value, String where) {
        if (value instanceof Map<?, ?> map) {
            return map;
        }
        throw new IcfException(Status.FORMAT, where + " is no JSON object with a context, a question and an answer");
    }

    private static String text(Map<?, ?> object, String key, String where) {
        if (object.get(key) instanceof String text) {
            return text;
        }
        throw new IcfException(Status.FORMAT, "%s has no text named %s".formatted(where, key));
    }

    private static @Nullable Object parseLine(String line, String where) {
        try (JsonParser parser = JSON.createParser(line)) {
            parser.nextToken();
            Object value = value(parser);
            if (parser.nextToken() != null) {
                throw new IcfException(Status.FORMAT, where + ": there is more than one JSON value");
            }
            return value;
        } catch (JsonProcessingException e) {
            throw new IcfException(Status.FORMAT, "%s is no JSON: %s".formatted(where, e.getOriginalMessage()), e);
        } catch (IOException e) {
            throw new UncheckedIOException("reading from a text", e);
        }
    }

    /** Objects as maps, arrays as lists, strings as they are; null for everything else. */
    private static @Nullable Object value(JsonParser parser) throws IOException {
        switch (parser.currentToken()) {
            case START_OBJECT -> {
                Map<String, @Nullable Object> map = new LinkedHashMap<>();
                while (parser.nextToken() == JsonToken.FIELD_NAME) {
                    String key = parser.currentName();
                    parser.nextToken();
                    map.put(key, value(parser));
                }
                return map;
            }
            case START_ARRAY -> {
                List<@Nullable Object> list = new ArrayList<>();
                while (parser.nextToken() != JsonToken.END_ARRAY) {
                    list.add(value(parser));
                }
                return list;
            }
            case VALUE_STRING -> {
                return parser.getText();
            }
            default -> {
                return null;
            }
        }
    }
}
