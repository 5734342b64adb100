package icformer.cli.bench;

import icformer.Device;
import icformer.Devices;
import icformer.DigesterOptions;
import icformer.Icformer;
import icformer.Model;
import icformer.ModelInfo;
import icformer.cli.command.DefaultPair;
import icformer.cli.command.DeviceArguments;
import icformer.cli.command.IcfCommand;
import icformer.cli.command.TypeNames;
import icformer.cli.console.CommandException;
import icformer.cli.console.Streams;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Measures the speed of compression and decoding on this machine. */
@Command(
        name = "bench",
        description = {
            "Measure compression, prefill and decoding on this machine.",
            "compress: tokens that are in the token table; compress_cold: tokens that are not; compress_plain: step by step "
                    + "as in the reference; compress_self_attention: by the LLM itself, the baseline; prefill; decode: greedy, "
                    + "times of single tokens; first_token, first_token_full: a context and a question up to the first token, "
                    + "compressed and in full."
        })
public final class BenchCommand extends IcfCommand {
    private static final int DEFAULT_RUNS = 5;
    private static final int DEFAULT_WARM_UP = 1;

    @Option(
            names = "--model",
            paramLabel = "FILE",
            description = "LLM, a GGUF file (default: that of the default pair).")
    private @Nullable Path model;

    @Option(
            names = "--former",
            paramLabel = "FILE",
            description =
                    "IC-Former, a GGUF file made for the LLM (default: that of the default pair, beside its LLM).")
    private @Nullable Path former;

    @Option(
            names = "--shape",
            paramLabel = "SHAPE",
            description = "Make a pair with random weights of these sizes: demo, 1.1b (TinyLlama) or 7b (Llama 2).")
    private @Nullable String shape;

    @Option(
            names = "--type",
            paramLabel = "TYPE",
            description = "With --shape: type of the LLM's matrices (default: q8_0).")
    private @Nullable String type;

    @Option(
            names = "--former-type",
            paramLabel = "TYPE",
            description = "With --shape: type of the former's matrices (default: q8_0).")
    private @Nullable String formerType;

    @Option(
            names = "--keep",
            paramLabel = "DIR",
            description = "With --shape: write the files here, keep them, and use those that are here already.")
    private @Nullable Path keep;

    @Option(
            names = "--only",
            paramLabel = "NAMES",
            split = ",",
            description = "What to measure, of the names above (default: all that the files allow).")
    private List<String> only = List.of();

    @Option(
            names = "--n",
            paramLabel = "N",
            split = ",",
            description =
                    "Tokens of the context or prompt, or tokens to generate; several are measured one after the other "
                            + "(default: 128,512,2048 for compress, 2048 for first_token, 128 for decode, else 512).")
    private List<Integer> lengths = List.of();

    @Option(
            names = "--batch",
            paramLabel = "N",
            description =
                    "Contexts that compress takes in one call (default: 1), rows of a batch elsewhere (default: 512).")
    private int batch;

    @Option(
            names = "--threads",
            paramLabel = "N",
            description = "Threads that compute (default: one per physical core).")
    private int threads;

    @Mixin
    private DeviceArguments deviceArguments = new DeviceArguments();

    @Option(
            names = "--runs",
            paramLabel = "N",
            description = "Samples of each measurement (default: ${DEFAULT-VALUE}).")
    private int runs = DEFAULT_RUNS;

    // One run reads all weights into memory and builds the graphs; nothing in Java needs to be compiled for what is
    // native.
    @Option(
            names = "--warm-up",
            paramLabel = "N",
            description = "Runs before them that are not counted (default: ${DEFAULT-VALUE}).")
    private int warmUp = DEFAULT_WARM_UP;

    @Option(names = "--csv", description = "Print comma-separated values.")
    private boolean csv;

    @Option(names = "--json", description = JSON)
    private boolean json;

    public BenchCommand(Streams streams) {
        super(streams);
    }

    // ---- What is measured ----

    private interface Measurement {
        BenchResult measure(Benchmarks benchmarks, int n) throws IOException;
    }

    private record Entry(Measurement measurement, boolean needsFormer, List<Integer> lengths) {}

    private static final Map<String, Entry> ENTRIES = new LinkedHashMap<>();

    static {
        ENTRIES.put("compress", new Entry(Benchmarks::compress, true, List.of(128, 512, 2048)));
        ENTRIES.put("compress_cold", new Entry(Benchmarks::compressCold, true, List.of(512)));
        ENTRIES.put("compress_plain", new Entry(Benchmarks::compressPlain, true, List.of(512)));
        ENTRIES.put("compress_self_attention", new Entry(Benchmarks::compressBySelfAttention, false, List.of(512)));
        ENTRIES.put("prefill", new Entry(Benchmarks::prefill, false, List.of(512)));
        ENTRIES.put("decode", new Entry(Benchmarks::decode, false, List.of(128)));
        ENTRIES.put("first_token", new Entry(Benchmarks::firstToken, true, List.of(2048)));
        ENTRIES.put("first_token_full", new Entry(Benchmarks::firstTokenFull, false, List.of(2048)));
    }

    @Override
    protected void run() throws IOException {
        check();
        try (BenchFiles files = files();
                Model llm = Model.open(files.model(), deviceArguments.modelOptions())) {
            Benchmarks benchmarks = new Benchmarks(llm, opener(files, llm), digesterOptions(), setup());
            List<BenchResult> results = new ArrayList<>();
            List<String> names = names(files);
            if (!json) {
                streams().println(csv ? String.join(",", BenchResult.COLUMNS) : BenchTable.header());
            }
            for (String name : names) {
                Entry entry = entry(name);
                for (int n : lengths.isEmpty() ? entry.lengths() : lengths) {
                    BenchResult result = entry.measurement().measure(benchmarks, n);
                    results.add(result);
                    if (!json) {
                        streams().println(csv ? BenchTable.csv(result) : BenchTable.line(result));
                    }
                }
            }
            if (json) {
                streams().json(describe(llm.info(), results));
            }
        }
    }

    private void check() {
        for (String name : only) {
            if (!ENTRIES.containsKey(name)) {
                throw usage("there is nothing named %s to measure; there are %s"
                        .formatted(name, String.join(", ", ENTRIES.keySet())));
            }
        }
        if (shape != null && (model != null || former != null)) {
            throw usage("--shape makes its own files: --model and --former cannot be given with it");
        }
        if (shape == null && (type != null || formerType != null || keep != null)) {
            throw usage("--type, --former-type and --keep go with --shape");
        }
        if (csv && json) {
            throw usage("--csv and --json exclude each other");
        }
        if (runs < 1
                || warmUp < 0
                || batch < 0
                || threads < 0
                || lengths.stream().anyMatch(n -> n < 1)) {
            throw usage("--runs and --n must be 1 or more, --warm-up, --batch and --threads 0 or more");
        }
    }

    private static Entry entry(String name) {
        return Objects.requireNonNull(ENTRIES.get(name), name);
    }

    private List<String> names(BenchFiles files) {
        if (!only.isEmpty()) {
            if (files.former() == null
                    && only.stream().anyMatch(name -> entry(name).needsFormer())) {
                throw new CommandException("compression needs a former: --former names its file");
            }
            return only;
        }
        return ENTRIES.entrySet().stream()
                .filter(entry -> files.former() != null || !entry.getValue().needsFormer())
                .map(Map.Entry::getKey)
                .toList();
    }

    // ---- With what ----

    private BenchFiles files() throws IOException {
        if (shape == null) {
            Path demoFormer = model == null && former == null ? DefaultPair.former() : former;
            return BenchFiles.of(model == null ? DefaultPair.model() : model, demoFormer);
        }
        BenchShape sizes = Arrays.stream(BenchShape.values())
                .filter(each -> each.toString().equalsIgnoreCase(shape))
                .findFirst()
                .orElseThrow(() -> usage("there is no shape %s; there are %s"
                        .formatted(
                                shape,
                                Arrays.stream(BenchShape.values())
                                        .map(BenchShape::toString)
                                        .collect(Collectors.joining(", ")))));
        boolean formerIsNeeded = only.isEmpty()
                || only.stream().anyMatch(name -> entry(name).needsFormer() || name.startsWith("compress"));
        return BenchFiles.make(
                sizes,
                TypeNames.type(type == null ? "q8_0" : type),
                formerIsNeeded ? TypeNames.type(formerType == null ? "q8_0" : formerType) : null,
                keep);
    }

    private static Benchmarks.FormerOpener opener(BenchFiles files, Model llm) {
        Path file = files.former();
        return file == null ? Benchmarks.NO_FORMER : options -> llm.openDigester(file, options);
    }

    private DigesterOptions digesterOptions() {
        return DigesterOptions.defaults().withThreads(threads).withDevice(deviceArguments.index());
    }

    private Benchmarks.Setup setup() {
        String name = shape != null ? shape : model == null ? DefaultPair.name() : String.valueOf(model.getFileName());
        return new Benchmarks.Setup(name, batch, threads, runs, warmUp);
    }

    // ---- What is told ----

    private static Map<String, Object> describe(ModelInfo llm, List<BenchResult> results) {
        Map<String, Object> object = new LinkedHashMap<>();
        object.put("machine", machine());
        object.put("versions", versions());
        DeviceArguments.describe(llm, object);
        object.put("results", results.stream().map(BenchResult::describe).toList());
        return object;
    }

    private static Map<String, Object> machine() {
        Map<String, Object> object = new LinkedHashMap<>();
        object.put("os", System.getProperty("os.name") + " " + System.getProperty("os.version"));
        object.put("architecture", System.getProperty("os.arch"));
        object.put("cpus", Runtime.getRuntime().availableProcessors());
        Map<String, Object> devices = new TreeMap<>();
        for (Device each : Devices.all()) {
            Map<String, Object> described = new LinkedHashMap<>();
            described.put("description", each.description());
            described.put("backend", each.backend());
            described.put("memory", each.memoryTotal());
            devices.put(each.name(), described);
        }
        object.put("devices", devices);
        return object;
    }

    private static Map<String, Object> versions() {
        Map<String, Object> object = new LinkedHashMap<>();
        object.put("icformer", Icformer.version());
        object.put("ggml", Icformer.ggmlVersion());
        object.put("java", Runtime.version().toString());
        return object;
    }
}
