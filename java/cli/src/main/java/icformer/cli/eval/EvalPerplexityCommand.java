package icformer.cli.eval;

import icformer.Model;
import icformer.SessionOptions;
import icformer.cli.command.AdapterArguments;
import icformer.cli.command.IcfCommand;
import icformer.cli.command.ModelArguments;
import icformer.cli.console.Progress;
import icformer.cli.console.Streams;
import icformer.eval.Perplexity;
import icformer.eval.TextWindows;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.Map;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Measures how well an LLM predicts a text. */
@Command(
        name = "perplexity",
        description =
                "Measure how well an LLM predicts a text, as llama-perplexity does: perplexity and its standard error.")
public final class EvalPerplexityCommand extends IcfCommand {
    @Mixin
    private TextArguments text = new TextArguments();

    @Mixin
    private ModelArguments modelArguments = new ModelArguments();

    @Mixin
    private AdapterArguments adapterArguments = new AdapterArguments();

    @Option(names = "--json", description = JSON)
    private boolean json;

    public EvalPerplexityCommand(Streams streams) {
        super(streams);
    }

    @Override
    protected void run() throws IOException {
        try (Model model = modelArguments.open();
                AdapterArguments.Opened adapters = adapterArguments.open(model);
                Progress progress = new Progress(streams(), "perplexity", "", 1)) {
            TextWindows windows = text.windows(model);
            int[] tokens = text.tokens(model, streams());
            SessionOptions options = text.session(modelArguments.threads()).withAdapters(adapters.scaled());
            Perplexity result = Perplexity.of(model, tokens, windows, options, progress::update);
            if (json) {
                Map<String, Object> object = new LinkedHashMap<>(describe(result));
                object.put("context", windows.context());
                object.put("stride", windows.stride());
                object.put("model", model.info().name());
                object.put("model_type", model.info().type());
                streams().json(object);
            } else {
                streams()
                        .println(text(result)
                                + " over %d tokens in %d windows of %d"
                                        .formatted(result.tokens(), result.windows(), windows.context()));
            }
        }
    }

    static String text(Perplexity result) {
        return "perplexity %.4f +/- %.5f".formatted(result.perplexity(), result.error());
    }

    static Map<String, Object> describe(Perplexity result) {
        Map<String, Object> object = new LinkedHashMap<>();
        object.put("perplexity", result.perplexity());
        object.put("error", result.error());
        object.put("tokens", result.tokens());
        object.put("windows", result.windows());
        return object;
    }
}
