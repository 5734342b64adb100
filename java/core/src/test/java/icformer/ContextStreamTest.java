package icformer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import icformer.error.IcfException;
import icformer.error.Status;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.Arrays;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

class ContextStreamTest {
    private static final int[] TOKENS =
            IntStream.range(0, 1300).map(i -> 3 + i * 7 % 500).toArray();

    private static Model model;
    private static Digester digester;

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
    void fullChunksAndTheRestAreDigestedAsTheyStand() {
        ContextStream stream = digester.openStream();
        for (int first = 0; first < TOKENS.length; first += 90) {
            stream.append(Arrays.copyOfRange(TOKENS, first, Math.min(first + 90, TOKENS.length)));
        }

        Digest digest = stream.digest();

        assertThat(stream.length()).isEqualTo(1300);
        assertThat(digest.chunks())
                .containsExactly(new Digest.Chunk(0, 512), new Digest.Chunk(512, 1024), new Digest.Chunk(1024, 1300));
        for (int i = 0; i < 3; i++) {
            Digest.Chunk chunk = digest.chunks().get(i);
            Digest alone = digester.digest(
                    Arrays.copyOfRange(TOKENS, (int) chunk.first(), (int) chunk.end()),
                    DigestOptions.defaults().withMaxChunk(DigestOptions.ONE_CHUNK));
            assertThat(digest.rows(16L * i, 16).mismatch(alone.rows())).isEqualTo(-1);
        }
        assertThat(digest.origin().contextSha256())
                .isEqualTo(digester.digest(TOKENS).origin().contextSha256());
    }

    @Test
    void aDigestStaysWhenTheContextGrows() {
        ContextStream stream = digester.openStream();
        stream.append(5, 6, 7);
        Digest before = stream.digest();
        byte[] rows = before.rows().toArray(ValueLayout.JAVA_BYTE);

        stream.append(8);

        assertThat(stream.digest().rows().mismatch(before.rows())).isNotEqualTo(-1);
        assertThat(before.rows().toArray(ValueLayout.JAVA_BYTE)).isEqualTo(rows);
    }

    @Test
    void aForeignTokenIsNotAdded() {
        ContextStream stream = digester.openStream();
        stream.append(5);

        assertThatThrownBy(() -> stream.append(6, 1_000_000))
                .isInstanceOfSatisfying(
                        IcfException.class, e -> assertThat(e.status()).isEqualTo(Status.ARGUMENT));

        assertThat(stream.length()).isEqualTo(1);
    }

    /** A context whose full chunk cannot be digested does not have its tokens, which would come twice when tried again. */
    @Test
    void tokensThatCannotBeDigestedAreNotAdded() throws IOException {
        Path copy = Files.copy(
                TestData.former(), Files.createTempDirectory("former-").resolve("former.gguf"));
        try (Model other = Model.open(TestData.LLM);
                Digester cut = other.openDigester(
                        copy, TestData.ONE_THREAD.withMaxTableBytes(0).withUseMmap(true))) {
            ContextStream stream = cut.openStream();
            stream.append(5, 6);
            Files.setLastModifiedTime(copy, FileTime.fromMillis(0));
            int[] chunk = new int[cut.info().chunkLength()];

            assertThatThrownBy(() -> stream.append(chunk)).isInstanceOf(IcfException.class);
            assertThat(stream.length()).isEqualTo(2);
        }
    }

    @Test
    void anEmptyContextHasNoDigest() {
        assertThatThrownBy(() -> digester.openStream().digest())
                .isInstanceOfSatisfying(
                        IcfException.class, e -> assertThat(e.status()).isEqualTo(Status.ARGUMENT));
    }
}
