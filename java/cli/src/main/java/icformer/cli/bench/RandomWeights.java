package icformer.cli.bench;

import icformer.cli.console.CommandException;
import icformer.files.AtomicFile;
import icformer.files.GgufValue;
import icformer.files.GgufWriter;
import icformer.files.TensorType;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.IntToDoubleFunction;
import java.util.stream.IntStream;

/**
 * Writes GGUF files of a shape with random weights: fast and in little memory, since all matrices are cut from one pool of
 * blocks that is quantised once. What is computed with them means nothing; how long it takes is real.
 */
final class RandomWeights implements AutoCloseable {
    /** Elements of the pool: a prime number of the longest blocks, so that the rows of a matrix differ. */
    private static final int POOL_ROWS = 4099;

    private static final int POOL_ROW_LENGTH = 256;

    /** Standard deviation of the weights: activations keep their size through the layers. */
    private static final float DEVIATION = 0.02f;

    private static final int BYTE_TOKENS = 259; // unknown, begin, end, and the 256 bytes
    private static final int TYPE_CONTROL = 3;
    private static final int TYPE_NORMAL = 1;
    private static final int TYPE_UNKNOWN = 2;
    private static final int TYPE_BYTE = 6;

    private final BenchShape shape;
    private final TensorType type;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment floats;
    private final MemorySegment pool;
    private final TensorType plain = TensorType.of("f32");
    private final List<GgufWriter.Entry> tensors = new ArrayList<>();

    /** @param type of the matrices */
    RandomWeights(BenchShape shape, TensorType type) {
        this.shape = shape;
        this.type = type;
        int block = type.blockLength();
        if (!type.isQuantizable() || shape.width % block != 0 || shape.feedForwardWidth % block != 0) {
            throw new CommandException("type %s cannot be written for shape %s: rows of %d and %d, blocks of %d"
                    .formatted(type, shape, shape.width, shape.feedForwardWidth, block));
        }
        long elements = (long) POOL_ROWS * POOL_ROW_LENGTH;
        floats = arena.allocate(elements * Float.BYTES, 64);
        Random random = new Random(0);
        for (long i = 0; i < elements; i++) {
            floats.setAtIndex(ValueLayout.JAVA_FLOAT, i, (float) random.nextGaussian() * DEVIATION);
        }
        pool = arena.allocate(type.bytes(elements), 64);
        type.quantize(floats, POOL_ROWS, POOL_ROW_LENGTH, pool);
    }

    @Override
    public void close() {
        arena.close();
    }

    // ---- The LLM ----

    /** Writes the LLM; an existing file is replaced. */
    void writeModel(Path file) throws IOException {
        tensors.clear();
        matrix("token_embd", shape.width, shape.vocabularySize);
        matrix("output", shape.width, shape.vocabularySize);
        vector("output_norm");
        for (int layer = 0; layer < shape.layers; layer++) {
            layer("blk." + layer);
        }
        write(file, modelValues());
    }

    private Map<String, GgufValue> modelValues() {
        Map<String, GgufValue> values = sizes("llama", shape.layers);
        values.put("llama.context_length", GgufValue.u32(shape.context));
        values.put("llama.rope.dimension_count", GgufValue.u32(shape.width / shape.heads));
        values.put("llama.vocab_size", GgufValue.u32(shape.vocabularySize));
        values.put("tokenizer.ggml.model", GgufValue.text("llama"));
        values.put("tokenizer.ggml.pre", GgufValue.text("default"));
        values.put(
                "tokenizer.ggml.tokens",
                GgufValue.texts(IntStream.range(0, shape.vocabularySize)
                        .mapToObj(RandomWeights::piece)
                        .toList()));
        values.put("tokenizer.ggml.scores", array(GgufValue.Type.F32, id -> Math.min(0, BYTE_TOKENS - id)));
        values.put("tokenizer.ggml.token_type", array(GgufValue.Type.I32, RandomWeights::tokenType));
        values.put("tokenizer.ggml.bos_token_id", GgufValue.u32(1));
        values.put("tokenizer.ggml.eos_token_id", GgufValue.u32(2));
        return values;
    }

    private static String piece(int id) {
        return switch (id) {
            case 0 -> "<unk>";
            case 1 -> "<s>";
            case 2 -> "</s>";
            default -> id < BYTE_TOKENS ? "<0x%02X>".formatted(id - 3) : "\u2581t" + (id - BYTE_TOKENS);
        };
    }

    private static int tokenType(int id) {
        if (id == 0) {
            return TYPE_UNKNOWN;
        }
        return id < 3 ? TYPE_CONTROL : id < BYTE_TOKENS ? TYPE_BYTE : TYPE_NORMAL;
    }

    /** An array with a number for each token. */
    private GgufValue array(GgufValue.Type element, IntToDoubleFunction value) {
        ByteBuffer bytes = ByteBuffer.allocate(16 + 4 * shape.vocabularySize).order(ByteOrder.LITTLE_ENDIAN);
        bytes.putInt(GgufValue.Type.ARRAY.ordinal()).putInt(element.ordinal()).putLong(shape.vocabularySize);
        for (int id = 0; id < shape.vocabularySize; id++) {
            if (element == GgufValue.Type.F32) {
                bytes.putFloat((float) value.applyAsDouble(id));
            } else {
                bytes.putInt((int) value.applyAsDouble(id));
            }
        }
        return new GgufValue(MemorySegment.ofArray(bytes.array()));
    }

    // ---- The former ----

    /** Writes a former for the LLM; an existing file is replaced. */
    void writeFormer(Path file) throws IOException {
        tensors.clear();
        entry("digest_embd.weight", plain, List.of((long) shape.width, (long) shape.digestRows));
        vector("marker_ft");
        vector("marker_ae");
        vector("output_norm");
        for (int layer = 0; layer < BenchShape.FORMER_LAYERS; layer++) {
            vector("blk." + layer + ".context_norm");
            layer("blk." + layer);
        }
        Map<String, GgufValue> values = sizes("icformer", BenchShape.FORMER_LAYERS);
        values.put("icformer.digest_count", GgufValue.u32(shape.digestRows));
        values.put("icformer.chunk_length", GgufValue.u32(shape.chunkLength));
        values.put("icformer.cross_attention_interval", GgufValue.u32(1));
        values.put("icformer.target.architecture", GgufValue.text("llama"));
        values.put("icformer.target.embedding_length", GgufValue.u32(shape.width));
        values.put("icformer.target.vocab_size", GgufValue.u32(shape.vocabularySize));
        write(file, values);
    }

    // ---- Both ----

    private Map<String, GgufValue> sizes(String architecture, int layers) {
        Map<String, GgufValue> values = new LinkedHashMap<>();
        values.put("general.architecture", GgufValue.text(architecture));
        values.put("general.name", GgufValue.text("random-%s-%s".formatted(shape, type)));
        values.put(architecture + ".block_count", GgufValue.u32(layers));
        values.put(architecture + ".embedding_length", GgufValue.u32(shape.width));
        values.put(architecture + ".feed_forward_length", GgufValue.u32(shape.feedForwardWidth));
        values.put(architecture + ".attention.head_count", GgufValue.u32(shape.heads));
        values.put(architecture + ".attention.head_count_kv", GgufValue.u32(shape.kvHeads));
        values.put(architecture + ".attention.layer_norm_rms_epsilon", GgufValue.f32(1e-5f));
        values.put(architecture + ".rope.freq_base", GgufValue.f32(10000));
        return values;
    }

    private void layer(String name) {
        vector(name + ".attn_norm");
        vector(name + ".ffn_norm");
        matrix(name + ".attn_q", shape.width, shape.width);
        matrix(name + ".attn_k", shape.width, shape.kvWidth());
        matrix(name + ".attn_v", shape.width, shape.kvWidth());
        matrix(name + ".attn_output", shape.width, shape.width);
        matrix(name + ".ffn_gate", shape.width, shape.feedForwardWidth);
        matrix(name + ".ffn_up", shape.width, shape.feedForwardWidth);
        matrix(name + ".ffn_down", shape.feedForwardWidth, shape.width);
    }

    private void matrix(String name, int inputs, int outputs) {
        entry(name + ".weight", type, List.of((long) inputs, (long) outputs));
    }

    private void vector(String name) {
        entry(name + ".weight", plain, List.of((long) shape.width));
    }

    private void entry(String name, TensorType as, List<Long> dimensions) {
        long elements = dimensions.stream().reduce(1L, Math::multiplyExact);
        tensors.add(new GgufWriter.Entry(name, as.number(), dimensions, as.bytes(elements)));
    }

    private void write(Path file, Map<String, GgufValue> values) throws IOException {
        try (GgufWriter writer = GgufWriter.create(file, AtomicFile.Existing.REPLACE, values, tensors);
                Arena scratch = Arena.ofConfined()) {
            MemorySegment ones = scratch.allocate((long) shape.width * Float.BYTES, Float.BYTES);
            for (int i = 0; i < shape.width; i++) {
                ones.setAtIndex(ValueLayout.JAVA_FLOAT, i, 1);
            }
            for (GgufWriter.Entry tensor : tensors) {
                if (tensor.shape().size() == 1) {
                    writer.write(ones);
                } else {
                    writeFrom(tensor.type() == type.number() ? pool : floats, tensor.bytes(), writer);
                }
            }
            writer.commit();
        }
    }

    /** Writes so many bytes of the source, which is repeated as often as needed. */
    private static void writeFrom(MemorySegment source, long bytes, GgufWriter writer) throws IOException {
        for (long written = 0; written < bytes; ) {
            long count = Math.min(source.byteSize(), bytes - written);
            writer.write(source.asSlice(0, count));
            written += count;
        }
    }
}
