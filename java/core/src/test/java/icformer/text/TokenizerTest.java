package icformer.text;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertTimeout;

import icformer.error.IcfException;
import icformer.error.Status;
import java.io.IOException;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** What holds of every tokenizer, whatever its vocabulary. */
class TokenizerTest {
    private static final int TEXTS = 2_000;
    private static final long SEED = 20240617;

    /** The vocabularies of {@link TokenizerFixture}, cut in all ways that are not alike. */
    private enum Kind {
        SPM("spm", ""),
        GPT2("bpe", "gpt-2"),
        LLAMA3("bpe", "llama-bpe"),
        QWEN2("bpe", "qwen2"),
        QWEN35("bpe", "qwen35"),
        SMOLLM("bpe", "smollm"),
        DEFAULT("bpe", "default"),
        DEEPSEEK3("bpe", "deepseek-v3"),
        TEKKEN("bpe", "tekken"),
        VIKING("bpe", "viking");

        private final String file;
        private final String pre;

        Kind(String file, String pre) {
            this.file = file;
            this.pre = pre;
        }

        Tokenizer tokenizer() throws IOException {
            Map<String, ?> other = pre.isEmpty() ? Map.of() : Map.of("tokenizer.ggml.pre", pre);
            return TokenizerFixture.tokenizer(TokenizerFixture.vocabulary(file), other);
        }

        /** Without user-defined tokens, behind which SentencePiece puts a space. */
        Tokenizer tokenizerOfWords() throws IOException {
            Map<String, Object> keys = TokenizerFixture.vocabulary(file);
            List<?> types = ((List<?>) keys.get("tokenizer.ggml.token_type"))
                    .stream().map(type -> type.equals(4L) ? 1L : type).toList();
            return TokenizerFixture.tokenizer(
                    keys,
                    Map.of("tokenizer.ggml.token_type", types, "tokenizer.ggml.pre", pre.isEmpty() ? "default" : pre));
        }
    }

    private static final List<String> PARTS = List.of(
            " ",
            "  ",
            "\n",
            "\r\n",
            "\t",
            "the",
            "don't",
            "'S",
            "123456",
            "é",
            "ê̂",
            "ß",
            "日本",
            "😀",
            "👩🏿‍🚀",
            "🇩🇪",
            "שלום",
            "مرحبا",
            "हिन्दी",
            "\u00a0",
            "\u2028",
            "\u200d",
            "\ufeff",
            "�",
            "<s>",
            "<|im_end|>",
            "<think>",
            "foo_bar(x)",
            "==",
            "\0",
            "\u007f",
            "\ue000",
            "\udbff\udfff",
            "▂",
            "Ġ");

    private static String text(Random random) {
        StringBuilder text = new StringBuilder();
        for (int parts = random.nextInt(12); parts > 0; parts--) {
            text.append(
                    random.nextInt(4) > 0
                            ? PARTS.get(random.nextInt(PARTS.size()))
                            : Character.toString(random.nextInt(0xD800) + (random.nextInt(8) == 0 ? 0x10000 : 0)));
        }
        return text.toString().replace("▁", "_"); // SentencePiece has no other space
    }

    @ParameterizedTest
    @EnumSource(Kind.class)
    void decodingGivesTheTextBack(Kind kind) throws IOException {
        Tokenizer tokenizer = kind.tokenizerOfWords();
        Random random = new Random(SEED);
        for (int i = 0; i < TEXTS; i++) {
            String text = text(random);
            assertThat(tokenizer.decode(tokenizer.encode(text))).isEqualTo(text);
        }
    }

    @ParameterizedTest
    @EnumSource(Kind.class)
    void decodingInPartsGivesTheSameText(Kind kind) throws IOException {
        Tokenizer tokenizer = kind.tokenizer();
        Random random = new Random(SEED);
        for (int i = 0; i < TEXTS / 20; i++) {
            int[] ids = random.nextBoolean()
                    ? tokenizer.encode(text(random), true, true)
                    : random.ints(12, 0, tokenizer.vocabularySize()).toArray();
            boolean showControl = random.nextBoolean();
            String whole = tokenizer.decode(ids, showControl);
            for (int cut = 0; cut <= ids.length; cut++) {
                Tokenizer.Decoder decoder = tokenizer.newDecoder(true, showControl);
                String first = decoder.push(Arrays.copyOf(ids, cut));
                String second = decoder.push(Arrays.copyOfRange(ids, cut, ids.length));
                assertThat(first + second + decoder.flush()).isEqualTo(whole);
            }
            Tokenizer.Decoder decoder = tokenizer.newDecoder(true, showControl);
            StringBuilder oneByOne = new StringBuilder();
            IntStream.of(ids).forEach(id -> oneByOne.append(decoder.push(id)));
            assertThat(oneByOne.append(decoder.flush())).hasToString(whole);
        }
    }

    @ParameterizedTest
    @EnumSource(Kind.class)
    void charactersComeWhole(Kind kind) throws IOException {
        Tokenizer tokenizer = kind.tokenizer();
        int[] bytes = IntStream.range(0, 256)
                .map(value -> tokenOfByte(tokenizer, (byte) value))
                .toArray();
        Tokenizer.Decoder decoder = tokenizer.newDecoder();
        StringBuilder text = new StringBuilder();
        for (byte value : "a😀é\u20ac!".getBytes(UTF_8)) {
            String part = decoder.push(bytes[value & 0xFF]);
            assertThat(part.codePointCount(0, part.length())).isLessThanOrEqualTo(1);
            text.append(part);
        }

        assertThat(text).hasToString("a😀é\u20ac!");
        assertThat(decoder.flush()).isEmpty();
        assertThat(decoder.push(bytes[0xF0], bytes[0x9F], bytes[0x98])).isEmpty();
        assertThat(decoder.push(bytes['x'])).isEqualTo("\ufffdx");
        assertThat(decoder.push(bytes[0xC3])).isEmpty();
        assertThat(decoder.flush()).isEqualTo("\ufffd");
        assertThat(decoder.flush()).isEmpty();
        assertThat(decoder.push(bytes[0xFF], bytes['y'])).isEqualTo("\ufffdy");
    }

    private static int tokenOfByte(Tokenizer tokenizer, byte value) {
        return IntStream.range(0, tokenizer.vocabularySize())
                .filter(id -> Arrays.equals(tokenizer.piece(id), new byte[] {value}))
                .findFirst()
                .orElseThrow();
    }

    @ParameterizedTest
    @EnumSource(Kind.class)
    void controlTokensOnlyComeOutOfTextsWhenAskedFor(Kind kind) throws IOException {
        Tokenizer tokenizer = kind.tokenizer();
        String text = "x<|im_start|>user\nhi<|im_end|>";
        int start = tokenizer.id("<|im_start|>").orElseThrow();
        int end = tokenizer.id("<|im_end|>").orElseThrow();

        assertThat(tokenizer.isControl(start)).isTrue();
        assertThat(tokenizer.isEndOfGeneration(start)).isFalse();
        assertThat(tokenizer.isEndOfGeneration(end)).isTrue();
        assertThat(tokenizer.encode(text)).doesNotContain(start, end);
        assertThat(tokenizer.encode(text, false, true)).contains(start).endsWith(end);
        assertThat(tokenizer.decode(tokenizer.encode(text, true, true)))
                .doesNotContain("<|")
                .contains("user\nhi");
        assertThat(tokenizer.decode(tokenizer.encode(text, false, true), true))
                .contains("<|im_start|>")
                .endsWith("<|im_end|>");
    }

    @Test
    void userDefinedTokensAlwaysComeOut() throws IOException {
        Tokenizer pieces = Kind.SPM.tokenizer();
        Tokenizer bytes = Kind.LLAMA3.tokenizer();

        assertThat(pieces.encode("a<tool>b", false, false))
                .contains(pieces.id("<tool>").orElseThrow());
        assertThat(bytes.encode("a<think>b", false, false))
                .contains(bytes.id("<think>").orElseThrow());
        assertThat(bytes.isControl(bytes.id("<think>").orElseThrow())).isFalse();
        assertThat(bytes.decode(bytes.encode("a<think>b"))).isEqualTo("a<think>b");
    }

    @Test
    void spaceBeforeATextIsTakenAwayFromItsBeginningAlone() throws IOException {
        Tokenizer tokenizer = Kind.SPM.tokenizer();
        int[] ids = tokenizer.encode("the end", false, false);

        assertThat(tokenizer.addsSpace()).isTrue();
        assertThat(tokenizer.decode(ids)).isEqualTo("the end");
        assertThat(tokenizer.decode(tokenizer.encode(" the end"))).isEqualTo(" the end");
        Tokenizer.Decoder decoder = tokenizer.newDecoder();
        assertThat(decoder.push(ids) + decoder.push(ids)).isEqualTo(" the end the end");
        Tokenizer without = TokenizerFixture.tokenizer(
                TokenizerFixture.vocabulary("spm"), Map.of("tokenizer.ggml.add_space_prefix", false));
        assertThat(without.decode(without.encode(" the"))).isEqualTo(" the");
        assertThat(without.encode("the", false, false)).isNotEqualTo(tokenizer.encode("the", false, false));
    }

    @ParameterizedTest
    @CsvSource({"true, true", "true, false", "false, true", "false, false"})
    void specialTokensAreAddedWhereTheVocabularySaysSo(boolean addBos, boolean addEos) throws IOException {
        Map<String, ?> flags = Map.of(
                "tokenizer.ggml.add_bos_token",
                addBos,
                "tokenizer.ggml.add_eos_token",
                addEos,
                "tokenizer.ggml.pre",
                "qwen2");
        for (String file : List.of("spm", "bpe")) {
            Tokenizer tokenizer = TokenizerFixture.tokenizer(TokenizerFixture.vocabulary(file), flags);
            int[] plain = tokenizer.encode("text", false, false);
            int[] added = tokenizer.encode("text");

            assertThat(tokenizer.addsBos()).isEqualTo(addBos);
            assertThat(tokenizer.addsEos()).isEqualTo(addEos);
            assertThat(added)
                    .hasSize(plain.length + (addBos ? 1 : 0) + (addEos ? 1 : 0))
                    .containsSubsequence(plain);
            assertThat(added[0] == tokenizer.bos().orElseThrow()).isEqualTo(addBos);
            assertThat(added[added.length - 1] == tokenizer.eos().orElseThrow()).isEqualTo(addEos);
            assertThat(tokenizer.encode("", false, false)).isEmpty();
        }
    }

    @ParameterizedTest
    @EnumSource(Kind.class)
    void longTextsWithoutWordsTakeNoLongerThanOthers(Kind kind) throws IOException {
        Tokenizer tokenizer = kind.tokenizerOfWords();
        for (String part : List.of("a", " ", "\n", "é", "1", "A", "ab ", "'s", "-=", "<|im_", "\u0301")) {
            String text = part.repeat(60_000);
            int[] ids = assertTimeout(Duration.ofSeconds(60), () -> tokenizer.encode(text, false, true));
            assertThat(tokenizer.decode(ids)).isEqualTo(text);
        }
    }

    @Test
    void anyNumberOfThreadsMayEncode() throws IOException {
        Tokenizer tokenizer = Kind.SPM.tokenizer();
        String text = text(new Random(SEED)).repeat(50) + "the end";
        int[] expected = tokenizer.encode(text);

        assertThat(IntStream.range(0, 200).parallel().mapToObj(i -> tokenizer.encode(text)))
                .allMatch(ids -> Arrays.equals(ids, expected));
    }

    @Test
    void idsOutOfRangeAreRefused() throws IOException {
        Tokenizer tokenizer = Kind.SPM.tokenizer();
        for (int id : new int[] {-1, tokenizer.vocabularySize()}) {
            assertThatThrownBy(() -> tokenizer.piece(id))
                    .isInstanceOfSatisfying(
                            IcfException.class, e -> assertThat(e.status()).isEqualTo(Status.ARGUMENT))
                    .hasMessageContaining(Integer.toString(id));
            assertThatThrownBy(() -> tokenizer.decode(1, id)).isInstanceOf(IcfException.class);
            assertThatThrownBy(() -> tokenizer.isEndOfGeneration(id)).isInstanceOf(IcfException.class);
            assertThatThrownBy(() -> tokenizer.isControl(id)).isInstanceOf(IcfException.class);
        }
    }

    @Test
    void bytesThatAreNoTextAreKeptByByteTokensAndReplacedByByteLevelPairs() throws IOException {
        byte[] bytes = {
            'a', (byte) 0xC3, '(', (byte) 0xF0, (byte) 0x9F, (byte) 0xFF, 0, (byte) 0xED, (byte) 0xA0, (byte) 0x80
        };
        Tokenizer pieces = Kind.SPM.tokenizer();
        Tokenizer pairs = Kind.GPT2.tokenizer();

        assertThat(bytesOf(pieces, pieces.encode(bytes, false, false))).isEqualTo(concatenate(new byte[] {' '}, bytes));
        assertThat(pairs.decode(pairs.encode(bytes, false, false))).startsWith("a\ufffd(\ufffd\ufffd\ufffd\0");
    }

    private static byte[] concatenate(byte[] first, byte[] second) {
        byte[] both = Arrays.copyOf(first, first.length + second.length);
        System.arraycopy(second, 0, both, first.length, second.length);
        return both;
    }

    private static byte[] bytesOf(Tokenizer tokenizer, int[] ids) {
        return IntStream.of(ids).mapToObj(tokenizer::piece).reduce(new byte[0], TokenizerTest::concatenate);
    }
}
