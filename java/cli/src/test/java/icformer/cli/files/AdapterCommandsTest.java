package icformer.cli.files;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import icformer.cli.Cli;
import icformer.files.AtomicFile;
import icformer.files.ElementType;
import icformer.files.GgufFile;
import icformer.files.Safetensors;
import icformer.files.SafetensorsWriter;
import icformer.files.TensorInfo;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Adapters of an LLM and readers of formers, from the checkpoint to the answer. */
class AdapterCommandsTest {
    private static final int RANK = 4;
    private static final String MODEL = Cli.MODEL.toString();

    @TempDir
    private Path folder;

    private String former = "";

    @BeforeEach
    void convert() throws IOException {
        Path checkpoint = Files.createDirectory(folder.resolve("checkpoint"));
        for (String name : List.of("config.json", "model.safetensors", "param.pt")) {
            Files.copy(Cli.GOLDEN.resolve("icformer").resolve(name), checkpoint.resolve(name));
        }
        writeReader(checkpoint.resolve("reader.safetensors"));
        former = folder.resolve("former.gguf").toString();
        Cli.run("convert", checkpoint.toString(), "--target", MODEL, "--type", "f32", "-o", former)
                .output();
    }

    private static void writeReader(Path file) throws IOException {
        List<SafetensorsWriter.Entry> entries = new ArrayList<>();
        try (GgufFile llm = GgufFile.open(Cli.MODEL)) {
            for (TensorInfo tensor : llm.tensors()) {
                if (tensor.name().contains("attn_q") || tensor.name().contains("ffn_down")) {
                    String name = tensor.name().replace(".weight", "");
                    entries.add(new SafetensorsWriter.Entry(
                            name + ".a",
                            ElementType.F32,
                            List.of((long) RANK, tensor.shape().get(0))));
                    entries.add(new SafetensorsWriter.Entry(
                            name + ".b", ElementType.F32, List.of(tensor.shape().get(1), (long) RANK)));
                }
            }
        }
        Random random = new Random(1);
        Map<String, String> metadata = Map.of("rank", String.valueOf(RANK), "scale", "2");
        try (SafetensorsWriter writer = SafetensorsWriter.create(file, AtomicFile.Existing.KEEP, metadata, entries)) {
            for (SafetensorsWriter.Entry entry : entries) {
                float[] values = new float
                        [Math.toIntExact(entry.shape().get(0) * entry.shape().get(1))];
                for (int i = 0; i < values.length; i++) {
                    values[i] = 0.2f * (float) random.nextGaussian();
                }
                MemorySegment bytes = MemorySegment.ofArray(new byte[values.length * Float.BYTES]);
                writer.write(bytes.copyFrom(MemorySegment.ofArray(values)));
            }
            writer.commit();
        }
    }

    private float[] logits(String model, String... more) throws IOException {
        String out = folder.resolve("logits.safetensors").toString();
        List<String> command = new ArrayList<>(
                List.of("dump", "logits", "--model", model, "--tokens", "1,17,42,300,5", "--force", "-o", out));
        command.addAll(List.of(more));
        assertThat(Cli.run(command.toArray(String[]::new)).code()).isZero();
        try (Arena arena = Arena.ofConfined()) {
            var tensor = Safetensors.open(Path.of(out), arena).onlyTensor();
            float[] values = new float[Math.toIntExact(tensor.elements())];
            tensor.readFloats(0, tensor.rows(), values);
            return values;
        }
    }

    private static double distance(float[] actual, float[] expected) {
        double difference = 0;
        double norm = 0;
        for (int i = 0; i < expected.length; i++) {
            difference += Math.pow((double) actual[i] - expected[i], 2);
            norm += Math.pow(expected[i], 2);
        }
        return Math.sqrt(difference / norm);
    }

    @Test
    void mergedWeightsComputeWhatTheAdapterDoes() throws IOException {
        String merged = folder.resolve("merged.gguf").toString();
        float[] plain = logits(MODEL);
        float[] half = logits(MODEL, "--lora", former + ":0.5");
        assertThat(distance(half, plain)).isGreaterThan(0.01);
        Cli.run("merge", "--model", MODEL, "--lora", former + ":0.5", "-o", merged)
                .output();
        assertThat(distance(logits(merged), half)).isLessThan(Cli.rounding(1e-5));

        assertThat(Cli.run("merge", "--model", MODEL, "--former", former, "-o", merged)
                        .failure())
                .endsWith("exists already; --force replaces it");
        Cli.run("merge", "--model", MODEL, "--former", former, "-o", merged, "--force")
                .output();
        float[] whole = logits(MODEL, "--lora", former);
        assertThat(distance(logits(merged), whole)).isLessThan(Cli.rounding(1e-5));
        assertThat(distance(logits(MODEL, "--lora", former + ":0.25", "--lora", former + ":0.75"), whole))
                .isLessThan(Cli.rounding(1e-5));
    }

    @Test
    void infoTellsOfTheReader() throws IOException {
        assertThat((Map<?, ?>) Cli.run("info", former, "--json").json().get("adapter"))
                .satisfies(adapter -> {
                    assertThat(adapter.get("kind")).isEqualTo("reader");
                    assertThat(adapter.get("pairs")).isEqualTo(6L);
                    assertThat(adapter.get("rank")).isEqualTo((long) RANK);
                    assertThat(((Number) adapter.get("scale")).doubleValue()).isCloseTo(2, within(1e-6));
                });
        assertThat(Cli.run("info", MODEL, "--json").json()).doesNotContainKey("adapter");
    }

    @Test
    void answersFromDigestsAreReadWithTheReader() throws IOException {
        String context =
                Files.writeString(folder.resolve("context.txt"), Cli.CONTEXT).toString();
        String merged = folder.resolve("merged.gguf").toString();
        Cli.run("merge", "--model", MODEL, "--former", former, "-o", merged).output();
        String bare = folder.resolve("bare.gguf").toString();
        Cli.run("convert", Cli.GOLDEN.resolve("icformer").toString(), "--type", "f32", "-o", bare)
                .output();
        String[] tail = {"--context", context, "--question", Cli.QUESTION, "--max-tokens", "12", "--ctx", "256"};
        String expected = Cli.run(concat(tail, "ask", "--model", merged, "--former", bare))
                .output();
        assertThat(Cli.run(concat(tail, "ask", "--model", MODEL, "--former", former))
                        .output())
                .isEqualTo(expected);
        assertThat(Cli.run(concat(tail, "ask", "--model", MODEL, "--former", bare))
                        .output())
                .isNotEqualTo(expected);
    }

    private static String[] concat(String[] tail, String... head) {
        List<String> all = new ArrayList<>(List.of(head));
        all.addAll(List.of(tail));
        return all.toArray(String[]::new);
    }

    @Test
    void saysWhatIsWrong() {
        String merged = folder.resolve("merged.gguf").toString();
        assertThat(Cli.run("merge", "--model", MODEL, "-o", merged).usage()).contains("--lora or --former");
        assertThat(Cli.run("merge", "--model", MODEL, "--lora", MODEL, "-o", merged)
                        .failure())
                .contains("not an adapter");
        assertThat(Cli.run("generate", "--model", MODEL, "--prompt", "a", "--lora", former + ":much")
                        .failure())
                .contains("'much' is no scale");
        assertThat(Cli.run("generate", "--model", MODEL, "--prompt", "a", "--lora", "missing.gguf")
                        .failure())
                .contains("missing.gguf: no such file");
        assertThat(folder.resolve("merged.gguf")).doesNotExist();
    }
}
