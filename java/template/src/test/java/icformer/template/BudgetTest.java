package icformer.template;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertTimeout;

import icformer.template.TemplateException.Kind;
import java.time.Clock;
import java.time.Duration;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What templates cost, in steps: every operation takes more of them the more it reads or makes. */
class BudgetTest {
    private static final int LENGTH = 64_000;

    /** The steps of a rendering with a text {@code t}, another {@code u} that is equal to it, and a list {@code l}. */
    private static long steps(String template, int length) {
        String text = "ab c".repeat(length / 4);
        Map<String, Object> variables =
                Map.of("t", text, "u", new String(text), "l", Collections.nCopies(length, "x"), "d", Map.of("a", text));
        Budget budget = new Budget(Limits.standard());
        Template.of(template).render(variables, Clock.systemUTC(), budget);
        return budget.taken();
    }

    @ParameterizedTest
    @ValueSource(strings = {
        "t|upper", "t|lower", "t|title", "t|capitalize", "t.casefold()", "t.swapcase()", "'q' in t", "t.find('q')",
        "t.rfind('q')", "t.index('c')*0 + t.count('q')", "t.startswith(u)", "t.endswith(u)", "t == u", "t < u", "t[1:]", "t[::2]",
        "t[::-1]", "t[9]", "t[-1]", "t|length", "t|last", "t.split('b')|length", "t.split()|length", "t.rsplit()|length",
        "t.rsplit('b')|length", "t.splitlines()|length", "t.partition('q')|length", "t.replace('q', '')", "t|replace('a', 'b')",
        "t.strip()", "t.lstrip('x')", "t|trim", "t ~ 'a'", "t + 'a'", "t * 2", "'a' * t|length", "t|tojson|length", "[t]|string",
        "t|e", "t|striptags", "t|urlencode", "t|urlize", "t|wordcount", "t|wordwrap(9)", "t|center(99)", "t|indent", "t|truncate(9)",
        "t|int", "t|float", "t|list|length", "t|reverse", "t|safe|e|length * 0 + t|forceescape|length", "t.isalpha()",
        "t.islower()", "t.isspace() or t.isprintable()", "t.zfill(9)", "t.expandtabs()", "t.translate({})", "t.removeprefix('ab')",
        "t.format()", "'{}'.format(t)", "'%s' % t", "t % ()", "t|format", "{t: 1, (t, u): 2}|length", "t|pprint|length",
        "l|length * 0 + l|join|length", "l|sort|length", "l|list|length", "l + l", "l * 2", "l[1:]|length", "l[::-1]|length",
        "'q' in l", "l == l|list", "l < l|list", "l.index('q') if 0 else l.count('q')", "l|map('upper')|list|length",
        "l|select|list|length", "l|unique|list|length", "l|max", "l|min", "l|reverse|list|length", "l|groupby(0)|length",
        "l|batch(2)|list|length", "l|slice(2)|list|length", "l|tojson|length", "l|string|length", "l|sum(start=[]) if 0 else l|first",
        "l|pprint|length", "t.join(['a', 'b'])|length", "namespace(x=t).x|upper", "d.a|upper", "d|tojson|length", "d|string|length",
        "strftime_now(t)", "dict(a=t).a|upper"
    })
    void costGrowsWithLength(String expression) {
        String template = expression.contains("l|first")
                ? "{% for x in l %}{% endfor %}"
                : "{% set x = " + expression + " %}";
        long few = steps(template, LENGTH);
        long many = steps(template, 4 * LENGTH);

        assertThat(few).as("steps for %d characters", LENGTH).isGreaterThanOrEqualTo(LENGTH / 16);
        assertThat(many).as("steps for four times as many").isGreaterThanOrEqualTo(few * 3);
        assertThat(many).as("steps for four times as many").isLessThanOrEqualTo(few * 6);
    }

    /** Quadratic work on a text of a user's own ends. */
    @ParameterizedTest
    @ValueSource(strings = {
        "{% for i in range(100000) %}{% set x = t|upper %}{% endfor %}",
        "{% for i in range(100000) %}{% set x = 'q' in t %}{% endfor %}",
        "{% for i in range(100000) %}{% set x = t[1:] %}{% endfor %}",
        "{% for a in t.split(' ') %}{% for b in t.split(' ') %}{% endfor %}{% endfor %}",
        "{% for i in range(100000) %}{% set x = l|sort %}{% endfor %}",
        "{{ [1] * 9999999999 }}", "{{ 'a' * 9999999999 }}", "{{ 9 ** (9 ** 9) }}", "{{ 9 ** 999999999 }}",
        "{% set ns = namespace(x=7) %}{% for i in range(99) %}{% set ns.x = ns.x * ns.x %}{% endfor %}",
        "{{ '%.999999999f' % 1 }}", "{{ '{:999999999}'.format(1) }}", "{{ '%*d' % (99999999999, 1) }}",
        "{{ t|center(99999999999) }}", "{{ l|batch(99999999999, 1)|list }}", "{{ l|slice(99999999999)|list }}",
        "{{ l|tojson(indent=99999999) }}", "{{ t.translate({97: t}) }}", "{{ t|replace('', t) }}", "{{ ('a' * 9000000) ~ ('a' * 9000000) }}",
        "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}", "{% block a %}{{ self.a() }}{% endblock %}",
        "{% set ns = namespace(x=l) %}{% for i in range(100000) %}{% set ns.x = ns.x|select %}{% endfor %}{{ ns.x|list }}",
        "{% set ns = namespace(x=[1]) %}{% for i in range(5000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}",
        "{% for i in range(100000) %}{{ t }}{% endfor %}"
    })
    void whatDoesNotEndIsStopped(String template) {
        Map<String, Object> variables = Map.of("t", "a b ".repeat(20_000), "l", Collections.nCopies(1000, "x"));

        assertTimeout(Duration.ofSeconds(60), () -> assertThatThrownBy(
                        () -> Template.of(template).render(variables, Clock.systemUTC()))
                .isInstanceOfSatisfying(TemplateException.class, e -> assertThat(e.kind()).isEqualTo(Kind.LIMIT)));
    }

    @ParameterizedTest
    @ValueSource(strings = {
        "[] * 9999999999 => []", "'' * 9999999999 => ", "5 | round(-19) => 0", "12345678901234567890|round(-19) => 10000000000000000000",
        "5.5|round(-400) => 0.0", "'abc'[::9999999999999999999999] => a", "'abc'[::-9999999999999999999999] => c",
        "'abc'[9223372036854775807:-9223372036854775808:-9223372036854775808] => c", "[1, 2][5:99999999999999999999] => []"
    })
    void largeNumbersAreOnlyNumbers(String example) {
        String[] parts = example.split(" =>", 2);

        assertThat(Template.of("{{ " + parts[0] + " }}").render(Map.of(), Clock.systemUTC())).isEqualTo(parts[1].strip());
    }

    @Test
    void limitsAreTheCallers() {
        Template template = Template.of("{% for i in range(1000) %}{{ i }}{% endfor %}");

        assertThat(template.render(Map.of(), Clock.systemUTC())).hasSize(2890);
        for (Limits small : List.of(new Limits(500, 1 << 20, 5000), new Limits(50_000, 5000, 5000), new Limits(50_000, 1 << 20, 2000))) {
            assertThatThrownBy(() -> template.render(Map.of(), Clock.systemUTC(), small))
                    .isInstanceOfSatisfying(TemplateException.class, e -> assertThat(e.kind()).isEqualTo(Kind.LIMIT));
        }
    }

    /** Twice as much to read takes about twice as long: by a wide margin less than squares. */
    @ParameterizedTest
    @ValueSource(strings = {"{% set x = 1 %}", "{{ a }}", "   {% set x = 1 %}", "{# c #}", "{% raw %}x{% endraw %}", "{{ a|e }}  "})
    void readingIsLinear(String part) {
        assertTimeout(Duration.ofSeconds(20), () -> Template.of(part.repeat(1_000_000 / part.length())));
    }

    @ParameterizedTest
    @ValueSource(strings = {"{% if a %}", "{% for x in y %}", "{% macro m() %}", "{{ (", "{{ [", "{{ -", "{{ not ", "{% raw %}", "{{ a|", "{{ a.", "{%", "{#", "{{ '"})
    void whatIsNeverClosedIsRefused(String part) {
        assertTimeout(Duration.ofSeconds(20), () -> assertThatThrownBy(() -> Template.of(part.repeat(900_000 / part.length())))
                .isInstanceOf(TemplateException.class));
    }
}
