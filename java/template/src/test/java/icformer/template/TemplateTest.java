package icformer.template;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertTimeout;

import icformer.template.TemplateException.Kind;
import java.io.IOException;
import java.io.InputStream;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class TemplateTest {
    private static final List<Map<String, String>> MESSAGES = List.of(message("user", "Hi"));
    private static final Clock CLOCK = Clock.fixed(Instant.parse("2024-07-06T13:05:09Z"), ZoneOffset.UTC);

    private static String resource(String name) throws IOException {
        try (InputStream in = TemplateTest.class.getResourceAsStream(name)) {
            return new String(Objects.requireNonNull(in, name).readAllBytes(), UTF_8);
        }
    }

    private static String render(String template) {
        return render(template, variables(MESSAGES, false));
    }

    private static String render(String template, Map<String, ? extends @Nullable Object> given) {
        Map<String, @Nullable Object> all = new HashMap<>(Map.of("bos_token", "<s>", "eos_token", "</s>"));
        all.putAll(given);
        return Template.of(template).render(all, CLOCK);
    }

    private static Map<String, String> message(String role, String content) {
        Map<String, String> message = new LinkedHashMap<>();
        message.put("role", role);
        message.put("content", content);
        return message;
    }

    private static Map<String, Object> variables(List<Map<String, String>> messages, boolean addGenerationPrompt) {
        return Map.of("messages", messages, "add_generation_prompt", addGenerationPrompt);
    }

    private static void assertRefused(String template, Kind kind, String... reason) {
        assertThatThrownBy(() -> render(template))
                .isInstanceOfSatisfying(
                        TemplateException.class, e -> assertThat(e.kind()).isEqualTo(kind))
                .hasMessageContainingAll(reason);
    }

    // ---- What jinja2 makes of the same, see bench/peers/templates/render.py
    // --------------------------------------------

    /** A template, what it is given, and the text it makes of it or the words in which it refuses. */
    record Case(
            String template,
            Map<String, ?> variables,
            @Nullable String text,
            @Nullable String error) {}

    static Stream<Case> cases() throws IOException {
        Object cases = Objects.requireNonNull(TestJson.parse(resource("cases.json")));
        return ((List<?>) cases).stream().map(element -> {
            Map<?, ?> fields = (Map<?, ?>) element;
            @SuppressWarnings("unchecked") // every key of a JSON object is a string
            Map<String, ?> variables = (Map<String, ?>) Objects.requireNonNull(fields.get("variables"));
            return new Case(
                    (String) Objects.requireNonNull(fields.get("template")),
                    variables,
                    (String) fields.get("text"),
                    (String) fields.get("error"));
        });
    }

    @ParameterizedTest
    @MethodSource("cases")
    void rendersAsJinja2Does(Case example) throws IOException {
        String template = resource(example.template());
        if (example.error() == null) {
            assertThat(render(template, example.variables())).isEqualTo(example.text());
        } else {
            assertThatThrownBy(() -> render(template, example.variables()))
                    .isInstanceOfSatisfying(
                            TemplateException.class, e -> assertThat(e.kind()).isEqualTo(Kind.REFUSED))
                    .hasMessage(example.error());
        }
    }

    static Stream<Arguments> expressions() throws IOException {
        Object cases = Objects.requireNonNull(TestJson.parse(resource("expressions.json")));
        return ((List<?>) cases).stream().map(element -> {
            Map<?, ?> fields = (Map<?, ?>) element;
            return Arguments.of(fields.get("template"), fields.get("text"));
        });
    }

    /** @param text what jinja2 makes of the template; null where it refuses */
    @ParameterizedTest
    @MethodSource("expressions")
    void evaluatesAsJinja2Does(String template, @Nullable String text) {
        ThrowingCallable rendering = () -> assertThat(render(template)).isEqualTo(text);
        if (text != null) {
            assertThatCode(rendering).doesNotThrowAnyException();
        } else {
            assertThatThrownBy(rendering).isInstanceOf(TemplateException.class);
        }
    }

    @Test
    void variablesMayBeAnyJson() {
        Map<String, @Nullable Object> variables = new HashMap<>();
        variables.put("a", Map.of("b", List.of(1, 2L)));
        variables.put("n", 3);
        variables.put("x", null);
        variables.put("t", true);
        variables.put("r", 0.5f);

        assertThat(render("{{ a.b[1] }} {{ n }} {{ x is none }} {{ t }} {{ r }}", variables))
                .isEqualTo("2 3 True True 0.5");
        assertThatThrownBy(() -> render("x", Map.of("o", new Object())))
                .isInstanceOf(TemplateException.class)
                .hasMessageContaining("Object");
    }

    static Stream<Arguments> generated() throws IOException {
        Map<?, ?> table = (Map<?, ?>) Objects.requireNonNull(TestJson.parse(resource("generated.json")));
        @SuppressWarnings("unchecked") // every key of a JSON object is a string
        Map<String, ?> variables = (Map<String, ?>) Objects.requireNonNull(table.get("variables"));
        return ((List<?>) Objects.requireNonNull(table.get("cases"))).stream().map(element -> {
            Map<?, ?> fields = (Map<?, ?>) element;
            return Arguments.of(fields.get("template"), variables, fields.get("text"));
        });
    }

    /** @param text what jinja2 makes of the template; null where it refuses */
    @ParameterizedTest
    @MethodSource("generated")
    void rendersWhatIsGeneratedAsJinja2Does(String template, Map<String, ?> variables, @Nullable String text) {
        if (text != null) {
            assertThat(render(template, variables)).isEqualTo(text);
        } else {
            assertThatThrownBy(() -> render(template, variables)).isInstanceOf(TemplateException.class);
        }
    }

    // ---- What goes wrong
    // -----------------------------------------------------------------------------------------------

    @ParameterizedTest
    @CsvSource(
            delimiterString = " => ",
            quoteCharacter = '`',
            value = {
                "{% if %} => a value is wanted",
                "{% if true %} => '{% endif %}' is wanted, not the end",
                "{% for x in messages %}{% endif %} => '{% endfor %}' is wanted, not 'endif'",
                "{% for x messages %}{% endfor %} => 'in'",
                "{{ messages => no '}}'",
                "{{ 'open }} => no end",
                "{# open => no end",
                "{% raw %} => no end",
                "{{ 1 + }} => a value is wanted",
                "{{ (1 }} => no '}}'",
                "{{ (1 2) }} => ')'",
                "{{ [1, ] [ }} => no '}}'",
                "{{ {1 2} }} => ':'",
                "{{ a.'b' }} => a name or number is wanted",
                "{% endif %} => closes nothing",
                "{% break %} => outside of a loop",
                "{{ ? }} => '?'",
                "{{ }} => a value is wanted",
                "{% set %} => a name",
                "{{ a b }} => '}}'"
            })
    void templatesThatCannotBeReadAreRefused(String template, String reason) {
        assertRefused("one\ntwo " + template, Kind.INVALID, "line 2", reason.strip());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{% include 'x' %}", "{% extends 'x' %}", "{% import 'x' as y %}", "{% from 'x' import y %}",
                        "{% do 1 %}",
                "{% trans %}{% endtrans %}", "{{ 1|nothing }}", "{{ 1 is nothing }}", "{{ lipsum() }}",
                        "{{ 'a'.encode() }}",
                "{{ (-8) ** 0.5 }}"
            })
    void whatIsNotImplementedIsNamed(String template) {
        assertRefused(template, Kind.UNSUPPORTED, "line 1");
    }

    @ParameterizedTest
    @CsvSource(
            delimiterString = " => ",
            quoteCharacter = '`',
            value = {
                "{{ nobody.name }} => 'nobody' is undefined",
                "{{ messages[0].nothing.x }} => no attribute 'nothing'",
                "{{ nobody() }} => 'nobody' is undefined",
                "{{ messages() }} => 'list' object is not callable",
                "{{ 'a' + 1 }} => unsupported operand type(s) for +: 'str' and 'int'",
                "{{ 1 / 0 }} => division by zero",
                "{{ 1e999 | int }} => cannot convert float inf",
                "{{ 10 ** 400 / 1 }} => too large for a float",
                "{{ 10 ** 5000 }} => more than 4300 digits",
                "{{ messages[1:2].x[:1] }} => no attribute",
                "{{ bos_token % 1 }} => not all arguments",
                "{{ '%d' % 'a' }} => an int is wanted",
                "{{ '{}'.format() }} => out of range",
                "{{ messages | round(-19) }} => __round__",
                "{% set ns = namespace(_x=1) %} => underscore",
                "{{ 1 < 'a' }} => not supported between",
                "{{ 1 in 2 }} => 'int' object is not iterable",
                "{% for x in 5 %}{% endfor %} => 'int' object is not iterable",
                "{% for a, b in [1] %}{% endfor %} => is not iterable",
                "{% set a, b = [1] %} => not enough values to unpack",
                "{% set messages.x = 1 %} => on non-namespace object",
                "{{ {[]: 1} }} => unhashable type",
                "{{ 'a'.split('') }} => empty separator",
                "{{ nobody|tojson }} => Undefined is not JSON serializable",
                "{{ [1][::0] }} => step cannot be zero",
                "{% macro m(a) %}{% endmacro %}{{ m(1, 2) }} => not more than 1 argument",
                "{% macro m(a) %}{% endmacro %}{{ m(b=2) }} => no keyword argument 'b'"
            })
    void templatesThatFailSayWhere(String template, String reason) {
        assertRefused("\n\n" + template, Kind.INVALID, "line 3", reason.strip());
    }

    /** Nothing of Java can be reached. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "{{ messages.class }}", "{{ messages.getClass }}", "{{ 'a'.getBytes }}", "{{ messages['class'] }}",
                "{{ ''.__class__ }}", "{{ messages.append }}", "{{ range.__globals__ }}", "{{ messages[0].hashCode }}",
                "{{ nobody.__class__ }}", "{{ messages.append }}", "{{ messages[0].update }}", "{{ range.getClass }}"
            })
    void nothingOfJavaCanBeReached(String template) {
        assertThat(render(template)).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
                "{% for i in range(1000000000) %}{% endfor %}",
                "{% set ns = namespace(x='aaaaaaaaaaaaaaaa') %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
                "{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
                "{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}",
                "{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x|tojson }}",
                "{% set a = namespace(x=[1], y=[1]) %}{% for i in range(60) %}{% set a.x = [a.x, a.x] %}{% set a.y = [a.y, a.y] %}"
                        + "{% endfor %}{{ a.x == a.y }}",
                "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
                "{{ 'a' * 1000000000 }}",
                "{% for i in range(100000) %}{{ 'a' * 1000 }}{% endfor %}",
                "{% set x = 'a' * 10000000 %}{% for i in range(99) %}{{ x|list|length }}{% endfor %}",
                "{{ ('a' * 1000000).replace('a', 'b' * 1000000) }}",
                "{{ ['a' * 1000000]|map('replace', 'a', 'b' * 1000000)|list }}",
                "{{ (('a,' * 1000000).split(',')|join(',' * 100000))|length }}"
            })
    void templatesThatDoTooMuchAreStopped(String template) {
        assertTimeout(Duration.ofSeconds(60), () -> assertRefused(template, Kind.LIMIT, " "));
    }

    @Test
    void nestingIsBounded() {
        for (String part : List.of("(", "[", "{1:", "-", "not ", "a(", "a[", "a if b else ")) {
            assertThatThrownBy(() -> render("{{ " + part.repeat(100_000))).isInstanceOf(TemplateException.class);
        }
        assertThatThrownBy(() -> render("{% if a %}".repeat(50_000))).isInstanceOf(TemplateException.class);
        assertThatThrownBy(() -> render("{{ 1" + " + 1".repeat(200_000) + " }}"))
                .isInstanceOf(TemplateException.class);
        assertThatThrownBy(() -> render("x".repeat(2 << 20)))
                .isInstanceOfSatisfying(
                        TemplateException.class, e -> assertThat(e.kind()).isEqualTo(Kind.LIMIT));
        assertThatCode(() -> render("{{ " + "(".repeat(20) + "1" + ")".repeat(20) + " }}"))
                .doesNotThrowAnyException();
        assertThat(render("{{ 1" + " + 1".repeat(500) + " }}")).isEqualTo("501");
    }

    @Test
    void longConversationsAreNotTooMuch() throws IOException {
        String context = "A line of a long document.\n".repeat(200_000);
        List<Map<String, String>> messages = List.of(message("system", context), message("user", "So?"));
        for (String name : List.of("llama3.jinja", "qwen3.jinja", "gemma4.jinja", "mistral.jinja", "llama2.jinja")) {
            assertThat(render(resource(name), variables(messages, true))).contains(context.strip());
        }
    }
}
