package icformer.convert;

import icformer.error.ModelFileException;
import icformer.error.Status;
import icformer.files.AtomicFile;
import icformer.files.Checkpoint;
import icformer.files.GgufFile;
import icformer.files.GgufValue;
import icformer.files.SourceFile;
import icformer.files.StoredTensor;
import icformer.files.TensorType;
import icformer.internal.base.Checks;
import icformer.internal.base.Failures;
import icformer.internal.json.Json;
import icformer.metadata.Metadata;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Turns a checkpoint folder of the official IC-Former implementation into a GGUF file of architecture {@code icformer}.
 *
 * <p>The folder holds {@code config.json}, the weights ({@code model.safetensors} or {@code pytorch_model.bin}, in one
 * piece or in shards with an index) and {@code param.pt} with the digest embeddings and markers. It may hold
 * {@code reader.safetensors}, low-rank matrices for the LLM that reads the digests (with {@code reader.json}, their scale and
 * rank), which go into the same file, and {@code prompt.json}, the texts around digest and question. A checkpoint with
 * neither {@code prompt.json} nor a {@code chunk_length} in its configuration is taken for an official one, which has the
 * prompt of Llama 2 and chunks of 512 tokens; of any other one no prompt is recorded that nobody named. Nothing is executed:
 * a pickle that names anything but tensors is refused. Memory stays flat: the weights are read and written block by
 * block, each file by one descriptor.
 */
public final class FormerConverter {

    /**
     * The texts of a former's prompt; null for that of the checkpoint.
     *
     * @param before text before the digest rows; special tokens in it are recognised
     * @param question text that is put before a question
     * @param after text after the question; special tokens in it are recognised
     */
    public record Prompt(
            @Nullable String before,
            @Nullable String question,
            @Nullable String after) {
        /** What the official checkpoints were trained with, for Llama 2. */
        public static final Prompt OFFICIAL =
                new Prompt("<s>[INST] Response the Prompt based on the below text:\n\n", "\n\nPrompt: ", "[/INST]");

        /** None is given. */
        public static final Prompt OF_CHECKPOINT = new Prompt(null, null, null);

        private Prompt orElse(Prompt other) {
            return new Prompt(
                    before != null ? before : other.before,
                    question != null ? question : other.question,
                    after != null ? after : other.after);
        }
    }

    /**
     * How a checkpoint is converted.
     *
     * @param name {@code general.name} of the file; null for the name of the checkpoint's folder
     * @param type of the matrices; null to keep theirs. Norms, biases, digest embeddings and markers are always F32
     * @param target the LLM that the former belongs to, as a GGUF file: its architecture, width and vocabulary are recorded,
     *     so that the former is refused by any other; null to record none
     * @param chunkLength longest chunk the former was trained for, in tokens; 0 for what the checkpoint says, or 512
     * @param prompt the texts around digest and question
     * @param replace whether to replace the file if it exists
     * @param progress is told of progress
     */
    public record Options(
            @Nullable String name,
            @Nullable TensorType type,
            @Nullable Path target,
            int chunkLength,
            Prompt prompt,
            boolean replace,
            ConversionReport.Progress progress) {

        public Options {
            Checks.argument(chunkLength >= 0, "chunkLength is %d, but must be 0 or more", chunkLength);
            Objects.requireNonNull(prompt, "prompt");
            Objects.requireNonNull(progress, "progress");
        }

        /** What the checkpoint says, and no target. */
        public static Options defaults() {
            return new Options(null, null, null, 0, Prompt.OF_CHECKPOINT, false, (_, _) -> {});
        }

        /** The same with another name. */
        public Options withName(String name) {
            return new Options(name, type, target, chunkLength, prompt, replace, progress);
        }

        /** The same with another type of the matrices. */
        public Options withType(TensorType type) {
            return new Options(name, type, target, chunkLength, prompt, replace, progress);
        }

        /** The same for an LLM. */
        public Options withTarget(Path target) {
            return new Options(name, type, target, chunkLength, prompt, replace, progress);
        }

        /** The same with another chunk length. */
        public Options withChunkLength(int chunkLength) {
            return new Options(name, type, target, chunkLength, prompt, replace, progress);
        }

        /** The same with another prompt: before the digest rows, before the question, and after it. */
        public Options withPrompt(String before, String question, String after) {
            return withPrompt(new Prompt(before, question, after));
        }

        /** The same with another prompt. */
        public Options withPrompt(Prompt prompt) {
            return new Options(name, type, target, chunkLength, prompt, replace, progress);
        }

        /** The same, replacing an existing file or not. */
        public Options withReplace(boolean replace) {
            return new Options(name, type, target, chunkLength, prompt, replace, progress);
        }

        /** The same with another listener. */
        public Options withProgress(ConversionReport.Progress progress) {
            return new Options(name, type, target, chunkLength, prompt, replace, progress);
        }
    }

    /** What the official checkpoints were trained for. */
    private static final int OFFICIAL_CHUNK_LENGTH = 512;

    private static final long MAX_CONFIG_BYTES = 1 << 20;

    private final Path checkpoint;
    private final Path out;
    private final Options options;

    private FormerConverter(Path checkpoint, Path out, Options options) {
        this.checkpoint = checkpoint;
        this.out = out;
        this.options = options;
    }

    /**
     * Converts a checkpoint. The file appears complete or not at all.
     *
     * @param checkpoint its folder
     * @param out the GGUF file to write
     * @throws java.nio.file.FileAlreadyExistsException if the file exists and is not to be replaced
     * @throws ModelFileException of status FORMAT for a checkpoint that is damaged or contradicts itself (every tensor that
     *     is missing, unknown or of another shape is named), UNSUPPORTED for one that is not implemented, MISMATCH for a
     *     target of another width
     * @throws icformer.error.IcfException of status UNSUPPORTED for a type that cannot be written
     * @throws IOException if a file cannot be read or written
     */
    public static ConversionReport convert(Path checkpoint, Path out, Options options) throws IOException {
        if (options.type() != null) {
            TensorTypes.checkWritable(options.type());
        }
        return new FormerConverter(checkpoint, out, options).run();
    }

    private ConversionReport run() throws IOException {
        AtomicFile.Existing existing = options.replace() ? AtomicFile.Existing.REPLACE : AtomicFile.Existing.KEEP;
        AtomicFile.checkTarget(out, existing, inputs());
        try (Arena arena = Arena.ofShared()) {
            FormerConfig config = readConfig();
            Map<String, StoredTensor> weights = Checkpoint.readWeights(checkpoint, arena);
            Map<String, StoredTensor> parameters = Checkpoint.readFile(checkpoint.resolve("param.pt"), arena);
            List<FormerLayout.Tensor> tensors = FormerLayout.match(config, checkpoint, weights, parameters);
            Optional<ReaderLayout> reader = ReaderLayout.read(checkpoint, options.target(), arena);
            Map<String, GgufValue> values = metadata(config, tensors, prompt(config));
            List<WeightWriter.Job> jobs =
                    new ArrayList<>(tensors.stream().map(this::job).toList());
            reader.ifPresent(each -> {
                each.describe(values);
                jobs.addAll(each.jobs(options.type()));
            });
            return WeightWriter.write(out, existing, values, jobs, options.progress());
        }
    }

    /** Everything in the checkpoint's folder, and the LLM. */
    private List<Path> inputs() throws IOException {
        List<Path> inputs = new ArrayList<>();
        if (options.target() != null) {
            inputs.add(options.target());
        }
        if (Files.isDirectory(checkpoint)) {
            try (Stream<Path> files = Files.list(checkpoint)) {
                files.filter(file -> !file.toString().endsWith(".gguf")).forEach(inputs::add);
            }
        }
        return inputs;
    }

    private FormerConfig readConfig() throws IOException {
        if (!Files.isDirectory(checkpoint)) {
            throw new NoSuchFileException(checkpoint.toString(), null, "no folder of that name");
        }
        Path file = checkpoint.resolve("config.json");
        return FormerConfig.of(Json.parseObject(SourceFile.readAll(file, MAX_CONFIG_BYTES), file), file);
    }

    /** Texts that were given, or those of the checkpoint; null for those that nobody named. */
    private Prompt prompt(FormerConfig config) throws IOException {
        return options.prompt().orElse(promptOfCheckpoint(config));
    }

    private Prompt promptOfCheckpoint(FormerConfig config) throws IOException {
        Path file = checkpoint.resolve("prompt.json");
        if (!Files.exists(file)) {
            return config.chunkLength() == 0 ? Prompt.OFFICIAL : Prompt.OF_CHECKPOINT;
        }
        Map<String, @Nullable Object> json = Json.parseObject(SourceFile.readAll(file, MAX_CONFIG_BYTES), file);
        return new Prompt(text(json, "before", file), text(json, "question", file), text(json, "after", file));
    }

    private static String text(Map<String, @Nullable Object> json, String key, Path file) throws IOException {
        if (json.get(key) instanceof String text) {
            return text;
        }
        throw Failures.format(file, "has no text '%s'", key);
    }

    private WeightWriter.Job job(FormerLayout.Tensor tensor) {
        StoredTensor source = tensor.source();
        TensorType wanted = wanted(tensor);
        return new WeightWriter.Job(
                tensor.target(),
                shape(source),
                typeOf(source),
                wanted,
                tensor.matrix() ? TensorTypes.fitting(wanted, source.rowLength()) : wanted,
                new CheckpointSource(source));
    }

    private TensorType wanted(FormerLayout.Tensor tensor) {
        if (!tensor.matrix()) {
            return TensorTypes.f32();
        }
        return options.type() != null ? options.type() : typeOf(tensor.source());
    }

    /** As GGUF writes it, the fastest dimension first; markers and norms are vectors, digest embeddings a matrix. */
    private static List<Long> shape(StoredTensor tensor) {
        return tensor.rows() == 1 ? List.of(tensor.rowLength()) : List.of(tensor.rowLength(), tensor.rows());
    }

    private static TensorType typeOf(StoredTensor tensor) {
        return TensorType.of(tensor.type().name());
    }

    // ---- Metadata ----

    private Map<String, GgufValue> metadata(FormerConfig config, List<FormerLayout.Tensor> tensors, Prompt prompt)
            throws IOException {
        Map<String, GgufValue> values = new LinkedHashMap<>();
        values.put("general.architecture", GgufValue.text("icformer"));
        values.put("general.name", GgufValue.text(name()));
        TensorType main = mainType(tensors);
        TensorTypes.fileType(main).ifPresent(number -> values.put(TensorTypes.FILE_TYPE, GgufValue.u32(number)));
        if (TensorTypes.isQuantized(main)) {
            values.put(TensorTypes.QUANTIZATION_VERSION, GgufValue.u32(TensorTypes.CURRENT_QUANTIZATION_VERSION));
        }
        putSizes(values, config);
        putPrompt(values, prompt);
        if (options.target() != null) {
            putTarget(values, config, options.target());
        }
        return values;
    }

    private String name() {
        if (options.name() != null) {
            return options.name();
        }
        Path folder = checkpoint.toAbsolutePath().normalize().getFileName();
        return folder == null ? "icformer" : folder.toString();
    }

    /** The type that most matrices are asked to have. */
    private TensorType mainType(List<FormerLayout.Tensor> tensors) {
        return wanted(
                tensors.stream().filter(FormerLayout.Tensor::matrix).findFirst().orElseThrow());
    }

    private void putSizes(Map<String, GgufValue> values, FormerConfig config) {
        values.put("icformer.block_count", GgufValue.u32(config.layers()));
        values.put("icformer.embedding_length", GgufValue.u32(config.width()));
        values.put("icformer.feed_forward_length", GgufValue.u32(config.feedForwardWidth()));
        values.put("icformer.attention.head_count", GgufValue.u32(config.heads()));
        values.put("icformer.attention.head_count_kv", GgufValue.u32(config.kvHeads()));
        values.put("icformer.attention.layer_norm_rms_epsilon", GgufValue.f32(config.normEpsilon()));
        values.put("icformer.rope.freq_base", GgufValue.f32(config.ropeBase()));
        if (config.ropeFactor() != 1) {
            values.put("icformer.rope.scaling.type", GgufValue.text("linear"));
            values.put("icformer.rope.scaling.factor", GgufValue.f32(config.ropeFactor()));
        }
        values.put("icformer.digest_count", GgufValue.u32(config.digests()));
        values.put("icformer.chunk_length", GgufValue.u32(chunkLength(config)));
        values.put("icformer.cross_attention_interval", GgufValue.u32(config.crossInterval()));
    }

    /** Keys of the texts that are known: of a former without any, the LLM's chat template is used. */
    private static void putPrompt(Map<String, GgufValue> values, Prompt prompt) {
        putText(values, "icformer.prompt.before", prompt.before());
        putText(values, "icformer.prompt.question", prompt.question());
        putText(values, "icformer.prompt.after", prompt.after());
    }

    private static void putText(Map<String, GgufValue> values, String key, @Nullable String text) {
        if (text != null) {
            values.put(key, GgufValue.text(text));
        }
    }

    private int chunkLength(FormerConfig config) {
        if (options.chunkLength() > 0) {
            return options.chunkLength();
        }
        return config.chunkLength() > 0 ? config.chunkLength() : OFFICIAL_CHUNK_LENGTH;
    }

    private static void putTarget(Map<String, GgufValue> values, FormerConfig config, Path target) throws IOException {
        try (GgufFile file = GgufFile.open(target)) {
            Metadata metadata = file.metadata();
            String architecture = metadata.text("general.architecture");
            long width = metadata.integer(architecture + ".embedding_length");
            if (width != config.width()) {
                throw new ModelFileException(
                        Status.MISMATCH,
                        target,
                        "%s: its embedding width is %d, but that of the former is %d"
                                .formatted(target, width, config.width()));
            }
            String tokens = "tokenizer.ggml.tokens";
            long count = metadata.contains(tokens) ? metadata.key(tokens).count() : 0;
            values.put("icformer.target.architecture", GgufValue.text(architecture));
            values.put("icformer.target.embedding_length", GgufValue.u32(width));
            values.put(
                    "icformer.target.vocab_size", GgufValue.u32(metadata.integer(architecture + ".vocab_size", count)));
            values.put("icformer.target.vocab_hash", GgufValue.u64(file.vocabularyHash()));
        }
    }
}
