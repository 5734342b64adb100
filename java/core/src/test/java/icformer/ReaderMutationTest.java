package icformer;

import static org.assertj.core.api.Assertions.assertThat;

import icformer.internal.format.Checkpoint;
import icformer.internal.format.Checkpoints;
import icformer.internal.format.StoredTensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Valid files with random damage through each reader of Java: they are read, or refused with an exception that the reader
 * declares, within seconds. {@code -Dicformer.mutations=N} damages each kind of file N times, and {@code
 * -Dicformer.mutations.seed=S} does so in other ways.
 */
class ReaderMutationTest {
    private static final int MUTATIONS = Integer.getInteger("icformer.mutations", 400);
    private static final long SEED = Long.getLong("icformer.mutations.seed", 1);
    private static final long LONGEST_SECONDS = 10; // of a machine that has other things to do

    /** What is most dangerous as a length, count or offset. */
    private static final long[] LENGTHS = {
        0, 1, -1, 8, 0x7F, 0xFF, 0x7FFF_FFFFL, 0x8000_0000L, 0xFFFF_FFFFL, 1L << 32, 1L << 61, Long.MAX_VALUE, Long.MIN_VALUE
    };

    @TempDir
    private Path folder;

    private interface Reader {
        void read(Path file) throws IOException;
    }

    /**
     * A kind of file.
     *
     * @param name its name, with the ending by which readers tell kinds apart
     * @param examples valid files of it
     * @param end bytes that are worth damaging; behind them are weights
     */
    record Kind(String name, List<Path> examples, int end, Reader reader) {
        @Override
        public String toString() {
            return name;
        }
    }

    static Stream<Kind> kinds() throws IOException {
        int whole = Integer.MAX_VALUE;
        Path checkpoint = TestData.resource("golden/e2e-llama/icformer");
        List<Path> pickles = List.of(checkpoint.resolve("param.pt"), Checkpoints.TINY_BF16.resolve("param.pt"));
        List<Path> templates;
        try (Stream<Path> files = Files.list(TestData.TEMPLATES)) {
            templates = files.filter(file -> file.toString().endsWith(".jinja")).sorted().toList();
        }
        return Stream.of(
                new Kind("model.safetensors", List.of(checkpoint.resolve("model.safetensors")), 4096, ReaderMutationTest::readTensors),
                new Kind("param.pt", pickles, whole, ReaderMutationTest::readTensors),
                new Kind("config.json", List.of(checkpoint.resolve("config.json")), whole, ReaderMutationTest::convert),
                new Kind("digest.safetensors", List.of(digest()), whole, Digest::load),
                new Kind("model.gguf", List.of(TestData.LLM), 32768, ReaderMutationTest::readMetadata),
                new Kind("template.jinja", templates, whole, ReaderMutationTest::render));
    }

    private static Path digest() throws IOException {
        Path file = Files.createTempDirectory("digest-").resolve("digest.safetensors");
        try (Digester digester = Digester.open(TestData.former(), TestData.ONE_THREAD)) {
            digester.digestEmbeddings(Arena.ofAuto().allocate(3L * digester.info().width() * Float.BYTES), 3).save(file);
        }
        file.toFile().deleteOnExit();
        return file;
    }

    private static void readTensors(Path file) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            for (StoredTensor tensor : Checkpoint.readFile(file, arena).values()) {
                if (tensor.rows() > 0) {
                    tensor.readFloats(0, 1, new float[Math.toIntExact(tensor.elements() / tensor.rows())]);
                }
            }
        }
    }

    /** Converts a checkpoint with this configuration. */
    private static void convert(Path config) throws IOException {
        Path checkpoint = config.resolveSibling("checkpoint");
        Files.createDirectories(checkpoint);
        for (String name : List.of("model.safetensors", "param.pt")) {
            if (!Files.exists(checkpoint.resolve(name))) {
                Files.copy(TestData.resource("golden/e2e-llama/icformer").resolve(name), checkpoint.resolve(name));
            }
        }
        Files.write(checkpoint.resolve("config.json"), Files.readAllBytes(config));
        Path out = config.resolveSibling("out.gguf");
        FormerConverter.convert(checkpoint, out, FormerConverter.Options.defaults().withReplace(true));
    }

    private static void readMetadata(Path file) throws IOException {
        try (GgufFile gguf = GgufFile.open(file)) {
            Metadata metadata = gguf.metadata();
            Tokenizer tokenizer = Tokenizer.of(metadata);
            tokenizer.decode(tokenizer.encode("The lamp é"));
            if (ChatTemplate.isIn(metadata)) {
                ChatTemplate.of(metadata).apply(List.of(ChatMessage.user("Hi")), true);
            }
        }
    }

    private static void render(Path file) throws IOException {
        String template = new String(Files.readAllBytes(file), StandardCharsets.UTF_8);
        ChatTemplate.of(template).apply(List.of(ChatMessage.system("Be brief."), ChatMessage.user("Hi")), true);
    }

    @ParameterizedTest
    @MethodSource("kinds")
    void damagedFilesAreReadOrRefused(Kind kind) throws IOException {
        Path file = folder.resolve(kind.name());
        for (int i = 0; i < MUTATIONS; i++) {
            Random random = new Random(SEED + i);
            byte[] example = Files.readAllBytes(kind.examples().get(i % kind.examples().size()));
            Files.write(file, damaged(example, Math.min(kind.end(), example.length), random));
            String which = kind + " of seed " + (SEED + i);
            long begin = System.nanoTime();
            try {
                kind.reader().read(file);
            } catch (IOException e) {
                assertThat(e).as(which).hasMessageContaining(kind.name().equals("config.json") ? "checkpoint" : kind.name());
            } catch (IcfException e) {
                assertThat(e.status()).as(which).isNotEqualTo(Status.INTERNAL);
            } catch (RuntimeException | StackOverflowError | OutOfMemoryError e) {
                throw new AssertionError(which, e);
            }
            assertThat((System.nanoTime() - begin) / 1_000_000_000).as(which).isLessThan(LONGEST_SECONDS);
        }
    }

    /** One to eight changes within the first {@code end} bytes, half of the time only one. */
    private static byte[] damaged(byte[] bytes, int end, Random random) {
        byte[] damaged = bytes.clone();
        for (int changes = random.nextBoolean() ? 1 : 1 + random.nextInt(8); changes > 0; changes--) {
            damaged = changed(damaged, Math.min(end, damaged.length), random);
        }
        return damaged;
    }

    private static byte[] changed(byte[] bytes, int end, Random random) {
        if (end == 0) {
            return bytes;
        }
        int at = random.nextInt(end);
        int length = Math.min(1 << random.nextInt(8), end - at);
        switch (random.nextInt(7)) {
            case 0 -> bytes[at] ^= (byte) (1 << random.nextInt(8));
            case 1 -> bytes[at] = (byte) random.nextInt(256);
            case 2 -> {
                ByteBuffer value = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN);
                value.putLong(LENGTHS[random.nextInt(LENGTHS.length)]);
                System.arraycopy(value.array(), 0, bytes, at, Math.min(random.nextBoolean() ? 4 : 8, bytes.length - at));
            }
            case 3 -> { // a digit, quote, bracket or sign of a text
                byte[] signs = "0123456789-+.,:;\"'\\[]{}()%#|eE \n".getBytes(StandardCharsets.US_ASCII);
                bytes[at] = signs[random.nextInt(signs.length)];
            }
            case 4 -> { // a piece is copied to another place
                int from = random.nextInt(end - length + 1);
                System.arraycopy(bytes.clone(), from, bytes, at, length);
            }
            case 5 -> { // a piece is missing
                byte[] shorter = Arrays.copyOf(bytes, bytes.length - length);
                System.arraycopy(bytes, at + length, shorter, at, bytes.length - at - length);
                return shorter;
            }
            default -> { // the file ends here, or a piece is there twice
                if (random.nextInt(4) == 0) {
                    return Arrays.copyOf(bytes, at);
                }
                byte[] longer = Arrays.copyOf(bytes, bytes.length + length);
                System.arraycopy(bytes, at, longer, at + length, bytes.length - at);
                return longer;
            }
        }
        return bytes;
    }
}
