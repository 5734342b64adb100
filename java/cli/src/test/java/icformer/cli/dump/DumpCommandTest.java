package icformer.cli.dump;

import static org.assertj.core.api.Assertions.assertThat;

import icformer.cli.Cli;
import icformer.files.AtomicFile;
import icformer.files.ElementType;
import icformer.files.Safetensors;
import icformer.files.SafetensorsWriter;
import icformer.files.StoredTensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DumpCommandTest {

    @TempDir
    private Path folder;

    private final Arena arena = Arena.ofConfined();

    @AfterEach
    void closeArena() {
        arena.close();
    }

    @Test
    void theDigestOfTokensIsThatOfTheReference() throws IOException {
        Path out = out();
        assertThat(Cli.runPair("dump", "digest", "--tokens", golden("qa.context_ids"), "-o", out.toString())
                        .output())
                .isEqualTo(out + ": digest [16, 64]\n");
        assertSame(tensor(out, "digest"), goldenFloats("qa.digest"));

        Cli.runPair(
                        "dump",
                        "digest",
                        "--tokens",
                        golden("qa_chunk48.context_ids"),
                        "--max-chunk",
                        "48",
                        "--force",
                        "-o",
                        out.toString())
                .output();
        assertSame(tensor(out, "digest"), goldenFloats("qa_chunk48.digest"));
        assertThat(Cli.runPair("dump", "digest", "--tokens", golden("qa.context_ids"), "-o", out.toString())
                        .failure())
                .contains("--force replaces it");
    }

    @Test
    void theDigestOfEmbeddingsNeedsNoModel() throws IOException {
        Path embeddings = folder.resolve("embeddings.safetensors");
        Path out = out();
        Cli.runModel("dump", "embeddings", "--tokens", golden("qa.context_ids"), "-o", embeddings.toString())
                .output();
        Cli.run(
                        "dump",
                        "digest",
                        "--former",
                        Cli.Former.FILE.toString(),
                        "--embeddings",
                        embeddings.toString(),
                        "-o",
                        out.toString(),
                        "--threads",
                        "1")
                .output();
        assertSame(tensor(out, "digest"), goldenFloats("qa.digest"));
    }

    @Test
    void nothingIsDigestedInOneChunkAlone() throws IOException {
        Path empty = write("empty.safetensors", new float[0], 64);
        String former = Cli.Former.FILE.toString();
        Path out = out();
        assertThat(Cli.run("dump", "digest", "--former", former, "--embeddings", empty.toString(), "-o", out.toString())
                        .failure())
                .contains("the context is empty: --max-chunk 0 digests nothing in one chunk");
        assertThat(out).doesNotExist();
        Cli.run(
                        "dump",
                        "digest",
                        "--former",
                        former,
                        "--embeddings",
                        empty.toString(),
                        "--max-chunk",
                        "0",
                        "-o",
                        out.toString())
                .output();
        assertThat(tensor(out, "digest")).hasSize(16 * 64);
    }

    @Test
    void embeddingsOfAnotherShapeAreRefused() throws IOException {
        Path narrow = write("narrow.safetensors", new float[64], 32);
        assertThat(Cli.run(
                                "dump",
                                "digest",
                                "--former",
                                Cli.Former.FILE.toString(),
                                "--embeddings",
                                narrow.toString(),
                                "-o",
                                out().toString())
                        .failure())
                .endsWith("narrow.safetensors: tensor x has shape [2, 32], but rows [n, 64] are needed");
    }

    @Test
    void logitsOfEveryRowAndOfGreedyTokensAreThoseOfTheReference() throws IOException {
        Path out = out();
        assertThat(Cli.runModel(
                                "dump",
                                "logits",
                                "--tokens",
                                golden("plain.ids"),
                                "--generate",
                                "32",
                                "-o",
                                out.toString(),
                                "--json")
                        .json()
                        .get("tensors"))
                .isEqualTo(Map.of(
                        "logits", List.of(20L, 512L), "generated_logits", List.of(32L, 512L), "ids", List.of(32L)));
        assertSame(tensor(out, "logits"), goldenFloats("plain.logits"));
        assertSame(tensor(out, "generated_logits"), goldenFloats("plain.gen_logits"));
        assertThat(ids(out)).containsExactly(ids("plain.gen_ids"));
    }

    @Test
    void logitsOfEmbeddingsAreThoseOfTheReference() throws IOException {
        Path rows = write("rows.safetensors", goldenFloats("qa.inputs_embeds"), 64);
        Path out = out();
        Cli.runModel("dump", "logits", "--embeddings", rows.toString(), "--generate", "32", "-o", out.toString())
                .output();
        assertSame(tensor(out, "logits"), goldenFloats("qa.prompt_logits"));
        assertSame(tensor(out, "generated_logits"), goldenFloats("qa.gen_logits"));
        assertThat(ids(out)).containsExactly(ids("qa.gen_ids"));
    }

    /** A prompt of two batches: what comes first does not know of what follows, and generation begins at the last row. */
    @Test
    void longPromptsAreWrittenBatchByBatch() throws IOException {
        String first = golden("plain.ids");
        String more = IntStream.range(0, 580)
                .mapToObj(i -> String.valueOf(3 + i % 500))
                .collect(Collectors.joining(","));
        Path out = out();
        Cli.runModel("dump", "logits", "--tokens", first + "," + more, "--generate", "1", "-o", out.toString())
                .output();
        float[] logits = tensor(out, "logits");
        assertThat(logits).hasSize(600 * 512);
        assertSame(Arrays.copyOf(logits, 20 * 512), goldenFloats("plain.logits"));
        assertThat(tensor(out, "generated_logits")).containsExactly(Arrays.copyOfRange(logits, 599 * 512, 600 * 512));
    }

    @Test
    void wordEmbeddingsAreThoseOfTheReference() throws IOException {
        Path out = out();
        Cli.runModel("dump", "embeddings", "--tokens", golden("qa.pre_ids"), "-o", out.toString())
                .output();
        // the prompt of the golden case begins with them
        assertThat(tensor(out, "embeddings")).containsExactly(Arrays.copyOf(goldenFloats("qa.inputs_embeds"), 32 * 64));
    }

    @Test
    void tokensBeyondTheVocabularyAreRefused() {
        assertThat(Cli.runModel("dump", "logits", "--tokens", "1,512", "-o", out().toString())
                        .failure())
                .contains("512");
        assertThat(Cli.runModel("dump", "embeddings", "--tokens", "-1", "-o", out().toString())
                        .failure())
                .contains("-1");
        assertThat(out()).doesNotExist();
    }

    @Test
    void positionsBeyondTheTrainedOnesHaveToBeAskedFor() {
        assertThat(Cli.runModel("dump", "logits", "--tokens", "1", "--generate", "2049", "-o", out().toString())
                        .failure())
                .contains("2049 positions are needed, but the LLM was trained for 2048; --ctx allows more");
        assertThat(Cli.runModel("dump", "logits", "--tokens", "1,2", "--ctx", "1", "-o", out().toString())
                        .failure())
                .contains("2 positions are needed, but --ctx is 1");
    }

    private Path out() {
        return folder.resolve("out.safetensors");
    }

    private Path write(String name, float[] values, long width) throws IOException {
        Path file = folder.resolve(name);
        SafetensorsWriter.write(
                file,
                AtomicFile.Existing.KEEP,
                Map.of(),
                new SafetensorsWriter.Entry("x", ElementType.F32, List.of(values.length / width, width)),
                MemorySegment.ofArray(values));
        return file;
    }

    private float[] tensor(Path file, String name) throws IOException {
        StoredTensor tensor = Safetensors.open(file, arena).tensors().get(name);
        assertThat(tensor.type()).isEqualTo(ElementType.F32);
        return tensor.read(Arena.ofAuto()).toArray(ValueLayout.JAVA_FLOAT);
    }

    private int[] ids(Path file) throws IOException {
        StoredTensor tensor = Safetensors.open(file, arena).tensors().get("ids");
        assertThat(tensor.type()).isEqualTo(ElementType.I32);
        return tensor.read(Arena.ofAuto()).toArray(ValueLayout.JAVA_INT);
    }

    private Safetensors golden() throws IOException {
        return Safetensors.open(Cli.GOLDEN.resolve("golden.safetensors"), arena);
    }

    private float[] goldenFloats(String name) throws IOException {
        return golden().tensors().get(name).read(Arena.ofAuto()).toArray(ValueLayout.JAVA_FLOAT);
    }

    private int[] ids(String name) throws IOException {
        return golden().tensors().get(name).read(Arena.ofAuto()).toArray(ValueLayout.JAVA_INT);
    }

    private String golden(String ids) throws IOException {
        return Arrays.stream(ids(ids)).mapToObj(String::valueOf).collect(Collectors.joining(","));
    }

    private static void assertSame(float[] actual, float[] expected) throws IOException {
        assertThat(actual).hasSameSizeAs(expected);
        double difference = 0;
        double norm = 0;
        for (int i = 0; i < expected.length; i++) {
            difference += Math.pow((double) actual[i] - expected[i], 2);
            norm += Math.pow(expected[i], 2);
        }
        assertThat(Math.sqrt(difference / norm)).isLessThan(Cli.rounding(2e-5));
    }
}
