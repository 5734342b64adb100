package icformer.cli.answer;

import static org.assertj.core.api.Assertions.assertThat;

import icformer.Digest;
import icformer.cli.Cli;
import icformer.files.AtomicFile;
import icformer.files.GgufFile;
import icformer.files.GgufWriter;
import icformer.files.Safetensors;
import icformer.files.TensorInfo;
import icformer.text.Tokenizer;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class AskCommandTest {
    @TempDir
    private Path folder;

    private Path context = Path.of("");

    @BeforeEach
    void writeContext() throws IOException {
        context = Files.writeString(folder.resolve("context.txt"), Cli.CONTEXT);
    }

    /** The text of the tokens that the reference generates for this prompt. */
    private static String expectedAnswer() throws IOException {
        try (Arena arena = Arena.ofConfined();
                GgufFile file = GgufFile.open(Cli.MODEL)) {
            int[] ids = Safetensors.open(Cli.GOLDEN.resolve("golden.safetensors"), arena)
                    .tensors()
                    .get("qa_legacy_pre.gen_ids")
                    .read(arena)
                    .toArray(ValueLayout.JAVA_INT);
            Tokenizer.Decoder decoder = Tokenizer.of(file.metadata()).newDecoder();
            return (decoder.push(ids) + decoder.flush()).strip();
        }
    }

    @Test
    void answersAsTheReferenceDoes() throws IOException {
        Map<String, @Nullable Object> json = Cli.runPair(
                        "ask",
                        "--context",
                        context.toString(),
                        "--question",
                        Cli.QUESTION,
                        "--max-tokens",
                        "32",
                        "--kv-type",
                        "f32",
                        "--json")
                .json();
        assertThat(json.get("answer")).isEqualTo(expectedAnswer());
        assertThat(json)
                .containsEntry("context_tokens", 150L)
                .containsEntry("digest_rows", 16L)
                .containsEntry("tokens", 32L)
                .containsEntry("finish_reason", "limit")
                .containsEntry("device", Cli.device().name())
                .containsEntry("model", "tiny-random-llama")
                .containsEntry("former", "icformer")
                .containsKeys("compress_ms", "first_token_ms", "tokens_per_second");
        assertThat((Double) json.get("compress_ms")).isPositive();
        assertThat((Double) json.get("first_token_ms")).isGreaterThan((Double) json.get("compress_ms"));
        assertThat((Double) json.get("tokens_per_second")).isPositive();
    }

    @Test
    void theTextIsTheAnswer() throws IOException {
        String text = Cli.runPair(
                        "ask",
                        "--context",
                        context.toString(),
                        "--question",
                        Cli.QUESTION,
                        "--max-tokens",
                        "32",
                        "--kv-type",
                        "f32")
                .output();
        assertThat(text.strip()).isEqualTo(expectedAnswer());
        assertThat(text).endsWith("\n");
    }

    @Test
    void theContextAndTheQuestionCanComeFromStandardInput() throws IOException {
        byte[] input = Cli.CONTEXT.getBytes(StandardCharsets.UTF_8);
        String[] args = Cli.withPair(
                "ask",
                "--context",
                "-",
                "--question",
                Cli.QUESTION,
                "--max-tokens",
                "32",
                "--kv-type",
                "f32",
                "--json");
        assertThat(Cli.run(input, args).json().get("answer")).isEqualTo(expectedAnswer());

        byte[] question = (Cli.QUESTION + "\n").getBytes(StandardCharsets.UTF_8);
        String[] asking = Cli.withPair(
                "ask",
                "--context",
                context.toString(),
                "--question",
                "-",
                "--max-tokens",
                "32",
                "--kv-type",
                "f32",
                "--json");
        assertThat(Cli.run(question, asking).json().get("answer")).isEqualTo(expectedAnswer());
    }

    @Test
    void aDigestFileAnswersAsItsContextDoes() throws IOException {
        Path digest = folder.resolve("context.digest");
        assertThat(Cli.runPair("compress", "--context", context.toString(), "-o", digest.toString(), "--json")
                        .json())
                .containsEntry("context_tokens", 150L)
                .containsEntry("digest_rows", 16L)
                .containsEntry("width", 64L)
                .containsEntry("type", "F32")
                .containsEntry("bytes", Files.size(digest))
                .containsEntry("chunks", List.of(List.of(0L, 150L)));
        assertThat(Cli.runPair(
                                "ask",
                                "--digest",
                                digest.toString(),
                                "--question",
                                Cli.QUESTION,
                                "--max-tokens",
                                "32",
                                "--kv-type",
                                "f32",
                                "--json")
                        .json())
                .containsEntry("answer", expectedAnswer())
                .containsEntry("context_tokens", 150L)
                .containsEntry("compress_ms", 0.0);
    }

    /** A former without matrices is not the one that made the digest, and no digester can be opened from it. */
    @Test
    void refusesAFormerWithoutMatrices() throws IOException {
        Path digest = folder.resolve("context.digest");
        Cli.runPair("compress", "--context", context.toString(), "-o", digest.toString())
                .output();
        Path bare = folder.resolve("bare.gguf");
        copyWithoutMatrices(Cli.Former.FILE, bare);
        String[] former = {"--model", Cli.MODEL.toString(), "--threads", "1", "--former", bare.toString()};
        String[] ask = {
            "ask",
            "--digest",
            digest.toString(),
            "--question",
            Cli.QUESTION,
            "--max-tokens",
            "32",
            "--kv-type",
            "f32",
            "--json"
        };
        assertThat(Cli.run(join(ask, former)).failure()).contains("was made by the former");
        String[] compress = {
            "compress",
            "--context",
            context.toString(),
            "-o",
            folder.resolve("out").toString()
        };
        assertThat(Cli.run(join(compress, former)).failure())
                .contains("bare.gguf")
                .contains("blk.0");
    }

    private static void copyWithoutMatrices(Path source, Path out) throws IOException {
        try (GgufFile file = GgufFile.open(source);
                Arena arena = Arena.ofConfined()) {
            List<TensorInfo> tensors = file.tensors().stream()
                    .filter(tensor -> !tensor.name().startsWith("blk."))
                    .toList();
            List<GgufWriter.Entry> entries = tensors.stream()
                    .map(tensor ->
                            new GgufWriter.Entry(tensor.name(), tensor.type().number(), tensor.shape(), tensor.bytes()))
                    .toList();
            try (GgufWriter writer = GgufWriter.create(out, AtomicFile.Existing.KEEP, file.values(), entries)) {
                for (TensorInfo tensor : tensors) {
                    MemorySegment data = arena.allocate(tensor.bytes());
                    file.read(tensor, 0, data);
                    writer.write(data);
                }
                writer.commit();
            }
        }
    }

    private static String[] join(String[] first, String[] second) {
        return Stream.of(first, second).flatMap(Stream::of).toArray(String[]::new);
    }

    @Test
    void theRatioKeepsTheFirstRows() throws IOException {
        Path all = folder.resolve("all.digest");
        Path few = folder.resolve("few.digest");
        Cli.runPair("compress", "--context", context.toString(), "--max-chunk", "100", "-o", all.toString())
                .output();
        assertThat(Cli.runPair(
                                "compress",
                                "--context",
                                context.toString(),
                                "--max-chunk",
                                "100",
                                "--ratio",
                                "20",
                                "-o",
                                few.toString(),
                                "--json")
                        .json())
                .containsEntry("digest_rows", 10L)
                .containsEntry("chunks", List.of(List.of(0L, 75L), List.of(75L, 150L)));
        Digest whole = Digest.load(all);
        Digest kept = Digest.load(few);
        assertThat(kept.rows(0, 5).mismatch(whole.rows(0, 5))).isEqualTo(-1);
        assertThat(kept.rows(5, 5).mismatch(whole.rows(16, 5))).isEqualTo(-1);

        String[] ask = {
            "ask", "--context", context.toString(), "--question", "q", "--max-tokens", "2", "--json", "--ratio"
        };
        assertThat(Cli.runPair(with(ask, "64")).json()).containsEntry("digest_rows", 8L);
        assertThat(Cli.runPair(with(ask, "31")).failure())
                .endsWith("--ratio is 31, but must be 32 or more: the former gives 16 rows for a chunk of 512 tokens");
        assertThat(Cli.runPair(with(ask, "0")).failure()).contains("--ratio is 0");
        assertThat(Cli.runPair("ask", "--digest", few.toString(), "--question", "q", "--ratio", "64")
                        .usage())
                .contains("it goes with --context");
    }

    @Test
    void theFullContextTakesThePlaceOfTheDigest() throws IOException {
        Map<String, @Nullable Object> json = Cli.runPair(
                        "ask",
                        "--full",
                        "--context",
                        context.toString(),
                        "--question",
                        Cli.QUESTION,
                        "--max-tokens",
                        "4",
                        "--json")
                .json();
        assertThat(json).containsEntry("digest_rows", 0L).containsEntry("context_tokens", 150L);
    }

    @Test
    void theSessionGrowsWithThePromptUpToWhatTheModelWasTrainedFor() throws IOException {
        Path longer = Files.writeString(folder.resolve("longer.txt"), Cli.CONTEXT.repeat(4));
        assertThat(Cli.runPair(
                                "ask",
                                "--full",
                                "--context",
                                longer.toString(),
                                "--question",
                                "q",
                                "--max-tokens",
                                "2",
                                "--json")
                        .json())
                .containsEntry("context_tokens", 600L)
                .containsEntry("context_length", 768L);

        Path tooLong = Files.writeString(folder.resolve("long.txt"), Cli.CONTEXT.repeat(14));
        assertThat(Cli.runPair("ask", "--full", "--context", tooLong.toString(), "--question", "q")
                        .failure())
                .matches(
                        "icf ask: the prompt takes 21\\d\\d positions and the answer at least one, but the LLM was trained for 2048");

        // 14 chunks of context are 64 rows: the digest fits
        assertThat(Cli.runPair("ask", "--context", tooLong.toString(), "--question", "q", "--max-tokens", "2", "--json")
                        .json())
                .containsEntry("digest_rows", 5 * 16L);
    }

    @Test
    void aNumberOfTokensThatWasAskedForMustFit() {
        assertThat(Cli.runPair(
                                "ask",
                                "--context",
                                context.toString(),
                                "--question",
                                "q",
                                "--ctx",
                                "128",
                                "--max-tokens",
                                "100")
                        .failure())
                .contains("and the answer up to 100, but --ctx is 128");
        // without a number the answer takes what is left
        assertThat(Cli.runPair("ask", "--context", context.toString(), "--question", "q", "--ctx", "128")
                        .code())
                .isZero();
    }

    @Test
    void theSeedDecidesWhatIsDrawn() {
        String[] args = {
            "ask",
            "--context",
            context.toString(),
            "--question",
            "q",
            "--max-tokens",
            "12",
            "--temperature",
            "1",
            "--top-k",
            "50",
            "--seed"
        };
        String one = Cli.runPair(with(args, "1")).output();
        assertThat(Cli.runPair(with(args, "1")).output()).isEqualTo(one);
        assertThat(Cli.runPair(with(args, "2")).output()).isNotEqualTo(one);
    }

    @Test
    void aDigestOfAnotherFormerIsRefused() throws IOException {
        Path digest = folder.resolve("other.digest");
        Path former = Cli.ROOT.resolve("java/core/src/test/resources/icformer/checkpoints/tiny-mha");
        Path other = folder.resolve("other.gguf");
        Cli.run("convert", former.toString(), "-o", other.toString()).output();
        Cli.run(Cli.withModel(
                        "compress",
                        "--former",
                        other.toString(),
                        "--context",
                        context.toString(),
                        "-o",
                        digest.toString()))
                .output();
        assertThat(Cli.runPair("ask", "--digest", digest.toString(), "--question", "q")
                        .failure())
                .contains("other.digest was made by the former 'tiny-mha'")
                .contains("but this one is 'icformer'");
    }

    @Test
    void aFormerOfAnotherModelIsRefused() {
        Path other = Cli.ROOT.resolve("models/fixtures/decoder-llama-gqa.gguf");
        assertThat(Cli.run(
                                "ask",
                                "--context",
                                context.toString(),
                                "--question",
                                "q",
                                "--model",
                                other.toString(),
                                "--former",
                                Cli.Former.FILE.toString())
                        .failure())
                .startsWith("icf ask: " + Cli.Former.FILE);
    }

    @Test
    void damagedDigestsAreRefused() throws IOException {
        Path digest = folder.resolve("context.digest");
        Cli.runPair("compress", "--context", context.toString(), "-o", digest.toString(), "--type", "f16")
                .output();
        byte[] bytes = Files.readAllBytes(digest);
        bytes[bytes.length - 1] ^= 1;
        Files.write(digest, bytes);
        assertThat(Cli.runPair("ask", "--digest", digest.toString(), "--question", "q")
                        .failure())
                .contains("context.digest")
                .contains("its rows are not those it was saved with");
        assertThat(Cli.runPair("ask", "--digest", context.toString(), "--question", "q")
                        .failure())
                .contains("context.txt: not a safetensors file");
    }

    private static String[] with(String[] args, String last) {
        String[] all = Arrays.copyOf(args, args.length + 1);
        all[args.length] = last;
        return all;
    }
}
