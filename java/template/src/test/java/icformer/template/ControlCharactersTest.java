package icformer.template;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import icformer.template.TemplateException.Kind;
import java.time.Clock;
import java.util.Map;
import org.junit.jupiter.api.Test;

class ControlCharactersTest {
    @Test
    void whatActsOnATerminalIsEscaped() {
        assertThat(ControlCharacters.escape("a\u001b[31mb\u001b]0;t\u0007\n\r\t\u0000\u007f\u009b"))
                .isEqualTo("a\\u001b[31mb\\u001b]0;t\\u0007\\u000a\\u000d\\u0009\\u0000\\u007f\\u009b");
        assertThat(ControlCharacters.escape("\u202e\u2066\u200f\u2028\u00ad\ufeff\ud800\udb40\udc41"))
                .isEqualTo("\\u202e\\u2066\\u200f\\u2028\\u00ad\\ufeff\\ud800\\udb40\\udc41");
    }

    @Test
    void textStaysAsItIs() {
        String text = "Grüße, 世界 عربي 😀 👩\u200d👧 \\u001b";

        assertThat(ControlCharacters.escape(text)).isEqualTo(text);
    }

    @Test
    void messagesOfTemplatesAreSafe() {
        Template template = Template.of("{{ raise_exception('no \\x1b[2J\\u202e\\n') }}");

        assertThatThrownBy(() -> template.render(Map.of(), Clock.systemUTC()))
                .isInstanceOfSatisfying(TemplateException.class, e -> assertThat(e.kind()).isEqualTo(Kind.REFUSED))
                .hasMessage("no \\u001b[2J\\u202e\\u000a");
        assertThatThrownBy(() -> Template.of("{{ 'a' '\u009b' \u001b }}")).hasMessageNotContaining("\u001b");
        assertThatThrownBy(() -> Template.of("{% \u202eabc %}")).hasMessageNotContaining("\u202e");
    }
}
