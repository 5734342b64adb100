package icformer.cli.answer;

import icformer.Adapter;
import icformer.ContextPrompt;
import icformer.Digest;
import icformer.DigestOptions;
import icformer.Digester;
import icformer.Former;
import icformer.Model;
import icformer.Prompt;
import icformer.Session;
import icformer.cli.command.AdapterArguments;
import icformer.cli.command.ContextArguments;
import icformer.cli.command.DeviceArguments;
import icformer.cli.command.FormerArguments;
import icformer.cli.command.IcfCommand;
import icformer.cli.command.ModelArguments;
import icformer.cli.command.RatioArguments;
import icformer.cli.command.SamplingArguments;
import icformer.cli.command.SessionArguments;
import icformer.cli.console.CommandException;
import icformer.cli.console.Progress;
import icformer.cli.console.Streams;
import icformer.cli.console.TextSource;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Compresses a context and answers a question from the digest. */
@Command(
        name = "ask",
        description = "Compress a context and answer a question from its digest.",
        footer = {
            "%nExamples:",
            "  icf ask --context report.txt --question \"Who wrote it?\"",
            "  icf compress --context report.txt -o report.digest",
            "  icf ask --digest report.digest --question \"Who wrote it?\""
        })
public final class AskCommand extends IcfCommand {
    /** Fewer chunks are digested before anybody wonders. */
    private static final int CHUNKS_WORTH_PROGRESS = 8;

    /** Where the digest comes from. */
    private static final class Source {
        @Option(
                names = "--context",
                paramLabel = "FILE",
                required = true,
                description = "Text to answer from; - reads standard input.")
        private @Nullable String context;

        @Option(
                names = "--digest",
                paramLabel = "FILE",
                required = true,
                description = "Digest to answer from, made by icf compress.")
        private @Nullable Path digest;
    }

    /** The prompt of a former, and measures of the way to it. */
    private record Prepared(
            Former former, Prompt prompt, long contextTokens, long digestRows, long compressNanos, long start) {}

    @ArgGroup(multiplicity = "1")
    private Source source = new Source();

    @Option(
            names = "--question",
            paramLabel = "TEXT",
            required = true,
            description = "The question; - reads standard input.")
    private String question = "";

    @Option(
            names = "--full",
            description = "Answer from the uncompressed context, for comparison; the former's reader is on here, too.")
    private boolean full;

    @Option(names = "--json", description = JSON)
    private boolean json;

    @Mixin
    private RatioArguments ratio = new RatioArguments();

    @Mixin
    private ContextArguments contextArguments = new ContextArguments();

    @Mixin
    private ModelArguments modelArguments = new ModelArguments();

    @Mixin
    private AdapterArguments adapterArguments = new AdapterArguments();

    @Mixin
    private FormerArguments formerArguments = new FormerArguments();

    @Mixin
    private SessionArguments sessionArguments = new SessionArguments();

    @Mixin
    private SamplingArguments samplingArguments = new SamplingArguments();

    public AskCommand(Streams streams) {
        super(streams);
    }

    @Override
    protected void run() throws IOException {
        if (source.digest != null && full) {
            throw usage("--full needs the context itself: give --context, not --digest");
        }
        if (ratio.isGiven() && (full || source.digest != null)) {
            throw usage("--ratio says how a context is compressed: it goes with --context, without --full");
        }
        if ("-".equals(source.context) && question.equals("-")) {
            throw usage("--context and --question cannot both be read from standard input");
        }
        String text = source.context == null ? "" : contextArguments.read(source.context, streams());
        String asked = TextSource.textOrInput(question, streams()).strip();
        if (asked.isEmpty()) {
            throw new CommandException("the question is empty");
        }
        try (Model model = modelArguments.open();
                AdapterArguments.Opened adapters = adapterArguments.open(model)) {
            answer(model, adapters.scaled(), prepare(model, text, asked));
        }
    }

    private Prepared prepare(Model model, String text, String asked) throws IOException {
        if (source.digest != null) {
            return prepareDigest(model, source.digest, asked);
        }
        return full ? prepareContext(model, text, asked) : compress(model, text, asked);
    }

    /** Nothing is computed with the former: it is not opened. */
    private Prepared prepareDigest(Model model, Path file, String asked) throws IOException {
        Former former = formerArguments.former(model);
        Digest digest = Digest.load(file);
        checkFormer(digest, former);
        Prompt prompt = ContextPrompt.of(former, model).with(digest, asked);
        return new Prepared(former, prompt, digest.chunks().getLast().end(), digest.rowCount(), 0, System.nanoTime());
    }

    private Prepared prepareContext(Model model, String text, String asked) throws IOException {
        Former former = formerArguments.former(model);
        ContextPrompt prompt = ContextPrompt.of(former, model);
        int[] tokens = prompt.encodeContext(text);
        long start = System.nanoTime();
        return new Prepared(former, prompt.with(tokens, asked).readBy(former), tokens.length, 0, 0, start);
    }

    private Prepared compress(Model model, String text, String asked) throws IOException {
        try (Digester digester = formerArguments.open(model, modelArguments.digesterOptions())) {
            Former former = digester.former();
            ContextPrompt prompt = ContextPrompt.of(former, model);
            int[] tokens = prompt.encodeContext(text);
            long start = System.nanoTime();
            Digest digest = digest(digester, tokens);
            long compressed = System.nanoTime() - start;
            return new Prepared(
                    former, prompt.with(digest, asked), tokens.length, digest.rowCount(), compressed, start);
        }
    }

    private void answer(Model model, List<Adapter.Scaled> adapters, Prepared prepared) {
        SessionArguments.Room room = open(model, adapters, prepared.prompt().length());
        try (Session session = room.session()) {
            session.append(prepared.prompt());
            Generation generation = Generation.run(
                    session, samplingArguments.sampling(), room.tokens(), prepared.start(), streams(), !json);
            if (json) {
                streams().json(describe(session, prepared, generation));
            }
        }
    }

    private SessionArguments.Room open(Model model, List<Adapter.Scaled> adapters, long length) {
        return sessionArguments.open(
                model,
                adapters,
                modelArguments.threads(),
                length,
                samplingArguments.maxTokens(),
                samplingArguments.maxTokensAreGiven());
    }

    private Digest digest(Digester digester, int[] tokens) {
        try (Progress progress = new Progress(streams(), "compressing", " chunks", 1)) {
            DigestOptions options = DigestOptions.defaults().withProgress((done, total) -> {
                if (total >= CHUNKS_WORTH_PROGRESS) {
                    progress.update(done, total);
                }
                return true;
            });
            return digester.digest(tokens, ratio.apply(options, digester, tokens.length));
        }
    }

    /** The marker behind the rows is of the former that made them; another one's would be noise. */
    private void checkFormer(Digest digest, Former former) {
        if (digest.origin().formerFingerprint() != former.fingerprint()) {
            throw new CommandException(
                    "%s was made by the former '%s' (fingerprint %016x), but this one is '%s' (%016x)"
                            .formatted(
                                    source.digest,
                                    digest.origin().formerName(),
                                    digest.origin().formerFingerprint(),
                                    former.name(),
                                    former.fingerprint()));
        }
    }

    private Map<String, Object> describe(Session session, Prepared prepared, Generation generation) {
        Model model = session.model();
        Map<String, Object> object = new LinkedHashMap<>();
        object.put("answer", generation.text());
        object.put("context_tokens", prepared.contextTokens());
        object.put("digest_rows", prepared.digestRows());
        object.put("compress_ms", Generation.millis(prepared.compressNanos()));
        generation.describe(object);
        DeviceArguments.describe(model.info(), object);
        object.put("model", model.info().name());
        object.put("former", prepared.former().name());
        object.put("model_type", model.info().type());
        object.put("former_type", prepared.former().type());
        object.put("context_length", session.info().contextLength());
        object.put("threads", session.info().threads());
        return object;
    }
}
