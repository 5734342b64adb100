package icformer.cli.files;

import icformer.Device;
import icformer.Devices;
import icformer.Digest;
import icformer.Digester;
import icformer.DigesterOptions;
import icformer.Icformer;
import icformer.Model;
import icformer.ModelInfo;
import icformer.cli.command.DeviceArguments;
import icformer.cli.command.IcfCommand;
import icformer.cli.console.Streams;
import icformer.files.GgufFile;
import icformer.files.Safetensors;
import icformer.files.TensorInfo;
import icformer.metadata.Metadata;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Tells what a file holds, or what computes here. */
@Command(
        name = "info",
        description = {
            "Tell what a GGUF, digest or safetensors file holds.",
            "Without a file: versions, and the devices that can compute; with --model also which part of the LLM, and of a former "
                    + "given with --former, each of them computes."
        })
public final class InfoCommand extends IcfCommand {
    /** Longer arrays are abbreviated on a terminal and in JSON. */
    private static final int SHOWN_ELEMENTS = 8;

    private static final int SHOWN_CHARACTERS = 200;
    private static final byte[] GGUF_MAGIC = "GGUF".getBytes(StandardCharsets.US_ASCII);

    @Parameters(arity = "0..1", paramLabel = "FILE", description = "File to look into.")
    private @Nullable Path file;

    @Option(names = "--model", paramLabel = "FILE", description = "LLM to open, as the other commands do.")
    private @Nullable Path model;

    @Option(names = "--former", paramLabel = "FILE", description = "IC-Former to open with it.")
    private @Nullable Path former;

    @Mixin
    private DeviceArguments deviceArguments = new DeviceArguments();

    @Option(names = "--tensors", description = "List the tensors of a file.")
    private boolean tensors;

    @Option(names = "--json", description = JSON)
    private boolean json;

    public InfoCommand(Streams streams) {
        super(streams);
    }

    @Override
    protected void run() throws IOException {
        if (file != null && model != null) {
            throw usage("--model opens an LLM; without it a file is looked into");
        }
        if (former != null && model == null) {
            throw usage("--former goes with --model");
        }
        Map<String, Object> object = model != null
                ? loaded(model)
                : file == null ? machine() : isGguf(file) ? gguf(file) : safetensors(file);
        if (json) {
            streams().json(object);
        } else {
            StringBuilder text = new StringBuilder();
            print(object, "", text);
            streams().print(text.toString());
        }
    }

    // ---- This machine ----

    private static Map<String, Object> machine() {
        Map<String, Object> object = new LinkedHashMap<>();
        object.put("icformer", Icformer.version());
        object.put("ggml", Icformer.ggmlVersion());
        object.put("java", Runtime.version().toString());
        object.put("devices", Devices.all().stream().map(InfoCommand::describe).toList());
        return object;
    }

    private static Map<String, Object> describe(Device device) {
        Map<String, Object> object = new LinkedHashMap<>();
        object.put("index", device.index());
        object.put("name", device.name());
        object.put("kind", device.kind().name().toLowerCase(Locale.ROOT));
        object.put("description", device.description());
        object.put("backend", device.backend());
        object.put("memory_total", device.memoryTotal());
        object.put("memory_free", device.memoryFree());
        return object;
    }

    // ---- A pair that has been opened ----

    private Map<String, Object> loaded(Path path) throws IOException {
        try (Model llm = Model.open(path, deviceArguments.modelOptions())) {
            List<Map<String, Object>> parts = parts(llm.info());
            if (former != null) {
                DigesterOptions options = DigesterOptions.defaults().withDevice(deviceArguments.index());
                try (Digester digester = llm.openDigester(former, options)) {
                    parts.add(part(
                            "former", digester.info().device(), digester.info().type()));
                    return loaded(parts);
                }
            }
            return loaded(parts);
        }
    }

    private static Map<String, Object> loaded(List<Map<String, Object>> parts) {
        Map<String, Object> object = machine(); // with what is free now
        object.put("parts", parts);
        return object;
    }

    private static List<Map<String, Object>> parts(ModelInfo llm) {
        int onCpu = llm.device() == 0 ? llm.layers() : llm.layers() - llm.gpuLayers();
        List<Map<String, Object>> parts = new ArrayList<>();
        parts.add(part("embeddings", 0, llm.type()));
        if (onCpu > 0) {
            parts.add(part("layers and KV cache 0 ... " + (onCpu - 1), 0, llm.type()));
        }
        if (onCpu < llm.layers()) {
            parts.add(part("layers and KV cache " + onCpu + " ... " + (llm.layers() - 1), llm.device(), llm.type()));
        }
        parts.add(part("output", onCpu < llm.layers() ? llm.device() : 0, llm.type()));
        return parts;
    }

    private static Map<String, Object> part(String name, int device, String type) {
        Map<String, Object> object = new LinkedHashMap<>();
        object.put("part", name);
        object.put("device", DeviceArguments.name(device));
        object.put("type", type);
        return object;
    }

    // ---- GGUF ----

    private static boolean isGguf(Path file) throws IOException {
        if (!Files.isRegularFile(file)) {
            return true; // opening it says what is wrong
        }
        try (InputStream in = Files.newInputStream(file)) {
            return Arrays.equals(in.readNBytes(GGUF_MAGIC.length), GGUF_MAGIC);
        }
    }

    private Map<String, Object> gguf(Path path) throws IOException {
        try (GgufFile gguf = GgufFile.open(path)) {
            Metadata metadata = gguf.metadata();
            List<TensorInfo> all = gguf.tensors();
            Map<String, Object> object = new LinkedHashMap<>();
            object.put("file", path.toString());
            object.put("format", "GGUF " + gguf.version());
            object.put("bytes", gguf.fileBytes());
            object.put("architecture", metadata.text("general.architecture", ""));
            object.put("name", metadata.text("general.name", ""));
            object.put(
                    "parameters", all.stream().mapToLong(TensorInfo::elements).sum());
            object.put("types", types(all));
            adapter(metadata, all).ifPresent(adapter -> object.put("adapter", adapter));
            Map<String, Object> values = new LinkedHashMap<>();
            metadata.keys().forEach(key -> values.put(key.name(), value(metadata, key)));
            object.put("metadata", values);
            if (tensors) {
                object.put("tensors", all.stream().map(InfoCommand::describe).toList());
            }
            return object;
        }
    }

    /** A low-rank adapter, such as the reader that a former brings; empty where the file has none. */
    private static Optional<Map<String, Object>> adapter(Metadata metadata, List<TensorInfo> tensors) {
        List<TensorInfo> halves = tensors.stream()
                .filter(tensor -> tensor.name().endsWith(".lora_b"))
                .toList();
        if (halves.isEmpty()) {
            return Optional.empty();
        }
        // B is [rank, outputs], the fastest dimension first
        long rank = halves.stream()
                .mapToLong(tensor -> tensor.shape().getFirst())
                .max()
                .orElseThrow();
        double alpha = metadata.number("adapter.lora.alpha", 0);
        Map<String, Object> object = new LinkedHashMap<>();
        object.put("kind", metadata.text("general.architecture", "").equals("icformer") ? "reader" : "lora");
        object.put("pairs", halves.size());
        object.put("rank", rank);
        object.put("scale", alpha == 0 ? 1 : shortest(alpha / rank));
        object.put("types", types(halves));
        object.put(
                "parameters",
                tensors.stream()
                        .filter(tensor -> tensor.name().contains(".lora_"))
                        .mapToLong(TensorInfo::elements)
                        .sum());
        return Optional.of(object);
    }

    private static Map<String, Long> types(List<TensorInfo> tensors) {
        return tensors.stream()
                .collect(Collectors.groupingBy(
                        tensor -> tensor.type().name(), LinkedHashMap::new, Collectors.counting()));
    }

    private static Map<String, Object> describe(TensorInfo tensor) {
        Map<String, Object> object = new LinkedHashMap<>();
        object.put("name", tensor.name());
        object.put("type", tensor.type().name());
        object.put("shape", tensor.shape());
        object.put("bytes", tensor.bytes());
        return object;
    }

    private static Object value(Metadata metadata, Metadata.Key key) {
        if (key.array()) {
            Map<String, Object> array = new LinkedHashMap<>();
            array.put("count", key.count());
            array.put("first", elements(metadata, key));
            return array;
        }
        return switch (key.kind()) {
            case TEXT -> metadata.text(key.name());
            case BOOL -> metadata.bool(key.name());
            case NUMBER -> shortest(metadata.number(key.name()));
            // a hash uses all 64 bits of an unsigned integer
            case INTEGER ->
                key.name().endsWith("_hash")
                        ? Long.toUnsignedString(metadata.integer(key.name()))
                        : (Object) metadata.integer(key.name());
        };
    }

    /** A float that was widened is shown as a float: 1.0E-6, not 9.999999974752427E-7. */
    private static Number shortest(double number) {
        if ((float) number == number) {
            return (float) number;
        }
        return number;
    }

    private static List<?> elements(Metadata metadata, Metadata.Key key) {
        Stream<?> elements = switch (key.kind()) {
            case TEXT -> metadata.texts(key.name()).stream();
            case NUMBER -> Arrays.stream(metadata.numbers(key.name())).mapToObj(InfoCommand::shortest);
            case INTEGER -> Arrays.stream(metadata.integers(key.name())).boxed();
            case BOOL -> Arrays.stream(metadata.integers(key.name())).mapToObj(bit -> bit != 0);
        };
        return elements.limit(SHOWN_ELEMENTS).toList();
    }

    // ---- Safetensors ----

    private Map<String, Object> safetensors(Path path) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            Safetensors read = Safetensors.open(path, arena);
            Map<String, Object> object = new LinkedHashMap<>();
            object.put("file", path.toString());
            object.put("format", "safetensors");
            object.put("bytes", Files.size(path));
            if ("icformer-digest".equals(read.metadata().get("format"))) {
                object.put("format", "digest");
                describe(Digest.load(path, arena), object);
            } else {
                object.put("metadata", read.metadata());
            }
            if (tensors || !object.containsKey("rows")) {
                object.put(
                        "tensors",
                        read.tensors().values().stream()
                                .map(tensor -> {
                                    Map<String, Object> described = new LinkedHashMap<>();
                                    described.put("name", tensor.name());
                                    described.put("type", tensor.type().name());
                                    described.put("shape", tensor.shape());
                                    described.put("bytes", tensor.byteSize());
                                    return described;
                                })
                                .toList());
            }
            return object;
        }
    }

    private static void describe(Digest digest, Map<String, Object> object) {
        object.put("rows", digest.rowCount());
        object.put("width", digest.width());
        object.put("type", digest.type().name());
        object.put(
                "chunks",
                digest.chunks().stream()
                        .map(chunk -> List.of(chunk.first(), chunk.end()))
                        .toList());
        object.put("model", digest.origin().modelName());
        object.put("model_fingerprint", "%016x".formatted(digest.origin().modelFingerprint()));
        object.put("former", digest.origin().formerName());
        object.put("former_fingerprint", "%016x".formatted(digest.origin().formerFingerprint()));
        object.put("context_sha256", digest.origin().contextSha256());
    }

    // ---- Text ----

    /** A line for each value; objects are indented under their names. */
    private static void print(Map<?, ?> object, String indent, StringBuilder text) {
        object.forEach((name, value) -> {
            switch (value) {
                case Map<?, ?> array
                when array.containsKey("first") ->
                    text.append("%s%s: %s%n".formatted(indent, name, abbreviated(array)));
                case Map<?, ?> map -> {
                    text.append("%s%s:%n".formatted(indent, name));
                    print(map, indent + "  ", text);
                }
                case List<?> list
                when list.stream().anyMatch(Map.class::isInstance) -> {
                    text.append("%s%s:%n".formatted(indent, name));
                    list.forEach(element -> text.append("%s  %s%n".formatted(indent, line((Map<?, ?>) element))));
                }
                default -> text.append("%s%s: %s%n".formatted(indent, name, visible(String.valueOf(value))));
            }
        });
    }

    private static String abbreviated(Map<?, ?> array) {
        List<?> first = (List<?>) Objects.requireNonNull(array.get("first"));
        boolean all = Objects.equals(array.get("count"), (long) first.size());
        return visible(first.stream().map(String::valueOf).collect(Collectors.joining(", ", "[", all ? "]" : ", ...]")))
                + (all ? "" : " (" + array.get("count") + ")");
    }

    private static String line(Map<?, ?> object) {
        return object.entrySet().stream()
                .filter(entry -> !String.valueOf(entry.getValue()).isEmpty())
                .map(entry -> entry.getKey() + " " + entry.getValue())
                .collect(Collectors.joining(", "));
    }

    private static String visible(String text) {
        String line = text.replace("\n", "\\n").replace("\r", "\\r");
        return line.length() <= SHOWN_CHARACTERS ? line : line.substring(0, SHOWN_CHARACTERS) + "...";
    }
}
