package icformer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import icformer.error.IcfException;
import icformer.error.ModelFileException;
import icformer.error.Status;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class DigesterTest {
    private static Model model;
    private static Digester digester;

    @TempDir
    private Path folder;

    @BeforeAll
    static void open() throws IOException {
        model = Model.open(TestData.LLM);
        digester = model.openDigester(TestData.former(), TestData.ONE_THREAD);
    }

    @AfterAll
    static void close() {
        digester.close();
        model.close();
    }

    @Test
    void infoIsThatOfTheFile() {
        DigesterInfo info = digester.info();

        assertThat(info.width()).isEqualTo(64);
        assertThat(info.layers()).isEqualTo(3);
        assertThat(info.heads()).isEqualTo(4);
        assertThat(info.feedForwardWidth()).isEqualTo(160);
        assertThat(info.digestRows()).isEqualTo(16);
        assertThat(info.chunkLength()).isEqualTo(512);
        assertThat(info.crossInterval()).isEqualTo(1);
        assertThat(info.hasFt()).isTrue();
        assertThat(info.hasAe()).isTrue();
        assertThat(info.threads()).isEqualTo(1);
        assertThat(info.fingerprint()).isNotZero();
        assertThat(digester.metadata().text("general.architecture")).isEqualTo("icformer");
        assertThat(digester.scratchBytes()).isNotNegative();
    }

    /** Spans of the reference: 33 in chunks of 32 are 17 + 16, 65 are 22 + 22 + 21, 100 are 4 × 25. */
    @ParameterizedTest
    @CsvSource({
        "32, 32, 32",
        "33, 32, 17 16",
        "64, 32, 32 32",
        "65, 32, 22 22 21",
        "100, 32, 25 25 25 25",
        "3, 0, 3",
        "600, -1, 300 300"
    })
    void chunksAreEven(int length, int maxChunk, String lengths) {
        Digest digest = digester.digest(tokens(length), DigestOptions.defaults().withMaxChunk(maxChunk));

        assertThat(digest.chunks().stream()
                        .map(Digest.Chunk::length)
                        .map(String::valueOf)
                        .toList())
                .containsExactly(lengths.split(" "));
        assertThat(digest.chunks().getFirst().first()).isZero();
        assertThat(digest.chunks().getLast().end()).isEqualTo(length);
        assertThat(digest.rowCount()).isEqualTo(16L * digest.chunks().size());
        assertThat(Digester.chunkLength(length, maxChunk < 0 ? 512 : maxChunk))
                .isEqualTo(digest.chunks().getFirst().length());
    }

    @Test
    void chunksDoNotSeeOneAnother() {
        int[] tokens = tokens(65);
        Digest whole = digester.digest(tokens, DigestOptions.defaults().withMaxChunk(32));
        Digest second = digester.digest(IntStream.of(tokens).skip(22).limit(22).toArray());

        assertThat(whole.rows(16, 16).mismatch(second.rows())).isEqualTo(-1);
    }

    @Test
    void batchesChangeNothing() {
        DigestOptions options = DigestOptions.defaults().withMaxChunk(16);
        Digest single = digester.digest(tokens(100), options);
        Digest batched = digester.digest(tokens(100), options.withBatch(3));

        assertThat(TestData.relativeL2(batched.rows(), single.rows())).isLessThan(TestData.rounding(1e-5));
    }

    /** A digest row sees those before it alone. */
    @ParameterizedTest
    @CsvSource({"1, 1", "5, 1", "5, 3", "16, 3"})
    void theFirstRowsAreThoseOfTheWholeDigest(int kept, int batch) {
        DigestOptions options = DigestOptions.defaults().withMaxChunk(16).withBatch(batch);
        Digest whole = digester.digest(tokens(100), options);
        Digest first = digester.digest(tokens(100), options.withChunkRows(kept));

        assertThat(first.chunks()).isEqualTo(whole.chunks()).hasSize(7);
        assertThat(first.rowCount()).isEqualTo(7L * kept);
        for (int i = 0; i < 7; i++) {
            assertThat(first.rows((long) i * kept, kept).mismatch(whole.rows(i * 16L, kept)))
                    .isEqualTo(-1);
        }
        assertThat(first.origin()).isEqualTo(whole.origin());
    }

    @Test
    void theFirstRowsOfEmbeddingsAreKept() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment embeddings = model.embed(tokens(40), arena);
            DigestOptions options = DigestOptions.defaults().withMaxChunk(20);
            Digest whole = digester.digestEmbeddings(embeddings, 40, options);
            Digest first = digester.digestEmbeddings(
                    embeddings, 40, options.withChunkRows(2).withArena(arena));

            assertThat(first.rows(0, 2).mismatch(whole.rows(0, 2))).isEqualTo(-1);
            assertThat(first.rows(2, 2).mismatch(whole.rows(16, 2))).isEqualTo(-1);
        }
    }

    @Test
    void moreRowsThanThereAreCannotBeKept() {
        assertThatThrownBy(() ->
                        digester.digest(tokens(5), DigestOptions.defaults().withChunkRows(17)))
                .isInstanceOfSatisfying(
                        IcfException.class, e -> assertThat(e.status()).isEqualTo(Status.ARGUMENT))
                .hasMessage("chunkRows is 17, but must be 16 or less: the former gives no more");
    }

    @Test
    void methodsAgree() throws IOException {
        DigesterOptions options = TestData.ONE_THREAD;
        try (Digester plain = model.openDigester(TestData.former(), options.withMethod(DigesterOptions.Method.PLAIN));
                Digester tableless =
                        model.openDigester(TestData.former(), options.withMaxTableBytes(DigesterOptions.NO_TABLE))) {
            Digest expected = plain.digest(tokens(40));

            assertThat(plain.info().method()).isEqualTo(DigesterOptions.Method.PLAIN);
            assertThat(digester.info().method()).isEqualTo(DigesterOptions.Method.FAST);
            assertThat(tableless.info().tableBytes()).isZero();
            assertThat(TestData.relativeL2(digester.digest(tokens(40)).rows(), expected.rows()))
                    .isLessThan(TestData.rounding(2e-5));
            assertThat(TestData.relativeL2(tableless.digest(tokens(40)).rows(), expected.rows()))
                    .isLessThan(TestData.rounding(2e-5));
        }
    }

    @Test
    void tableIsFilledAsTokensAppear() throws IOException {
        try (Digester fresh = model.openDigester(TestData.former(), TestData.ONE_THREAD)) {
            assertThat(fresh.info().tableBytes()).isPositive();
            assertThat(fresh.tableTokens()).isZero();
            fresh.digest(new int[] {5, 6, 5});
            assertThat(fresh.tableTokens()).isEqualTo(2);
            fresh.prepare(6, 7);
            assertThat(fresh.tableTokens()).isEqualTo(3);
            fresh.prepare(IntStream.range(0, 512).toArray());
            assertThat(fresh.tableTokens()).isEqualTo(512);
            assertThat(fresh.digest(tokens(40))
                            .rows()
                            .mismatch(digester.digest(tokens(40)).rows()))
                    .isEqualTo(-1);
            assertThatThrownBy(() -> fresh.prepare(512))
                    .isInstanceOfSatisfying(
                            IcfException.class, e -> assertThat(e.status()).isEqualTo(Status.ARGUMENT));
        }
    }

    @Test
    void givenEmbeddingsDoAsTheirTokens() {
        int[] tokens = tokens(40);
        DigestOptions options = DigestOptions.defaults().withMaxChunk(16);
        try (Arena arena = Arena.ofConfined()) {
            Digest ofTokens = digester.digest(tokens, options);
            Digest ofRows = digester.digestEmbeddings(model.embed(tokens, arena), 40, options);

            assertThat(TestData.relativeL2(ofRows.rows(), ofTokens.rows())).isLessThan(TestData.rounding(1e-6));
            assertThat(ofRows.chunks()).isEqualTo(ofTokens.chunks());
            assertThat(ofRows.origin().contextSha256()).isEmpty();
        }
    }

    @Test
    void originNamesModelFormerAndContext() throws NoSuchAlgorithmException {
        Digest.Origin origin = digester.digest(new int[] {5, 6}).origin();
        byte[] ids = ByteBuffer.allocate(8)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(5)
                .putInt(6)
                .array();

        assertThat(origin.modelName()).isEqualTo(model.info().name());
        assertThat(origin.modelFingerprint()).isEqualTo(model.info().fingerprint());
        assertThat(origin.formerName()).isEqualTo(digester.info().name());
        assertThat(origin.formerFingerprint()).isEqualTo(digester.info().fingerprint());
        assertThat(origin.contextSha256())
                .isEqualTo(HexFormat.of()
                        .formatHex(MessageDigest.getInstance("SHA-256").digest(ids)));
    }

    @Test
    void emptyContextIsDigestedOnlyWhenAskedFor() {
        assertThatThrownBy(() -> digester.digest(new int[0]))
                .isInstanceOfSatisfying(
                        IcfException.class, e -> assertThat(e.status()).isEqualTo(Status.ARGUMENT))
                .hasMessageContaining("the context is empty");

        Digest digest = digester.digest(new int[0], DigestOptions.defaults().withMaxChunk(DigestOptions.ONE_CHUNK));
        assertThat(digest.rowCount()).isEqualTo(16);
        assertThat(digest.chunks()).containsExactly(new Digest.Chunk(0, 0));
    }

    @Test
    void rowsLieInTheGivenArena() {
        try (Arena arena = Arena.ofConfined()) {
            Digest digest = digester.digest(tokens(4), DigestOptions.defaults().withArena(arena));

            assertThat(digest.rows().scope()).isEqualTo(arena.scope());
            assertThat(digest.rows().address() % 64).isZero();
        }
    }

    @Test
    void progressIsToldAfterEveryBatch() {
        List<String> told = new ArrayList<>();
        digester.digest(
                tokens(100),
                DigestOptions.defaults().withMaxChunk(20).withBatch(2).withProgress((done, total) -> {
                    told.add(done + "/" + total);
                    return true;
                }));

        assertThat(told).containsExactly("2/5", "4/5", "5/5");
    }

    @Test
    void listenerMayCancel() {
        DigestOptions options = DigestOptions.defaults().withMaxChunk(20).withProgress((done, _) -> done < 2);

        assertThatThrownBy(() -> digester.digest(tokens(100), options))
                .isInstanceOf(CancellationException.class)
                .hasMessage("cancelled after 2 of 5 chunks");
        assertThat(digester.digest(tokens(3)).rowCount()).isEqualTo(16);
    }

    @Test
    void listenerMayNotCallTheDigesterButReadItsFile() {
        List<String> seen = new ArrayList<>();
        digester.digest(tokens(3), DigestOptions.defaults().withProgress((_, _) -> {
            assertThatThrownBy(() -> digester.digest(tokens(3)))
                    .isInstanceOfSatisfying(
                            IcfException.class, e -> assertThat(e.status()).isEqualTo(Status.STATE));
            assertThatThrownBy(digester::close)
                    .isInstanceOfSatisfying(
                            IcfException.class, e -> assertThat(e.status()).isEqualTo(Status.STATE));
            seen.add(digester.metadata().text("general.architecture"));
            return true;
        }));

        assertThat(seen).containsExactly("icformer");
    }

    @Test
    void tokensOutsideOfTheVocabularyAreRefused() {
        assertThatThrownBy(() -> digester.digest(new int[] {1, 512}))
                .isInstanceOfSatisfying(
                        IcfException.class, e -> assertThat(e.status()).isEqualTo(Status.ARGUMENT))
                .hasMessageContaining("512");
    }

    @Test
    void withoutAModelOnlyEmbeddingsCanBeDigested() throws IOException {
        try (Digester alone = Digester.open(TestData.former(), TestData.ONE_THREAD);
                Arena arena = Arena.ofConfined()) {
            MemorySegment rows = model.embed(tokens(10), arena);
            Digest digest = alone.digestEmbeddings(rows, 10);

            assertThat(TestData.relativeL2(
                            digest.rows(), digester.digest(tokens(10)).rows()))
                    .isLessThan(TestData.rounding(1e-6));
            assertThat(digest.origin().modelFingerprint()).isZero();
            assertThatThrownBy(() -> alone.digest(tokens(10)))
                    .isInstanceOfSatisfying(
                            IcfException.class, e -> assertThat(e.status()).isEqualTo(Status.STATE));
        }
    }

    @Test
    void embeddingsAreChecked() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment rows = model.embed(tokens(10), arena);

            assertThatThrownBy(() -> digester.digestEmbeddings(rows, 11)).hasMessageContaining("are needed");
            assertThatThrownBy(() -> digester.digestEmbeddings(rows, -1)).hasMessageContaining("-1 rows");
            assertThatThrownBy(() -> digester.digestEmbeddings(MemorySegment.ofArray(new float[640]), 10))
                    .hasMessageContaining("Java heap");
            assertThatThrownBy(() -> digester.digestEmbeddings(rows, Long.MAX_VALUE / 2))
                    .isInstanceOf(IcfException.class);
        }
    }

    @Test
    void markersAreLearnedRows() {
        try (Arena arena = Arena.ofConfined()) {
            float[] ft = digester.marker(Marker.FT, arena).toArray(ValueLayout.JAVA_FLOAT);
            float[] ae = digester.marker(Marker.AE, arena).toArray(ValueLayout.JAVA_FLOAT);

            assertThat(ft).hasSize(64).isNotEqualTo(ae);
        }
    }

    @Test
    void formerOfAnotherModelIsRefused() throws IOException {
        Path narrow = TestData.fixture("former-bias.gguf");

        assertThatThrownBy(() -> model.openDigester(narrow))
                .isInstanceOfSatisfying(
                        ModelFileException.class, e -> assertThat(e.status()).isEqualTo(Status.MISMATCH))
                .hasMessageContaining("width");
    }

    static int[] tokens(int length) {
        return IntStream.range(0, length).map(i -> 3 + i * 37 % 509).toArray();
    }
}
