package icformer.template;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;

/**
 * For {@code bench/peers/templates/compare.py}: reads a JSON file of {@code templates} and {@code variables}, and writes a line of
 * JSON with a {@code text} or an {@code error} for each template with each of the variables.
 */
final class RenderAll {
    private static final Clock CLOCK = Clock.fixed(Instant.parse("2024-07-06T13:05:09Z"), ZoneOffset.UTC);

    private RenderAll() {}

    public static void main(String[] files) throws IOException {
        Map<?, ?> given = (Map<?, ?>) Objects.requireNonNull(TestJson.parse(Files.readString(Path.of(files[0]))));
        try (PrintWriter out = new PrintWriter(files[1], StandardCharsets.UTF_8)) {
            for (Object template : (List<?>) Objects.requireNonNull(given.get("templates"))) {
                for (Object variables : (List<?>) Objects.requireNonNull(given.get("variables"))) {
                    out.println(line((String) template, variables));
                }
            }
        }
    }

    @SuppressWarnings("unchecked") // every key of a JSON object is a string
    private static String line(String template, Object variables) {
        try {
            return json("text", Template.of(template).render((Map<String, ?>) variables, CLOCK));
        } catch (TemplateException e) {
            return json("error", String.valueOf(e.getMessage()));
        }
    }

    private static String json(String key, String text) {
        StringBuilder out = new StringBuilder("{\"" + key + "\": \"");
        for (char c : text.toCharArray()) {
            boolean plain = c >= ' ' && c <= '~' && c != '"' && c != '\\';
            out.append(plain ? String.valueOf(c) : String.format(Locale.ROOT, "\\u%04x", (int) c));
        }
        return out.append("\"}").toString();
    }
}
