package icformer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A model's template; what templates may say is the matter of the module icformer.template. */
class ChatTemplateTest {
    private static final List<ChatMessage> MESSAGES = List.of(ChatMessage.user("Hi"));
    private static final Clock CLOCK = Clock.fixed(Instant.parse("2024-07-06T13:05:09Z"), ZoneOffset.UTC);
    private static final String CHATML = "{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' + message.content"
            + " + '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

    @Test
    void conversationsBecomeText() {
        ChatTemplate template = ChatTemplate.of(CHATML);
        List<ChatMessage> messages =
                List.of(ChatMessage.system("Be brief."), ChatMessage.user("Hi"), ChatMessage.assistant("Hello"));

        assertThat(template.apply(messages, false))
                .isEqualTo("<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
                        + "<|im_start|>assistant\nHello<|im_end|>\n");
        assertThat(template.apply(MESSAGES, true)).endsWith("<|im_end|>\n<|im_start|>assistant\n");
    }

    @Test
    void filesHaveATemplateAndSpecialTokens() {
        Map<String, Object> keys = Map.of(
                "tokenizer.chat_template", "{{ bos_token }}{{ messages[0].content }}{{ eos_token }}",
                "tokenizer.ggml.tokens", List.of("<unk>", "<s>", "</s>"),
                "tokenizer.ggml.bos_token_id", 1,
                "tokenizer.ggml.eos_token_id", 2);

        assertThat(ChatTemplate.isIn(Metadata.of(keys))).isTrue();
        assertThat(ChatTemplate.of(Metadata.of(keys)).apply(MESSAGES, true)).isEqualTo("<s>Hi</s>");
        assertThat(ChatTemplate.isIn(Metadata.of(Map.of()))).isFalse();
        assertThatThrownBy(() -> ChatTemplate.of(Metadata.of(Map.of())))
                .isInstanceOfSatisfying(IcfException.class, e -> assertThat(e.status()).isEqualTo(Status.UNSUPPORTED))
                .hasMessageContaining("tokenizer.chat_template");
    }

    @Test
    void dayIsThatOfTheClock() {
        ChatTemplate template = ChatTemplate.of("{{ strftime_now('%d %b %Y, %A %B %-d, %H:%M:%S %j %y %p %I %%') }}");

        assertThat(template.withClock(CLOCK).apply(Map.of("messages", List.of())))
                .isEqualTo("06 Jul 2024, Saturday July 6, 13:05:09 188 24 PM 01 %");
    }

    @ParameterizedTest
    @CsvSource(delimiterString = " => ", quoteCharacter = '`', value = {
        "{{ 1 + }} => FORMAT => cannot be used",
        "{{ 1 / 0 }} => FORMAT => cannot be used",
        "{{ raise_exception('no') }} => ARGUMENT => refuses the messages: no",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }} => CAPACITY => cannot be used"
    })
    void failuresHaveAStatus(String template, Status status, String reason) {
        assertThatThrownBy(() -> ChatTemplate.of(template).apply(MESSAGES, true))
                .isInstanceOfSatisfying(IcfException.class, e -> assertThat(e.status()).isEqualTo(status))
                .hasMessageContaining(reason);
    }
}
