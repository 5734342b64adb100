package icformer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import icformer.error.IcfException;
import icformer.error.Status;
import icformer.text.Tokenizer;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.NoSuchElementException;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class TokenStreamTest {
    /** So hot that all tokens are about equally likely, the end of the text among them. */
    private static final Sampling HOT = Sampling.of(1000);

    private static Model model;
    private Session session;

    @BeforeAll
    static void openModel() throws IOException {
        model = Model.open(TestData.LLM);
    }

    @AfterAll
    static void closeModel() {
        model.close();
    }

    @BeforeEach
    void open() {
        session = model.openSession(SessionOptions.defaults().withThreads(1));
        session.append(model.tokenizer().encode("The lamp"));
    }

    @AfterEach
    void close() {
        session.close();
    }

    @Test
    void endsAtTheLimit() {
        long length = session.length();
        TokenStream stream = session.generate(Sampling.greedy(), 5);

        assertThat(stream.finishReason()).isEmpty();
        assertThat(ids(stream)).hasSize(5);
        assertThat(stream.count()).isEqualTo(5);
        assertThat(stream.finishReason()).contains(FinishReason.LIMIT);
        assertThat(session.length()).isEqualTo(length + 5);
        assertThat(stream.hasNext()).isFalse();
        assertThatThrownBy(stream::next).isInstanceOf(NoSuchElementException.class);
    }

    @Test
    void noTokensAreALimitToo() {
        TokenStream stream = session.generate(Sampling.greedy(), 0);

        assertThat(stream.hasNext()).isFalse();
        assertThat(stream.finishReason()).contains(FinishReason.LIMIT);
        assertThatThrownBy(() -> session.generate(Sampling.greedy(), -1)).isInstanceOf(IcfException.class);
    }

    @Test
    void isGreedyAppendAndSample() {
        long length = session.length();
        List<Integer> streamed = ids(session.generate(Sampling.greedy(), 8));
        session.truncate(length - 1);
        int[] prompt = model.tokenizer().encode("The lamp");
        session.append(prompt[prompt.length - 1]);
        List<Integer> sampled = new ArrayList<>();
        for (int i = 0; i < 8; i++) {
            int id = session.sample(Sampling.greedy());
            sampled.add(id);
            session.append(id);
        }

        assertThat(streamed).isEqualTo(sampled);
    }

    @Test
    void goesOnWhereItStopped() {
        long length = session.length();
        List<Integer> inTwo = ids(session.generate(Sampling.greedy(), 4));
        inTwo.addAll(ids(session.generate(Sampling.greedy(), 4)));
        session.truncate(0);
        session.append(model.tokenizer().encode("The lamp"));

        assertThat(session.length()).isEqualTo(length);
        assertThat(ids(session.generate(Sampling.greedy(), 8))).isEqualTo(inTwo);
    }

    @Test
    void givenTokenIsAppendedWhenTheNextIsAskedFor() {
        long length = session.length();
        TokenStream stream = session.generate(Sampling.greedy(), 5);
        stream.next();
        assertThat(session.length()).isEqualTo(length);
        stream.next();
        assertThat(session.length()).isEqualTo(length + 1);
        assertThat(stream.hasNext()).isTrue();
        assertThat(stream.hasNext()).isTrue();
        assertThat(session.length()).isEqualTo(length + 2);
    }

    @Test
    void endsWhereTheModelEnds() {
        for (long seed = 0; seed < 20; seed++) {
            session.truncate(0);
            session.append(5);
            TokenStream stream = session.generate(HOT.withSeed(seed), 1000);
            List<Integer> ids = ids(stream);
            if (stream.finishReason().orElseThrow() == FinishReason.END_OF_GENERATION) {
                assertThat(ids)
                        .hasSizeLessThan(1000)
                        .doesNotContain(model.tokenizer().eos().orElseThrow());
                assertThat(session.length()).isEqualTo(1 + ids.size());
                assertThat(session.sample(HOT.withSeed(seed)))
                        .isEqualTo(model.tokenizer().eos().orElseThrow());
                return;
            }
        }
        throw new AssertionError("no seed drew the end of the text");
    }

    @Test
    void endsWhereTheContextIsFull() {
        try (Session small = model.openSession(new SessionOptions(1, 8, 8, KvType.F16))) {
            small.append(5, 6, 7);
            TokenStream stream = small.generate(Sampling.greedy(), 100);

            assertThat(ids(stream)).hasSize(6);
            assertThat(stream.finishReason()).contains(FinishReason.CONTEXT_FULL);
            assertThat(small.length()).isEqualTo(8);
        }
    }

    @Test
    void textIsThatOfTheTokens() {
        int[] ids = ids(session.generate(HOT.withSeed(1), 100)).stream()
                .mapToInt(Integer::intValue)
                .toArray();
        session.truncate(0);
        session.append(model.tokenizer().encode("The lamp"));
        TokenStream stream = session.generate(HOT.withSeed(1), 100);
        StringBuilder text = new StringBuilder(stream.next().text());
        text.append(stream.text());

        Tokenizer.Decoder decoder = model.tokenizer().newDecoder();
        assertThat(text.toString()).isEqualTo(decoder.push(ids) + decoder.flush());
        assertThat(stream.remainder()).isEmpty();
    }

    @Test
    void needsLogits() {
        session.append(new int[] {5}, Outputs.NONE);

        assertThatThrownBy(() -> session.generate(Sampling.greedy(), 1).next())
                .isInstanceOfSatisfying(
                        IcfException.class, e -> assertThat(e.status()).isEqualTo(Status.STATE));
    }

    private static List<Integer> ids(TokenStream stream) {
        List<Integer> ids = new ArrayList<>();
        stream.forEachRemaining(token -> ids.add(token.id()));
        return ids;
    }
}
