package icformer.internal.tokenizer;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import icformer.internal.base.ByteStrings;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import org.junit.jupiter.api.Test;

class SpecialTokensTest {
    private static List<String> parts(
            String text, boolean parse, BitSet onlyParsed, BitSet stripsRight, String... tokens) {
        ByteStrings strings = ByteStrings.of(List.of(tokens));
        int[] ids = new int[tokens.length];
        for (int id = 0; id < ids.length; id++) {
            ids[id] = id;
        }
        byte[] bytes = text.getBytes(UTF_8);
        List<String> parts = new ArrayList<>();
        SpecialTokens special = new SpecialTokens(strings, ids, onlyParsed, stripsRight);
        special.partition(bytes, bytes.length, parse, new SpecialTokens.Sink() {
            @Override
            public void special(int id) {
                parts.add("#" + id);
            }

            @Override
            public void text(int from, int to) {
                parts.add(new String(bytes, from, to - from, UTF_8));
            }
        });
        return parts;
    }

    private static List<String> parts(String text, String... tokens) {
        return parts(text, true, new BitSet(), new BitSet(), tokens);
    }

    private static BitSet bits(int... places) {
        BitSet bits = new BitSet();
        for (int place : places) {
            bits.set(place);
        }
        return bits;
    }

    @Test
    void textsAreCutAtTokens() {
        assertThat(parts("a<s>b", "<s>")).containsExactly("a", "#0", "b");
        assertThat(parts("<s><s>", "<s>")).containsExactly("#0", "#0");
        assertThat(parts("a<s", "<s>")).containsExactly("a<s");
        assertThat(parts("", "<s>")).isEmpty();
        assertThat(parts("é<é>é", "<é>")).containsExactly("é", "#0", "é");
        assertThat(parts("abc")).containsExactly("abc");
    }

    @Test
    void longerTokensAreCutOutFirst() {
        assertThat(parts("xabcdx", "ab", "bcd", "d")).containsExactly("xa", "#1", "x");
        assertThat(parts("aaaaa", "aa", "aaa", "a")).containsExactly("#1", "#0");
        assertThat(parts("ababc", "ab", "abc")).containsExactly("#0", "#1");
    }

    @Test
    void ofEqualLengthTheLowerIdIsCutOutFirst() {
        assertThat(parts("abc", "bc", "ab")).containsExactly("a", "#0");
        assertThat(parts("abc", "ab", "bc")).containsExactly("#0", "c");
    }

    @Test
    void controlTokensAreLeftInTheTextUnlessParsed() {
        assertThat(parts("a<s>b<t>", false, bits(0), bits(), "<s>", "<t>")).containsExactly("a<s>b", "#1");
        assertThat(parts("a<s>b<t>", true, bits(0), bits(), "<s>", "<t>")).containsExactly("a", "#0", "b", "#1");
    }

    @Test
    void whiteSpaceBehindATokenGoesWithItWhereItSaysSo() {
        assertThat(parts("a<s> \n\tb <t> c", true, bits(), bits(0), "<s>", "<t>"))
                .containsExactly("a", "#0", "b ", "#1", " c");
        assertThat(parts("<s>  ", true, bits(), bits(0), "<s>")).containsExactly("#0");
    }
}
