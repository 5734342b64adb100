package icformer.internal.tokenizer;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Merging against the plainest way to do it. */
class MergeEncoderTest {
    private static final int LONGEST = 6;

    /** Symbols are bytes 'a' to 'c'; any pair of at most {@link #LONGEST} bytes may have a priority, many share one. */
    private static final class Pairs extends MergeEncoder {
        private final long seed;

        Pairs(byte[] text, long seed) {
            super(text, new IntList(4), new RollingHash(LONGEST));
            this.seed = seed;
        }

        @Override
        int priority(int from, int middle, int to) {
            if (longerThanAny(from, to)) {
                return NEVER;
            }
            long hash = RollingHash.mix(hash(from, middle) * 3 + hash(middle, to) + seed);
            return (hash & 3) == 0 ? NEVER : (int) (hash >>> 60) - 8;
        }

        @Override
        void symbol(int from, int to) {
            tokens.add(to - from);
        }

        @Override
        int firstSymbol(int from, int to) {
            return 1;
        }

        /** Lengths of the symbols that merging leaves. */
        List<Integer> plainly(int from, int to) {
            List<Integer> ends = new ArrayList<>();
            for (int at = from; at <= to; at++) {
                ends.add(at);
            }
            while (true) {
                int best = -1;
                int priority = NEVER;
                for (int i = 0; i + 2 < ends.size(); i++) {
                    int candidate = priority(ends.get(i), ends.get(i + 1), ends.get(i + 2));
                    if (candidate < priority) {
                        priority = candidate;
                        best = i;
                    }
                }
                if (best < 0) {
                    break;
                }
                ends.remove(best + 1);
            }
            List<Integer> lengths = new ArrayList<>();
            for (int i = 0; i + 1 < ends.size(); i++) {
                lengths.add(ends.get(i + 1) - ends.get(i));
            }
            return lengths;
        }
    }

    @Test
    void shortAndLongWordsAreMergedBestPairFirst() {
        Random random = new Random(11);
        for (int i = 0; i < 600; i++) {
            byte[] text = new byte[1 + random.nextInt(i < 400 ? 40 : 200)];
            for (int at = 0; at < text.length; at++) {
                text[at] = (byte) ('a' + random.nextInt(1 + i % 3));
            }
            Pairs pairs = new Pairs(text, random.nextLong());
            pairs.word(0, text.length);

            assertThat(boxed(pairs.tokens.toArray())).isEqualTo(pairs.plainly(0, text.length));
        }
    }

    @Test
    void repeatedWordsGetTheSameTokens() {
        byte[] text = "abcabacabcabacbbcabcabac".repeat(40).getBytes(US_ASCII);
        Pairs pairs = new Pairs(text, 5);
        List<Integer> expected = new ArrayList<>();
        for (int at = 0; at < text.length; at += 8) {
            pairs.word(at, at + 8);
        }
        int[] all = pairs.tokens.toArray();
        for (int at = 0; at < 24; at += 8) {
            Pairs alone = new Pairs(text, 5);
            alone.word(at, at + 8);
            expected.addAll(boxed(alone.tokens.toArray()));
        }

        assertThat(all).hasSize(40 * expected.size());
        for (int i = 0; i < all.length; i++) {
            assertThat(all[i]).isEqualTo(expected.get(i % expected.size()));
        }
    }

    private static List<Integer> boxed(int[] values) {
        List<Integer> list = new ArrayList<>();
        for (int value : values) {
            list.add(value);
        }
        return list;
    }
}
