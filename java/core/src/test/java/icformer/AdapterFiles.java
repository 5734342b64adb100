package icformer;

import icformer.files.AtomicFile;
import icformer.files.ElementType;
import icformer.files.GgufFile;
import icformer.files.GgufValue;
import icformer.files.GgufWriter;
import icformer.files.SafetensorsWriter;
import icformer.files.TensorInfo;
import icformer.files.TensorType;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;

/** Random low-rank adapters of {@link TestData#LLM}: as files of their own, and as the reader of a checkpoint. */
public final class AdapterFiles {
    public static final int RANK = 4;
    public static final float SCALE = 2;

    private static final List<String> MATRICES =
            List.of("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down");

    private AdapterFiles() {}

    /** The former of {@link TestData#former}, with a reader for every matrix; F32. */
    public static Path formerWithReader() {
        return WithReader.FORMER;
    }

    private static final class WithReader {
        static final Path FORMER = make();

        private static Path make() {
            try {
                Path folder = Files.createTempDirectory("reader-");
                Path checkpoint = checkpoint(folder, 1);
                Path former = TestData.convert(checkpoint, "f32", TestData.LLM);
                try (Stream<Path> files = Files.list(folder)) {
                    for (Path file : files.toList()) {
                        Files.delete(file);
                    }
                }
                Files.delete(folder);
                return former;
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }

    /** The checkpoint of {@link TestData#former} with a reader, in an empty folder. */
    public static Path checkpoint(Path folder, long seed) throws IOException {
        for (String name : List.of("config.json", "model.safetensors", "param.pt")) {
            Files.copy(TestData.resource("golden/e2e-llama/icformer").resolve(name), folder.resolve(name));
        }
        writeReader(folder.resolve("reader.safetensors"), RANK, seed);
        Files.writeString(folder.resolve("reader.json"), "{\"rank\": %d, \"scale\": %s}".formatted(RANK, SCALE));
        return folder;
    }

    /** Writes {@code reader.safetensors}. */
    public static void writeReader(Path file, int rank, long seed) throws IOException {
        List<SafetensorsWriter.Entry> entries = new ArrayList<>();
        for (Map.Entry<String, List<Long>> weight : shapes(weights()).entrySet()) {
            String name = weight.getKey().replace(".weight", "");
            entries.add(new SafetensorsWriter.Entry(
                    name + ".a",
                    ElementType.F32,
                    List.of((long) rank, weight.getValue().get(0))));
            entries.add(new SafetensorsWriter.Entry(
                    name + ".b", ElementType.F32, List.of(weight.getValue().get(1), (long) rank)));
        }
        Random random = new Random(seed);
        try (SafetensorsWriter writer =
                SafetensorsWriter.create(file, AtomicFile.Existing.REPLACE, Map.of(), entries)) {
            for (SafetensorsWriter.Entry entry : entries) {
                writer.write(floats(random, entry.shape().get(0) * entry.shape().get(1)));
            }
            writer.commit();
        }
    }

    /** Writes an adapter as llama.cpp does, for weights of {@link TestData#LLM} by name. */
    public static Path write(Path file, float alpha, long seed, String... weights) throws IOException {
        Map<String, GgufValue> values = new LinkedHashMap<>();
        values.put("general.architecture", GgufValue.text("llama"));
        values.put("general.type", GgufValue.text("adapter"));
        values.put("general.name", GgufValue.text("small changes"));
        values.put("adapter.type", GgufValue.text("lora"));
        values.put("adapter.lora.alpha", GgufValue.f32(alpha));
        List<GgufWriter.Entry> entries = new ArrayList<>();
        int f32 = TensorType.of("f32").number();
        for (Map.Entry<String, List<Long>> weight : shapes(List.of(weights)).entrySet()) {
            long inputs = weight.getValue().get(0);
            long outputs = weight.getValue().get(1);
            boolean embeddings = weight.getKey().equals("token_embd.weight");
            List<Long> a = embeddings ? List.of((long) RANK, outputs) : List.of(inputs, (long) RANK);
            List<Long> b = List.of((long) RANK, embeddings ? inputs : outputs);
            entries.add(new GgufWriter.Entry(weight.getKey() + ".lora_a", f32, a, a.get(0) * a.get(1) * Float.BYTES));
            entries.add(new GgufWriter.Entry(weight.getKey() + ".lora_b", f32, b, b.get(0) * b.get(1) * Float.BYTES));
        }
        Random random = new Random(seed);
        try (GgufWriter writer = GgufWriter.create(file, AtomicFile.Existing.REPLACE, values, entries)) {
            for (GgufWriter.Entry entry : entries) {
                writer.write(floats(random, entry.bytes() / Float.BYTES));
            }
            writer.commit();
        }
        return file;
    }

    private static List<String> weights() {
        return Stream.of(0, 1, 2)
                .flatMap(layer -> MATRICES.stream().map(name -> "blk.%d.%s.weight".formatted(layer, name)))
                .toList();
    }

    private static Map<String, List<Long>> shapes(List<String> weights) throws IOException {
        Map<String, List<Long>> shapes = new LinkedHashMap<>();
        try (GgufFile llm = GgufFile.open(TestData.LLM)) {
            List<TensorInfo> tensors = llm.tensors();
            for (String weight : weights) {
                tensors.stream()
                        .filter(tensor -> tensor.name().equals(weight))
                        .forEach(tensor -> shapes.put(weight, tensor.shape()));
            }
        }
        return shapes;
    }

    private static MemorySegment floats(Random random, long count) {
        float[] values = new float[Math.toIntExact(count)];
        for (int i = 0; i < values.length; i++) {
            values[i] = 0.1f * (float) random.nextGaussian();
        }
        MemorySegment bytes = MemorySegment.ofArray(new byte[values.length * Float.BYTES]);
        bytes.copyFrom(MemorySegment.ofArray(values));
        return bytes;
    }
}
