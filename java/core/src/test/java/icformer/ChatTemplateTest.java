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
    void vocabulariesHaveDefaultTokens() {
        Map<String, Object> keys = Map.of(
                "tokenizer.chat_template", "{{ bos_token }}|{{ eos_token }}",
                "tokenizer.ggml.model", "llama",
                "tokenizer.ggml.tokens", List.of("<unk>", "<s>", "</s>"));

        assertThat(ChatTemplate.of(Metadata.of(keys)).apply(Map.of("messages", List.of()))).isEqualTo("<s>|</s>");
    }

    @Test
    void messagesAreInTheOrderOfTransformers() {
        assertThat(ChatTemplate.of("{{ messages | tojson }}").apply(MESSAGES, true))
                .isEqualTo("[{\"role\": \"user\", \"content\": \"Hi\"}]");
        assertThat(ChatTemplate.of("{{ tools is defined }}{{ tools }}{{ messages[0].content }}").apply(MESSAGES, true))
                .isEqualTo("TrueNoneHi");
    }

    @ParameterizedTest
    @CsvSource(delimiterString = " => ", quoteCharacter = '`', value = {
        "{{ part.text }} => Hi", "{{ part['text'] | upper }} => HI", "{% if part.type == 'text' %}{{ part.text | trim }}{% endif %} => Hi"
    })
    void contentIsInPartsWhereTemplatesWantThose(String part, String text) {
        ChatTemplate template = ChatTemplate.of(
                "{% for m in messages %}{% for part in m.content %}" + part + "{% endfor %}{% endfor %}");

        assertThat(template.apply(MESSAGES, true)).isEqualTo(text);
    }

    @Test
    void whatATemplateLeavesOutIsTold() {
        ChatTemplate template =
                ChatTemplate.of("{% for m in messages %}{% if m.role == 'user' %}{{ m.content | tojson }}{% endif %}{% endfor %}");
        List<ChatMessage> messages = List.of(ChatMessage.system("Be brief."), ChatMessage.user("\"Hi\""));

        assertThat(template.apply(messages.subList(1, 2), true)).isEqualTo("\"\\\"Hi\\\"\"");
        assertThatThrownBy(() -> template.apply(messages, true))
                .isInstanceOfSatisfying(IcfException.class, e -> assertThat(e.status()).isEqualTo(Status.UNSUPPORTED))
                .hasMessageContaining("leaves out")
                .hasMessageContaining("message 1")
                .hasMessageContaining("system");
    }

    /** Templates drop what models thought in earlier turns, on purpose. */
    @Test
    void whatIsCutFromAMessageIsNotLost() {
        ChatTemplate template =
                ChatTemplate.of("{% for m in messages %}[{{ m.content.split('</think>')[-1] | trim }}]{% endfor %}");
        List<ChatMessage> messages = List.of(ChatMessage.user("Hi"), ChatMessage.assistant("<think>hm</think> Yes"));

        assertThat(template.apply(messages, true)).isEqualTo("[Hi][Yes]");
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
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }} => CAPACITY => cannot be used",
        "{{ messages | as_schema }} => UNSUPPORTED => No filter named 'as_schema'"
    })
    void failuresHaveAStatus(String template, Status status, String reason) {
        assertThatThrownBy(() -> ChatTemplate.of(template).apply(MESSAGES, true))
                .isInstanceOfSatisfying(IcfException.class, e -> assertThat(e.status()).isEqualTo(status))
                .hasMessageContaining(reason);
    }
}
