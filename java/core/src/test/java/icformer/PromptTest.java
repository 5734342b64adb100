package icformer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import icformer.error.IcfException;
import icformer.error.Status;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

class PromptTest {
    private static final int[] CONTEXT = {5, 6, 7, 8, 9};
    private static final SessionOptions OPTIONS =
            SessionOptions.defaults().withThreads(1).withContextLength(64);

    private static Model model;
    private static Digester digester;
    private static Digest digest;
    private static MemorySegment marker;

    @BeforeAll
    static void open() throws IOException {
        model = Model.open(TestData.LLM);
        digester = model.openDigester(TestData.former(), TestData.ONE_THREAD);
        digest = digester.digest(CONTEXT);
        marker = digester.marker(Marker.FT, Arena.ofAuto());
    }

    @AfterAll
    static void close() {
        digester.close();
        model.close();
    }

    private static Prompt mixed() {
        return Prompt.of(1, 2)
                .then(Prompt.of(digest))
                .then(Prompt.ofRow(marker))
                .then(3, 4);
    }

    @Test
    void partsAreCountedAndTokensAreJoined() {
        assertThat(Prompt.empty().length()).isZero();
        assertThat(mixed().length()).isEqualTo(2 + digest.rowCount() + 1 + 2);
        assertThat(mixed().parts()).hasSize(4);
        Prompt joined = Prompt.of().then(1, 2).then(Prompt.of(3)).then();
        assertThat(joined.parts()).hasSize(1);
        assertThat(((Prompt.Tokens) joined.parts().getFirst()).ids()).containsExactly(1, 2, 3);
    }

    @Test
    void isNotChangedByWhoMadeIt() {
        int[] ids = {1, 2, 3};
        Prompt prompt = Prompt.of(ids);
        ids[0] = 9;
        ((Prompt.Tokens) prompt.parts().getFirst()).ids()[1] = 9;
        assertThat(((Prompt.Tokens) prompt.parts().getFirst()).ids()).containsExactly(1, 2, 3);
    }

    @Test
    void fingerprintIsThatOfWhatIsRead() {
        assertThat(mixed().fingerprint()).matches("[0-9a-f]{64}").isEqualTo(mixed().fingerprint());
        assertThat(Prompt.of(1, 2).then(3).fingerprint())
                .isEqualTo(Prompt.of(1).then(2, 3).fingerprint());
        assertThat(Prompt.of(digester.digest(CONTEXT)).fingerprint())
                .isEqualTo(Prompt.of(digest).fingerprint());
        assertThat(mixed().then(5).fingerprint()).isNotEqualTo(mixed().fingerprint());
        assertThat(Prompt.of(1, 2).fingerprint()).isNotEqualTo(Prompt.of(2, 1).fingerprint());
        assertThat(Prompt.of(digester.digest(new int[] {5, 6, 7})).fingerprint())
                .isNotEqualTo(Prompt.of(digest).fingerprint());
        assertThat(Prompt.of(1).then(Prompt.ofRow(marker)).fingerprint())
                .isNotEqualTo(Prompt.ofRow(marker).then(1).fingerprint());
    }

    @Test
    void isReadAsItsPartsOneAfterTheOther() {
        try (Session whole = model.openSession(OPTIONS);
                Session parts = model.openSession(OPTIONS)) {
            whole.append(mixed());
            parts.append(new int[] {1, 2}, Outputs.NONE);
            parts.append(digest, Outputs.NONE);
            parts.append(marker, RowType.F32, 1, Outputs.NONE);
            parts.append(3, 4);
            assertThat(logits(whole)).isEqualTo(logits(parts));
        }
    }

    @Test
    void theSamePartMayStandThereTwice() {
        Prompt row = Prompt.ofRow(marker);
        try (Session twice = model.openSession(OPTIONS);
                Session parts = model.openSession(OPTIONS)) {
            twice.append(row.then(row));
            parts.append(marker, RowType.F32, 1);
            parts.append(marker, RowType.F32, 1);
            assertThat(twice.length()).isEqualTo(2);
            assertThat(logits(twice)).isEqualTo(logits(parts));
        }
    }

    @Test
    void allOfItOrNothingIsAppended() {
        try (Session session = model.openSession(OPTIONS)) {
            session.append(1);
            int beyond = model.info().vocabularySize();
            assertThatThrownBy(() ->
                            session.append(mixed().then(Prompt.ofRow(marker)).then(beyond)))
                    .isInstanceOfSatisfying(
                            IcfException.class, e -> assertThat(e.status()).isEqualTo(Status.ARGUMENT));
            assertThat(session.length()).isEqualTo(1);
            assertThatThrownBy(() -> session.append(mixed().then(new int[64])))
                    .isInstanceOfSatisfying(
                            IcfException.class, e -> assertThat(e.status()).isEqualTo(Status.CAPACITY))
                    .hasMessageContaining("only 63 of the session's 64 are free");
            assertThatThrownBy(() -> session.append(mixed(), Outputs.logits(3)))
                    .isInstanceOfSatisfying(
                            IcfException.class, e -> assertThat(e.status()).isEqualTo(Status.ARGUMENT));
            assertThatThrownBy(() -> session.append(Prompt.empty()))
                    .isInstanceOfSatisfying(
                            IcfException.class, e -> assertThat(e.status()).isEqualTo(Status.ARGUMENT));
            assertThat(session.length()).isEqualTo(1);
        }
    }

    @Test
    void aRowOfAnotherWidthIsRefused() {
        assertThatThrownBy(() -> Prompt.ofRow(Arena.ofAuto().allocate(3)))
                .isInstanceOfSatisfying(
                        IcfException.class, e -> assertThat(e.status()).isEqualTo(Status.ARGUMENT));
        try (Session session = model.openSession(OPTIONS)) {
            Prompt narrow = Prompt.of(1).then(Prompt.ofRow(Arena.ofAuto().allocate(8, 4)));
            assertThatThrownBy(() -> session.append(narrow))
                    .isInstanceOfSatisfying(
                            IcfException.class, e -> assertThat(e.status()).isEqualTo(Status.ARGUMENT));
            assertThat(session.length()).isZero();
        }
    }

    private static float[] logits(Session session) {
        float[] logits = new float[model.info().vocabularySize()];
        session.logits(logits);
        return logits;
    }
}
