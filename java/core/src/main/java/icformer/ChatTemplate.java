package icformer;

import icformer.template.Template;
import icformer.template.TemplateException;
import java.time.Clock;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The template of a model's file that makes a conversation into the text the model was trained on: the Jinja of
 * {@code tokenizer.chat_template}, rendered as the transformers library renders it.
 *
 * <p>What comes out is to be encoded with special tokens recognised and none added, as templates write their own:
 * {@code tokenizer.encode(text, false, true)}. A message that holds the text of a special token becomes that token then:
 * check messages of others first.
 *
 * <p>A template is not trusted: it has no access to Java or to files, and ends with an exception of status CAPACITY when it
 * computes or writes too much. A template that was read is immutable: any number of threads may apply it at once.
 */
public final class ChatTemplate {
    private static final String KEY = "tokenizer.chat_template";

    private final Template template;
    private final Map<String, String> specialTokens;
    private final Clock clock;

    private ChatTemplate(Template template, Map<String, String> specialTokens, Clock clock) {
        this.template = template;
        this.specialTokens = specialTokens;
        this.clock = clock;
    }

    /**
     * The template of a file, with the texts of its tokens of the beginning and the end.
     *
     * @throws IcfException of status UNSUPPORTED if the file has none, or if it uses something that is not implemented;
     *     FORMAT if it cannot be read; CAPACITY if it is too large
     */
    public static ChatTemplate of(Metadata metadata) {
        if (!isIn(metadata)) {
            throw new IcfException(Status.UNSUPPORTED, "the file has no chat template (" + KEY + ")");
        }
        Map<String, String> specialTokens = new HashMap<>();
        boolean hasTokens = metadata.contains("tokenizer.ggml.tokens");
        List<String> tokens = hasTokens ? metadata.texts("tokenizer.ggml.tokens") : List.of();
        for (String name : List.of("bos", "eos")) {
            long id = metadata.integer("tokenizer.ggml." + name + "_token_id", -1);
            specialTokens.put(name + "_token", id >= 0 && id < tokens.size() ? tokens.get((int) id) : "");
        }
        return read(metadata.text(KEY), specialTokens, Clock.systemDefaultZone());
    }

    /** Whether a file has a template. */
    public static boolean isIn(Metadata metadata) {
        return metadata.contains(KEY);
    }

    /** A template that is given, without texts of special tokens; see {@link #of(Metadata)} for exceptions. */
    public static ChatTemplate of(String template) {
        return read(template, Map.of("bos_token", "", "eos_token", ""), Clock.systemDefaultZone());
    }

    private static ChatTemplate read(String template, Map<String, String> specialTokens, Clock clock) {
        try {
            return new ChatTemplate(Template.of(template), specialTokens, clock);
        } catch (TemplateException e) {
            throw failed(e);
        }
    }

    private static IcfException failed(TemplateException e) {
        boolean refuses = e.kind() == TemplateException.Kind.REFUSED;
        Status status = switch (e.kind()) {
            case INVALID -> Status.FORMAT;
            case UNSUPPORTED -> Status.UNSUPPORTED;
            case REFUSED -> Status.ARGUMENT;
            case LIMIT -> Status.CAPACITY;
        };
        return new IcfException(
                status, "the chat template " + (refuses ? "refuses the messages: " : "cannot be used: ") + e.getMessage());
    }

    /** The same template with other texts for the tokens of the beginning and the end of a sequence. */
    public ChatTemplate withSpecialTokens(String bos, String eos) {
        return new ChatTemplate(template, Map.of("bos_token", bos, "eos_token", eos), clock);
    }

    /** The same template at another time: some tell the model what day it is. */
    public ChatTemplate withClock(Clock other) {
        return new ChatTemplate(template, specialTokens, other);
    }

    /**
     * The text of a conversation.
     *
     * @param addGenerationPrompt whether to end with the beginning of the model's answer
     * @throws IcfException of status ARGUMENT if the template refuses the messages, in its own words; FORMAT if it fails;
     *     CAPACITY if it computes or writes too much
     */
    public String apply(List<ChatMessage> messages, boolean addGenerationPrompt) {
        List<Map<String, String>> turns = new ArrayList<>();
        messages.forEach(message -> turns.add(Map.of("role", message.role(), "content", message.content())));
        return apply(Map.of("messages", turns, "add_generation_prompt", addGenerationPrompt));
    }

    /**
     * What the template makes of its variables: {@code messages} (a list of maps), {@code add_generation_prompt}, and those of
     * its model, such as {@code tools} or {@code enable_thinking}.
     *
     * @param variables JSON-like: texts, booleans, integers, numbers, lists, maps with texts as keys, null
     */
    public String apply(Map<String, ? extends @Nullable Object> variables) {
        Map<String, @Nullable Object> all = new HashMap<>(specialTokens);
        all.putAll(variables);
        try {
            return template.render(all, clock);
        } catch (TemplateException e) {
            throw failed(e);
        }
    }
}
