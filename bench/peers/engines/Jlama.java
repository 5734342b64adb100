import com.github.tjake.jlama.model.AbstractModel;
import com.github.tjake.jlama.model.ModelSupport;
import com.github.tjake.jlama.safetensors.DType;
import com.github.tjake.jlama.safetensors.SafeTensorSupport;
import com.github.tjake.jlama.tensor.AbstractTensor;
import com.github.tjake.jlama.tensor.KvBufferCache;
import java.io.BufferedOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.StringJoiner;

/**
 * Jlama FOLDER SHAPE N THREADS SAMPLES: decodes N tokens greedily by jlama-core, SAMPLES times; its four-bit weights, eight-bit
 * activations. The model, random weights of the shape, is written into FOLDER by the first run. Prints the milliseconds of a
 * token for each sample.
 */
final class Jlama {
    private record Shape(int width, int feedForward, int heads, int kvHeads, int layers, int vocabulary) {
        static Shape of(String name) {
            return switch (name) {
                case "demo" -> new Shape(128, 384, 4, 4, 4, 1184);
                case "1.1b" -> new Shape(2048, 5632, 32, 4, 22, 32000);
                default -> throw new IllegalArgumentException("there is no shape " + name);
            };
        }

        int kvWidth() {
            return width / heads * kvHeads;
        }
    }

    public static void main(String[] args) throws IOException {
        Path folder = Path.of(args[0]);
        Shape shape = Shape.of(args[1]);
        int count = Integer.parseInt(args[2]);
        int threads = Integer.parseInt(args[3]);
        int samples = Integer.parseInt(args[4]);
        write(folder, shape);
        File working = Files.createTempDirectory("jlama-").toFile();
        working.deleteOnExit();
        AbstractModel model = ModelSupport.loadModel(
                folder.toFile(), working, DType.F32, DType.I8, Optional.empty(), Optional.of(threads));
        StringJoiner times = new StringJoiner(", ", "{\"ms\": [", "]}");
        try (KvBufferCache cache = new KvBufferCache(model);
                AbstractTensor logits = model.makeDenseTensor(shape.vocabulary())) {
            decode(model, cache, logits, Math.max(count / 2, 16)); // until the compiler is done
            for (int i = 0; i < samples; i++) {
                times.add(String.valueOf(decode(model, cache, logits, count)));
            }
        }
        System.out.println(times);
        System.exit(0); // its threads would go on
    }

    private static double decode(AbstractModel model, KvBufferCache cache, AbstractTensor logits, int count) {
        try (KvBufferCache.KvBuffer kv = cache.getEphemeralKvBuffer()) {
            int token = 600;
            long start = System.nanoTime();
            for (int position = 0; position < count; position++) {
                try (AbstractTensor row = model.batchForward(new int[] {token}, position, kv)) {
                    token = model.sample(row.slice(0), 0, 0, logits);
                }
            }
            return (System.nanoTime() - start) / 1e6 / count;
        }
    }

    // ---- The model's files ----

    private static void write(Path folder, Shape shape) throws IOException {
        if (Files.exists(folder.resolve("model.safetensors"))) {
            return;
        }
        Path wide = Files.createDirectories(folder.resolveSibling(folder.getFileName() + "-bf16"));
        writeModel(wide, shape);
        SafeTensorSupport.quantizeModel(
                wide, DType.Q4, new String[] {"model.embed_tokens"}, new String[0], Optional.of(folder));
        Files.delete(wide.resolve("model.safetensors"));
    }

    private static void writeModel(Path folder, Shape shape) throws IOException {
        Files.writeString(folder.resolve("config.json"), """
                {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "bos_token_id": 1,
                 "eos_token_id": 2, "max_position_embeddings": 2048, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
                 "hidden_size": %d, "intermediate_size": %d, "num_attention_heads": %d, "num_key_value_heads": %d,
                 "num_hidden_layers": %d, "vocab_size": %d, "torch_dtype": "bfloat16"}
                """.formatted(shape.width(), shape.feedForward(), shape.heads(), shape.kvHeads(), shape.layers(),
                        shape.vocabulary()));
        StringJoiner vocabulary = new StringJoiner(", ");
        for (int id = 0; id < shape.vocabulary(); id++) {
            String piece = id < 3 ? new String[] {"<unk>", "<s>", "</s>"}[id]
                    : id < 259 ? "<0x%02X>".formatted(id - 3) : "t" + id;
            vocabulary.add("\"%s\": %d".formatted(piece, id));
        }
        Files.writeString(folder.resolve("tokenizer.json"),
                "{\"added_tokens\": [], \"model\": {\"type\": \"BPE\", \"unk_token\": \"<unk>\", \"fuse_unk\": true, "
                        + "\"byte_fallback\": true, \"vocab\": {" + vocabulary + "}, \"merges\": []}}");
        Files.writeString(folder.resolve("tokenizer_config.json"),
                "{\"bos_token\": \"<s>\", \"eos_token\": \"</s>\", \"legacy\": false}");
        Files.writeString(folder.resolve("README.md"), "Random weights.\n"); // jlama copies it
        writeWeights(folder.resolve("model.safetensors"), tensors(shape));
    }

    private static Map<String, int[]> tensors(Shape s) {
        Map<String, int[]> tensors = new LinkedHashMap<>();
        tensors.put("model.embed_tokens.weight", new int[] {s.vocabulary(), s.width()});
        tensors.put("lm_head.weight", new int[] {s.vocabulary(), s.width()});
        tensors.put("model.norm.weight", new int[] {s.width()});
        for (int i = 0; i < s.layers(); i++) {
            String layer = "model.layers." + i + ".";
            tensors.put(layer + "input_layernorm.weight", new int[] {s.width()});
            tensors.put(layer + "post_attention_layernorm.weight", new int[] {s.width()});
            tensors.put(layer + "self_attn.q_proj.weight", new int[] {s.width(), s.width()});
            tensors.put(layer + "self_attn.k_proj.weight", new int[] {s.kvWidth(), s.width()});
            tensors.put(layer + "self_attn.v_proj.weight", new int[] {s.kvWidth(), s.width()});
            tensors.put(layer + "self_attn.o_proj.weight", new int[] {s.width(), s.width()});
            tensors.put(layer + "mlp.gate_proj.weight", new int[] {s.feedForward(), s.width()});
            tensors.put(layer + "mlp.up_proj.weight", new int[] {s.feedForward(), s.width()});
            tensors.put(layer + "mlp.down_proj.weight", new int[] {s.width(), s.feedForward()});
        }
        return tensors;
    }

    private static void writeWeights(Path file, Map<String, int[]> tensors) throws IOException {
        StringJoiner header = new StringJoiner(", ", "{", "}");
        long offset = 0;
        for (Map.Entry<String, int[]> tensor : tensors.entrySet()) {
            long end = offset + 2 * elements(tensor.getValue());
            StringJoiner shape = new StringJoiner(", ", "[", "]");
            for (int size : tensor.getValue()) {
                shape.add(String.valueOf(size));
            }
            header.add("\"%s\": {\"dtype\": \"BF16\", \"shape\": %s, \"data_offsets\": [%d, %d]}"
                    .formatted(tensor.getKey(), shape, offset, end));
            offset = end;
        }
        byte[] json = header.toString().getBytes(StandardCharsets.UTF_8);
        byte[] pool = pool();
        byte[] ones = new byte[pool.length];
        for (int i = 0; i < ones.length; i += 2) {
            ones[i] = (byte) 0x80;
            ones[i + 1] = 0x3F;
        }
        try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(file), 1 << 20)) {
            out.write(ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(json.length).array());
            out.write(json);
            for (int[] shape : tensors.values()) {
                byte[] source = shape.length == 1 ? ones : pool;
                for (long left = 2 * elements(shape); left > 0; left -= source.length) {
                    out.write(source, 0, (int) Math.min(left, source.length));
                }
            }
        }
    }

    /** Random weights of deviation 0.02; a prime number of rows, so that those of a matrix differ. */
    private static byte[] pool() {
        ByteBuffer pool = ByteBuffer.allocate(2 * 4099 * 256).order(ByteOrder.LITTLE_ENDIAN);
        Random random = new Random(0);
        while (pool.hasRemaining()) {
            pool.putShort((short) (Float.floatToIntBits((float) random.nextGaussian() * 0.02f) >>> 16));
        }
        return pool.array();
    }

    private static long elements(int[] shape) {
        long count = 1;
        for (int size : shape) {
            count *= size;
        }
        return count;
    }
}
