package icformer.cli;

import icformer.Model;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.Map;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Continues a prompt. */
@Command(
        name = "generate",
        description = "Continue a prompt by plain decoding. Special tokens in the prompt are recognised.")
final class GenerateCommand extends IcfCommand {
    @Option(names = "--prompt", paramLabel = "TEXT", required = true, description = "The prompt; - reads standard input.")
    private String prompt = "";

    @Option(names = "--json", description = JSON)
    private boolean json;

    @Mixin
    private ModelArguments modelArguments = new ModelArguments();

    @Mixin
    private SessionArguments sessionArguments = new SessionArguments();

    @Mixin
    private SamplingArguments samplingArguments = new SamplingArguments();

    GenerateCommand(Streams streams) {
        super(streams);
    }

    @Override
    void run() throws IOException {
        String text = TextSource.textOrInput(prompt, streams());
        try (Model model = modelArguments.open()) {
            int[] tokens = model.tokenizer().encode(text, true, true);
            if (tokens.length == 0) {
                throw new CommandException("the prompt is empty");
            }
            SessionArguments.Room room = sessionArguments.open(
                    model,
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

    private static Map<String, Object> describe(Model model, int promptTokens, Generation generation) {
        Map<String, Object> object = new LinkedHashMap<>();
        object.put("text", generation.text());
        object.put("prompt_tokens", promptTokens);
        generation.describe(object);
        object.put("device", ModelArguments.deviceName(model.info().device()));
        object.put("model", model.info().name());
        object.put("model_type", model.info().type());
        return object;
    }
}
