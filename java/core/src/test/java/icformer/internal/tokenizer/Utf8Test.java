package icformer.internal.tokenizer;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.HexFormat;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class Utf8Test {
    /** The bytes at which the rules of well-formed UTF-8 change. */
    private static final int[] EDGES = {
        0, 'a', 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF,
        0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xF8, 0xFF
    };

    private static byte[] edges(Random random) {
        byte[] bytes = new byte[random.nextInt(9)];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = (byte) EDGES[random.nextInt(EDGES.length)];
        }
        return bytes;
    }

    @Test
    void textsMayBeDecodedUpToWhatIsUnfinished() {
        Random random = new Random(7);
        for (int i = 0; i < 50_000; i++) {
            byte[] bytes = edges(random);
            String whole = new String(bytes, UTF_8);
            for (int cut = 0; cut <= bytes.length; cut++) {
                int end = cut - Utf8.unfinished(bytes, cut);
                assertThat(new String(bytes, 0, end, UTF_8) + new String(bytes, end, bytes.length - end, UTF_8))
                        .isEqualTo(whole);
            }
        }
    }

    @ParameterizedTest
    @CsvSource({
        "'', 0",
        "61, 0",
        "c3, 1",
        "c3a9, 0",
        "e2, 1",
        "e282, 2",
        "e282ac, 0",
        "f0, 1",
        "f09f, 2",
        "f09f98, 3",
        "f09f9880, 0",
        "80, 0",
        "c0, 0",
        "e080, 0",
        "eda0, 2",
        "eda080, 0",
        "f08f, 0",
        "f490, 0",
        "f5, 0",
        "ff, 0",
        "61f09f98, 3",
        "808080, 0"
    })
    void unfinishedAreBytesThatCanBeginACharacter(String bytes, int expected) {
        byte[] text = HexFormat.of().parseHex(bytes);

        assertThat(Utf8.unfinished(text, text.length)).isEqualTo(expected);
    }

    @ParameterizedTest
    @CsvSource({
        "61, 61",
        "c3a9, e9",
        "e282ac, 20ac",
        "f09f9880, 1f600",
        "f48fbfbf, 10ffff",
        "eda080, d800",
        "80, fffd",
        "c0af, fffd fffd",
        "e08080, fffd fffd fffd",
        "f0808080, fffd fffd fffd fffd",
        "f4908080, fffd fffd fffd fffd",
        "c341, fffd 41",
        "e282, fffd fffd",
        "f09f98, fffd fffd fffd",
        "ff61, fffd 61",
        "efbfbd, fffd"
    })
    void badBytesAreReplacedOneByOne(String bytes, String expected) {
        byte[] text = HexFormat.of().parseHex(bytes);
        int[] points = Arrays.stream(expected.split(" "))
                .mapToInt(point -> Integer.parseInt(point, 16))
                .toArray();

        assertThat(Utf8.codePoints(text, 0, text.length)).isEqualTo(points);
    }

    @Test
    void validTextsStayAsTheyAre() {
        for (int point = 0; point <= Character.MAX_CODE_POINT; point += 61) {
            if (point < 0xD800 || point > 0xDFFF) {
                byte[] text = ("a" + Character.toString(point) + "z").getBytes(UTF_8);
                int[] points = Utf8.codePoints(text, 0, text.length);

                assertThat(points).containsExactly('a', point, 'z');
                assertThat(Utf8.encode(points)).isEqualTo(text);
                assertThat(Utf8.encodedLength(point)).isEqualTo(text.length - 2);
                assertThat(Utf8.length(text[1])).isEqualTo(text.length - 2);
            }
        }
    }
}
