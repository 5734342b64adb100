package icformer.cli.answer;

import icformer.ChatMessage;
import icformer.ChatTemplate;
import icformer.Model;
import icformer.cli.command.AdapterArguments;
import icformer.cli.command.DeviceArguments;
import icformer.cli.command.IcfCommand;
import icformer.cli.command.ModelArguments;
import icformer.cli.command.SamplingArguments;
import icformer.cli.command.SessionArguments;
import icformer.cli.console.CommandException;
import icformer.cli.console.Streams;
import icformer.cli.console.TextSource;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Continues a prompt. */
@Command(
        name = "generate",
        description = "Continue a prompt by plain decoding. Special tokens in the prompt are recognised.")
public final class GenerateCommand extends IcfCommand {
    @Option(
            names = "--prompt",
            paramLabel = "TEXT",
            required = true,
            description = "The prompt; - reads standard input.")
    private String prompt = "";

    @Option(
            names = "--chat",
            description =
                    "Take the prompt as a user's message, and write the conversation as the model's template does.")
    private boolean chat;

    @Option(names = "--system", paramLabel = "TEXT", description = "With --chat: what the model is told before.")
    private @Nullable String system;

    @Option(names = "--json", description = JSON)
    private boolean json;

    @Mixin
    private ModelArguments modelArguments = new ModelArguments();

    @Mixin
    private AdapterArguments adapterArguments = new AdapterArguments();

    @Mixin
    private SessionArguments sessionArguments = new SessionArguments();

    @Mixin
    private SamplingArguments samplingArguments = new SamplingArguments();

    public GenerateCommand(Streams streams) {
        super(streams);
    }

    @Override
    protected void run() throws IOException {
        if (system != null && !chat) {
            throw usage("--system goes with --chat");
        }
        String text = TextSource.textOrInput(prompt, streams());
        try (Model model = modelArguments.open();
                AdapterArguments.Opened adapters = adapterArguments.open(model)) {
            int[] tokens = chat
                    ? model.tokenizer().encode(conversation(model, text), false, true)
                    : model.tokenizer().encode(text, true, true);
            if (tokens.length == 0) {
                throw new CommandException("the prompt is empty");
            }
            SessionArguments.Room room = sessionArguments.open(
                    model,
                    adapters.scaled(),
                    modelArguments.threads(),
                    tokens.length,
                    samplingArguments.maxTokens(),
                    samplingArguments.maxTokensAreGiven());
            try (var session = room.session()) {
                long start = System.nanoTime();
                session.append(tokens);
                Generation generation =
                        Generation.run(session, samplingArguments.sampling(), room.tokens(), start, streams(), !json);
                if (json) {
                    streams().json(describe(model, tokens.length, generation));
                }
            }
        }
    }

    private String conversation(Model model, String text) {
        List<ChatMessage> messages = new ArrayList<>();
        if (system != null) {
            messages.add(ChatMessage.system(system));
        }
        messages.add(ChatMessage.user(text));
        return ChatTemplate.of(model.metadata()).apply(messages, true);
    }

    private static Map<String, Object> describe(Model model, int promptTokens, Generation generation) {
        Map<String, Object> object = new LinkedHashMap<>();
        object.put("text", generation.text());
        object.put("prompt_tokens", promptTokens);
        generation.describe(object);
        DeviceArguments.describe(model.info(), object);
        object.put("model", model.info().name());
        object.put("model_type", model.info().type());
        return object;
    }
}
