package icformer.eval;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.List;
import org.junit.jupiter.api.Test;

/** Each score against a value that is worked out by hand. */
class TextScoresTest {
    private static final double ROUNDING = 1e-12;

    @Test
    void wordsAreLowerCaseWithoutPunctuation() {
        assertThat(TextScores.words(" Oslo's 4-th CAFÉ_1, ½!")).containsExactly("oslo", "s", "4", "th", "café_1", "½");
        assertThat(TextScores.words("…")).isEmpty();
    }

    @Test
    void exactMatchIgnoresCaseAndPunctuation() {
        assertThat(TextScores.exactMatch("Oslo.", "oslo")).isEqualTo(1);
        assertThat(TextScores.exactMatch("in Oslo", "Oslo")).isZero();
        assertThat(TextScores.exactMatch("Ada Byron", "Byron Ada")).isZero();
        assertThat(TextScores.exactMatch("", "?")).isEqualTo(1);
    }

    @Test
    void f1CountsEachWordAsOftenAsBothHaveIt() {
        assertThat(TextScores.f1("a b c", "b c d")).isEqualTo(2.0 * 2 / (3 + 3), within(ROUNDING));
        assertThat(TextScores.f1("the the cat", "the cat")).isEqualTo(2.0 * 2 / (3 + 2), within(ROUNDING));
        assertThat(TextScores.f1("b a", "a b")).isEqualTo(1);
        assertThat(TextScores.f1("", "a")).isZero();
        assertThat(TextScores.f1("", "")).isEqualTo(1);
    }

    @Test
    void rouge2CountsPairsOfNeighbours() {
        // ab bc cd against bc cd de
        assertThat(TextScores.rouge2("a b c d", "b c d e")).hasValueCloseTo(2.0 * 2 / (3 + 3), within(ROUNDING));
        // ab ba ab against ab
        assertThat(TextScores.rouge2("a b a b", "a b")).hasValueCloseTo(2.0 * 1 / (3 + 1), within(ROUNDING));
        assertThat(TextScores.rouge2("a", "a b")).hasValue(0);
        assertThat(TextScores.rouge2("a b", "a")).isEmpty();
    }

    @Test
    void rougeLIsTheLongestCommonSubsequence() {
        // b c d, or a c d
        assertThat(TextScores.rougeL("a b c d", "b a c d")).isEqualTo(2.0 * 3 / (4 + 4), within(ROUNDING));
        assertThat(TextScores.rougeL("a x b y c", "a b c")).isEqualTo(2.0 * 3 / (5 + 3), within(ROUNDING));
        assertThat(TextScores.rougeL("c b a", "a b c")).isEqualTo(2.0 * 1 / (3 + 3), within(ROUNDING));
        assertThat(TextScores.rougeL("", "a")).isZero();
        assertThat(TextScores.rougeL("", "")).isEqualTo(1);
    }

    @Test
    void bleuIsTheGeometricMeanOfFourPrecisions() {
        List<Integer> wanted = List.of(1, 2, 3, 4, 5);
        assertThat(TextScores.bleu4(wanted, wanted)).isEqualTo(1, within(ROUNDING));
        // 4/5, 3/4, 2/3, 1/2
        assertThat(TextScores.bleu4(List.of(1, 2, 3, 4, 9), wanted)).isEqualTo(Math.pow(0.2, 0.25), within(ROUNDING));
        // 5/6, 4/5, 3/4, 2/3: too long costs precision alone
        assertThat(TextScores.bleu4(List.of(1, 2, 3, 4, 5, 6), wanted))
                .isEqualTo(Math.pow(1 / 3.0, 0.25), within(ROUNDING));
        // all right, and too short
        assertThat(TextScores.bleu4(List.of(1, 2, 3, 4), wanted)).isEqualTo(Math.exp(1 - 5 / 4.0), within(ROUNDING));
        // a repeated token counts as often as the reference has it: 1/4, and no pair is right
        assertThat(TextScores.bleu4(List.of(1, 1, 1, 1), wanted)).isZero();
        assertThat(TextScores.bleu4(List.of(1, 2, 3), List.of(1, 2, 3))).isZero(); // no four tokens
        assertThat(TextScores.bleu4(List.of(), wanted)).isZero();
    }
}
