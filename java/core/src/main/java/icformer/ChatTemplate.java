package icformer;

import icformer.template.ControlCharacters;
import icformer.template.Template;
import icformer.template.TemplateException;
import java.time.Clock;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
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
    private static final List<String> SPECIAL = List.of("bos", "eos");

    /** The ids of the beginning and the end in vocabularies that do not name them, as the tokenizers have it. */
    private static final Map<String, int[]> DEFAULT_IDS = Map.of("llama", new int[] {1, 2});

    /** Begins what stands in for a message, to see whether a template writes it: digits are changed by none. */
    private static final String STAND_IN = "708352916407";

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
        int[] defaults = DEFAULT_IDS.getOrDefault(metadata.text("tokenizer.ggml.model", ""), new int[] {-1, -1});
        for (int i = 0; i < SPECIAL.size(); i++) {
            long id = metadata.integer("tokenizer.ggml." + SPECIAL.get(i) + "_token_id", defaults[i]);
            specialTokens.put(SPECIAL.get(i) + "_token", id >= 0 && id < tokens.size() ? tokens.get((int) id) : "");
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
     * The text of a conversation. A template that finds nothing of a message where its content is a text is given the content
     * as a list of parts, as those of models that see images want it.
     *
     * @param addGenerationPrompt whether to end with the beginning of the model's answer
     * @throws IcfException of status ARGUMENT if the template refuses the messages, in its own words; UNSUPPORTED if it leaves
     *     one of them out, as some do with what the system says; FORMAT if it fails; CAPACITY if it computes or writes too much
     */
    public String apply(List<ChatMessage> messages, boolean addGenerationPrompt) {
        String text = render(messages, false, addGenerationPrompt);
        List<Integer> lost = lost(messages, text, false, addGenerationPrompt);
        if (lost.isEmpty()) {
            return text;
        }
        try {
            String ofParts = render(messages, true, addGenerationPrompt);
            if (lost(messages, ofParts, true, addGenerationPrompt).isEmpty()) {
                return ofParts;
            }
        } catch (IcfException e) {
            // the template wants texts: what it does with them is told below
        }
        int index = lost.getFirst();
        throw new IcfException(
                Status.UNSUPPORTED,
                "the chat template leaves out the text of message " + (index + 1) + ", of the role "
                        + ControlCharacters.escape(messages.get(index).role()));
    }

    private String render(List<ChatMessage> messages, boolean parts, boolean addGenerationPrompt) {
        List<Map<String, Object>> turns = new ArrayList<>();
        for (ChatMessage message : messages) {
            Map<String, Object> turn = new LinkedHashMap<>(); // templates print messages: in the order that transformers has
            turn.put("role", message.role());
            turn.put("content", parts ? List.of(part(message.content())) : message.content());
            turns.add(turn);
        }
        return apply(Map.of("messages", turns, "add_generation_prompt", addGenerationPrompt));
    }

    private static Map<String, Object> part(String text) {
        Map<String, Object> part = new LinkedHashMap<>();
        part.put("type", "text");
        part.put("text", text);
        return part;
    }

    /** Messages of which nothing is in the text: not as they are, nor would anything else be in their place. */
    private List<Integer> lost(List<ChatMessage> messages, String text, boolean parts, boolean addGenerationPrompt) {
        List<Integer> missing = new ArrayList<>();
        List<ChatMessage> replaced = new ArrayList<>(messages);
        for (int i = 0; i < messages.size(); i++) {
            String content = messages.get(i).content().strip();
            if (!content.isEmpty() && !text.contains(content)) {
                missing.add(i);
                replaced.set(i, new ChatMessage(messages.get(i).role(), STAND_IN + i));
            }
        }
        if (missing.isEmpty()) {
            return missing;
        }
        String probe;
        try {
            probe = render(replaced, parts, addGenerationPrompt);
        } catch (IcfException e) {
            return missing;
        }
        missing.removeIf(i -> probe.contains(STAND_IN + i));
        return missing;
    }

    /**
     * What the template makes of its variables: {@code messages} (a list of maps), {@code add_generation_prompt}, and those of
     * its model, such as {@code tools} or {@code enable_thinking}; {@code tools} and {@code documents} are None where they are not
     * given. Maps are seen in their own order, and nothing is checked for what the template leaves out.
     *
     * @param variables JSON-like: texts, booleans, integers, numbers, lists, maps with texts as keys, null
     */
    public String apply(Map<String, ? extends @Nullable Object> variables) {
        Map<String, @Nullable Object> all = new HashMap<>(specialTokens);
        all.put("tools", null);
        all.put("documents", null);
        all.putAll(variables);
        try {
            return template.render(all, clock);
        } catch (TemplateException e) {
            throw failed(e);
        }
    }
}
