package icformer.cli.eval;

import icformer.DigestOptions;
import icformer.Digester;
import icformer.KvType;
import icformer.Model;
import icformer.SessionOptions;
import icformer.cli.command.AdapterArguments;
import icformer.cli.command.DefaultPair;
import icformer.cli.command.FormerArguments;
import icformer.cli.command.IcfCommand;
import icformer.cli.command.ModelArguments;
import icformer.cli.command.RatioArguments;
import icformer.cli.console.CommandException;
import icformer.cli.console.Progress;
import icformer.cli.console.Streams;
import icformer.cli.console.TextSource;
import icformer.error.IcfException;
import icformer.error.Status;
import icformer.eval.AnswerCase;
import icformer.eval.AnswerEvaluation;
import icformer.eval.AnswerScores;
import icformer.eval.TextScores;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Measures how well an LLM answers from digests. */
@Command(
        name = "answers",
        description = {
            "Measure how well an LLM answers questions from digests: beside them from the full context, from as many of its "
                    + "first tokens as the digest has rows (truncated), and from none.",
            "Answers are greedy. Exact match, F1 and ROUGE compare lower-case words without punctuation (F1 is ROUGE-1; "
                    + "ROUGE-2 counts answers of two words and more); perplexity is that of the wanted answers; BLEU-4 compares "
                    + "the tokens of contexts with what the LLM makes of their digests."
        },
        footer = {
            "%nExamples:",
            "  icf eval answers",
            "  icf eval answers --ratio 8 --only digest,truncated",
            "  icf eval answers --model-types q8_0,q4_0 --former-types f16,q8_0,q4_0 --json > quality.json"
        })
public final class EvalAnswersCommand extends IcfCommand {
    private static final int DEFAULT_MAX_TOKENS = 32;
    private static final int DEFAULT_RECONSTRUCTIONS = 50;

    @Option(
            names = "--data",
            paramLabel = "FILE",
            description =
                    "JSON Lines of {\"context\", \"question\", \"answer\"} or {\"context\", \"questions\": "
                            + "[{\"question\", \"answer\"}, ...]}; \"answers\", a list, where several are right; - reads standard input (default: the test split of the default pair).")
    private @Nullable String data;

    @Option(
            names = "--only",
            paramLabel = "NAMES",
            split = ",",
            description = "What to answer from, of digest, full, truncated and none (default: all).")
    private List<AnswerEvaluation.Source> only = List.of();

    @Option(
            names = "--contexts",
            paramLabel = "N",
            description = "Contexts to use, the first of the file (default: all).")
    private int contexts;

    @Option(
            names = "--reconstructions",
            paramLabel = "N",
            description =
                    "Contexts to reconstruct from their digests, the first of the file; 0 for none (default: ${DEFAULT-VALUE}).")
    private int reconstructions = DEFAULT_RECONSTRUCTIONS;

    @Option(
            names = "--max-tokens",
            paramLabel = "N",
            description = "Most tokens of an answer (default: ${DEFAULT-VALUE}).")
    private int maxTokens = DEFAULT_MAX_TOKENS;

    @Option(
            names = "--model-types",
            paramLabel = "TYPES",
            split = ",",
            description =
                    "Types to quantise the LLM to, each measured with every type of the former (default: as its file is).")
    private List<String> modelTypes = List.of(QuantizedFiles.AS_IT_IS);

    @Option(
            names = "--former-types",
            paramLabel = "TYPES",
            split = ",",
            description = "Types to quantise the former to (default: as its file is).")
    private List<String> formerTypes = List.of(QuantizedFiles.AS_IT_IS);

    @Option(
            names = "--kv-type",
            paramLabel = "TYPE",
            description = "Type of the KV cache: F16, Q8_0 or F32 (default: F16).")
    private KvType kvType = KvType.F16;

    /** Whether something is on. */
    enum Switch {
        ON,
        OFF
    }

    @Option(
            names = "--full-reader",
            paramLabel = "on|off",
            description =
                    "Whether the former's reader, where it brings one, is on for the sources that are no digests, too "
                            + "(default: on: all are read with the same weights).")
    private Switch fullReader = Switch.ON;

    @Option(
            names = "--details",
            paramLabel = "FILE",
            description = "File for every answer, a JSON object a line; an existing one is replaced.")
    private @Nullable Path details;

    @Option(names = "--json", description = JSON)
    private boolean json;

    @Mixin
    private AdapterArguments adapterArguments = new AdapterArguments();

    @Mixin
    private RatioArguments ratio = new RatioArguments();

    @Mixin
    private ModelArguments modelArguments = new ModelArguments();

    @Mixin
    private FormerArguments formerArguments = new FormerArguments();

    public EvalAnswersCommand(Streams streams) {
        super(streams);
    }

    @Override
    protected void run() throws IOException {
        if (contexts < 0 || reconstructions < 0 || maxTokens < 1) {
            throw usage("--contexts and --reconstructions must be 0 or more, --max-tokens 1 or more");
        }
        List<AnswerCase> cases = cases();
        List<AnswerReport> reports = new ArrayList<>();
        try (PrintWriter answers = details == null
                        ? new PrintWriter(Writer.nullWriter())
                        : new PrintWriter(Files.newBufferedWriter(details), true);
                QuantizedFiles models = new QuantizedFiles(modelArguments.file());
                QuantizedFiles formers = new QuantizedFiles(formerArguments.file());
                Pairs pairs = new Pairs(cases, answers)) {
            for (String modelType : modelTypes) {
                try (Model model = modelArguments.open(models.in(modelType));
                        AdapterArguments.Opened adapters = adapterArguments.open(model)) {
                    for (String formerType : formerTypes) {
                        try (Digester digester =
                                formerArguments.open(model, formers.in(formerType), modelArguments.digesterOptions())) {
                            AnswerReport report = pairs.measure(model, adapters, digester);
                            reports.add(report);
                            if (!json) {
                                streams().println((reports.size() > 1 ? "\n" : "") + report.text());
                            }
                        }
                    }
                }
                pairs.endOfModel();
                models.remove(modelType); // a large one should not lie there with the next
            }
        }
        if (json) {
            streams().json(describe(reports));
        }
    }

    /** One report as it is, several as a list. */
    private static Map<String, Object> describe(List<AnswerReport> reports) {
        if (reports.size() == 1) {
            return reports.getFirst().describe();
        }
        Map<String, Object> object = new LinkedHashMap<>();
        object.put("pairs", reports.stream().map(AnswerReport::describe).toList());
        return object;
    }

    private List<AnswerCase> cases() throws IOException {
        String source = data != null ? data : DefaultPair.testSplit().toString();
        String name = TextSource.isStandardInput(source) ? "standard input" : source;
        List<AnswerCase> all = AnswerCase.parse(TextSource.read(source, StandardCharsets.UTF_8, streams()), name);
        return contexts == 0 ? all : all.subList(0, Math.min(contexts, all.size()));
    }

    /** Measures pairs one after the other; what does not depend on the former is measured once for each LLM. */
    private final class Pairs implements AutoCloseable {
        private final List<AnswerCase> cases;
        private final Set<AnswerEvaluation.Source> sources = EnumSet.allOf(AnswerEvaluation.Source.class);
        private final Map<AnswerEvaluation.Source, AnswerScores> known = new EnumMap<>(AnswerEvaluation.Source.class);
        private final Progress progress = new Progress(streams(), "answering", "", 1);
        private final PrintWriter answers;
        private long done;
        private long total;

        Pairs(List<AnswerCase> cases, PrintWriter answers) {
            this.cases = cases;
            this.answers = answers;
            if (!only.isEmpty()) {
                sources.retainAll(only);
            }
        }

        AnswerReport measure(Model model, AdapterArguments.Opened adapters, Digester digester) {
            DigestOptions options = ratio.apply(DigestOptions.defaults(), digester, 0);
            AnswerEvaluation evaluation =
                    new AnswerEvaluation(model, digester, cases, settings(adapters, digester, options));
            Set<AnswerEvaluation.Source> missing = EnumSet.copyOf(sources);
            missing.removeAll(known.keySet());
            if (total == 0) {
                long again = dependsOnFormer(digester) ? evaluation.steps(sources) : digestSteps(evaluation);
                total = modelTypes.size() * (evaluation.steps(sources) + (formerTypes.size() - 1) * again);
            }
            AnswerEvaluation.Results results = run(evaluation, missing, describePair(model, digester));
            Map<AnswerEvaluation.Source, AnswerScores> scores = new EnumMap<>(known);
            scores.putAll(results.scores());
            known.putAll(results.scores());
            known.remove(AnswerEvaluation.Source.DIGEST);
            if (dependsOnFormer(digester)) {
                known.clear();
            }
            int rows = options.chunkRows() == DigestOptions.ALL_ROWS
                    ? digester.info().digestRows()
                    : options.chunkRows();
            return new AnswerReport(
                    model.info(), digester.info(), rows, cases, new AnswerEvaluation.Results(scores, results.bleu()));
        }

        /** Whether the former's reader, which has a type of its own, is on for all sources. */
        private boolean dependsOnFormer(Digester digester) {
            return fullReader == Switch.ON && digester.former().hasReader();
        }

        private Map<String, Object> describePair(Model model, Digester digester) {
            Map<String, Object> object = new LinkedHashMap<>();
            object.put("model_type", model.info().type());
            object.put("former_type", digester.info().type());
            return object;
        }

        private void write(Map<String, Object> pair, AnswerEvaluation.Answer answer) {
            AnswerCase.Question question = answer.question();
            Map<String, Object> object = new LinkedHashMap<>(pair);
            object.put("context", answer.context());
            object.put("question", question.text());
            object.put("answers", question.answers());
            object.put("source", answer.source().key());
            object.put("answer", answer.found().strip());
            object.put("exact_match", AnswerScores.best(question, each -> TextScores.exactMatch(answer.found(), each)));
            object.put("f1", AnswerScores.best(question, each -> TextScores.f1(answer.found(), each)));
            object.put("loss", answer.loss());
            object.put("tokens", answer.tokens());
            answers.println(Streams.jsonText(object));
        }

        private AnswerEvaluation.Results run(
                AnswerEvaluation evaluation, Set<AnswerEvaluation.Source> missing, Map<String, Object> pair) {
            try {
                return evaluation.run(missing, () -> progress.update(++done, total), answer -> write(pair, answer));
            } catch (IcfException e) {
                if (e.status() == Status.CAPACITY) {
                    throw new CommandException(e.getMessage() + "; --only and --reconstructions leave parts out", e);
                }
                throw e;
            }
        }

        private long digestSteps(AnswerEvaluation evaluation) {
            return sources.contains(AnswerEvaluation.Source.DIGEST)
                    ? evaluation.steps(EnumSet.of(AnswerEvaluation.Source.DIGEST))
                    : 0;
        }

        private AnswerEvaluation.Settings settings(
                AdapterArguments.Opened adapters, Digester digester, DigestOptions options) {
            return new AnswerEvaluation.Settings(
                    options,
                    maxTokens,
                    digester.info().hasAe() ? reconstructions : 0,
                    fullReader == Switch.ON,
                    SessionOptions.defaults()
                            .withThreads(modelArguments.threads())
                            .withKvType(kvType)
                            .withAdapters(adapters.scaled()));
        }

        void endOfModel() {
            known.clear();
        }

        @Override
        public void close() {
            progress.close();
        }
    }
}
