package icformer.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import icformer.error.IcfException;
import icformer.error.Status;
import icformer.metadata.Metadata;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What is made of a file's keys, and of files whose keys make no sense. */
class TokenizerMetadataTest {
    private static final String TOKENS = "tokenizer.ggml.tokens";

    /** 3 special tokens, 256 bytes, and some letters. */
    private static Map<String, Object> sentencePiece(String... more) {
        List<String> tokens = new ArrayList<>(List.of("<unk>", "<s>", "</s>"));
        List<Integer> types = new ArrayList<>(List.of(2, 3, 3));
        for (int value = 0; value < 256; value++) {
            tokens.add("<0x%02X>".formatted(value));
            types.add(6);
        }
        tokens.addAll(List.of("▁", "a", "b", "ab", "▁ab"));
        tokens.addAll(List.of(more));
        types.addAll(Collections.nCopies(5 + more.length, 1));
        List<Double> scores =
                IntStream.range(0, tokens.size()).mapToObj(id -> -1.0 * id).toList();
        return new HashMap<>(Map.of(
                "tokenizer.ggml.model",
                "llama",
                TOKENS,
                tokens,
                "tokenizer.ggml.token_type",
                types,
                "tokenizer.ggml.scores",
                scores));
    }

    private static Map<String, Object> bytePairs(String... more) {
        List<String> tokens = new ArrayList<>();
        for (int letter = 'a'; letter <= 'z'; letter++) {
            tokens.add(Character.toString(letter));
        }
        tokens.addAll(List.of("ab", "Ġ", "Ġab"));
        tokens.addAll(List.of(more));
        return new HashMap<>(Map.of(
                "tokenizer.ggml.model",
                "gpt2",
                "tokenizer.ggml.pre",
                "gpt-2",
                TOKENS,
                tokens,
                "tokenizer.ggml.merges",
                List.of("a b", "Ġ ab", "a b", "x", "é é")));
    }

    private static Map<String, Object> with(Map<String, Object> keys, String key, Object value) {
        keys.put(key, value);
        return keys;
    }

    private static Map<String, Object> without(Map<String, Object> keys, String key) {
        keys.remove(key);
        return keys;
    }

    private static Map<String, Object> changed(Map<String, Object> keys, String key, UnaryOperator<List<?>> change) {
        keys.compute(key, (name, value) -> change.apply((List<?>) value));
        return keys;
    }

    private static Tokenizer tokenizer(Map<String, Object> keys) {
        return Tokenizer.of(Metadata.of(keys));
    }

    private static void assertRefused(Map<String, Object> keys, Status status, String... reason) {
        assertThatThrownBy(() -> tokenizer(keys))
                .isInstanceOfSatisfying(
                        IcfException.class, e -> assertThat(e.status()).isEqualTo(status))
                .hasMessageContainingAll(reason);
    }

    @Test
    void bothKindsAreBuiltFromTheirKeys() {
        Tokenizer pieces = tokenizer(sentencePiece());
        Tokenizer pairs = tokenizer(bytePairs());

        assertThat(pieces).isInstanceOf(SentencePieceTokenizer.class);
        assertThat(pieces.encode("ab a", false, false)).containsExactly(263, 259, 260);
        assertThat(pairs).isInstanceOf(BytePairTokenizer.class);
        assertThat(pairs.encode("ab ab", false, false)).containsExactly(26, 28);
    }

    @Test
    void missingKeysAreRefusedByName() {
        assertRefused(without(sentencePiece(), "tokenizer.ggml.model"), Status.FORMAT, "tokenizer.ggml.model");
        assertRefused(without(sentencePiece(), TOKENS), Status.FORMAT, TOKENS);
        assertRefused(without(sentencePiece(), "tokenizer.ggml.scores"), Status.FORMAT, "tokenizer.ggml.scores");
        assertRefused(without(bytePairs(), "tokenizer.ggml.merges"), Status.FORMAT, "tokenizer.ggml.merges");
    }

    @Test
    void whatIsNotKnownIsRefusedWithWhatIs() {
        Map<String, Object> words = with(bytePairs(), "tokenizer.ggml.pre", "kimi-k2");
        assertRefused(
                with(sentencePiece(), "tokenizer.ggml.model", "bert"), Status.UNSUPPORTED, "'bert'", "llama", "gpt2");
        assertRefused(words, Status.UNSUPPORTED, "'kimi-k2'", "llama-bpe, llama-v3", "qwen2");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "bos_token_id",
                "eos_token_id",
                "eot_token_id",
                "eom_token_id",
                "unknown_token_id",
                "padding_token_id",
                "fim_pad_token_id"
            })
    void specialTokensOutOfRangeAreRefused(String name) {
        for (long id : new long[] {-1, 264, Long.MAX_VALUE}) {
            assertRefused(
                    with(sentencePiece(), "tokenizer.ggml." + name, id), Status.FORMAT, name, Long.toString(id), "264");
        }
    }

    @Test
    void listsThatDoNotFitAreRefused() {
        String scores = "tokenizer.ggml.scores";
        String types = "tokenizer.ggml.token_type";
        assertRefused(with(sentencePiece(), TOKENS, List.of()), Status.FORMAT, TOKENS, "empty");
        assertRefused(
                changed(sentencePiece(), scores, list -> list.subList(1, 264)), Status.FORMAT, scores, "263", "264");
        assertRefused(changed(sentencePiece(), types, list -> list.subList(0, 9)), Status.FORMAT, types, "9", "264");
        assertRefused(
                with(sentencePiece(), scores, Collections.nCopies(264, Double.NaN)), Status.FORMAT, "not a number");
        assertRefused(with(sentencePiece(), TOKENS, List.of(1, 2)), Status.FORMAT, TOKENS);
        assertRefused(with(sentencePiece(), "tokenizer.ggml.add_bos_token", 1), Status.FORMAT, "add_bos_token");
    }

    @Test
    void tokensThatAreTheSameAreRefused() {
        assertRefused(sentencePiece("ab"), Status.FORMAT, "262", "264", "'ab'");
        assertRefused(bytePairs("ab"), Status.FORMAT, "26", "29", "'ab'");
        assertRefused(bytePairs("<｜x｜>", "<｜x｜>"), Status.FORMAT, "29", "30", "'<｜x｜>'");
    }

    @Test
    void emptyTokensGetATextThatNoOtherHas() {
        Tokenizer tokenizer = tokenizer(sentencePiece("", ""));

        assertThat(tokenizer.id("[EMPTY_265]")).hasValue(265);
        assertThat(tokenizer.encode("", false, false)).isEmpty();
    }

    @Test
    void tokensOfAbsurdLengthAreRefused() {
        assertRefused(sentencePiece("x".repeat(1 << 17)), Status.FORMAT, "131072 bytes");
    }

    @Test
    void tokensToAddMustExist() {
        assertRefused(with(bytePairs(), "tokenizer.ggml.add_bos_token", true), Status.FORMAT, "bos_token_id");
        assertRefused(with(bytePairs(), "tokenizer.ggml.add_eos_token", true), Status.FORMAT, "eos_token_id");
        Map<String, Object> llama3 = with(bytePairs(), "tokenizer.ggml.pre", "llama-bpe");
        assertRefused(llama3, Status.FORMAT, "bos_token_id");
        assertThat(tokenizer(with(llama3, "tokenizer.ggml.add_bos_token", false))
                        .addsBos())
                .isFalse();
    }

    @Test
    void sentencePieceHasTheSpecialTokensOfLlamaWhereTheFileNamesNone() {
        Tokenizer tokenizer = tokenizer(sentencePiece());

        assertThat(List.of(tokenizer.unknown(), tokenizer.bos(), tokenizer.eos()))
                .containsExactly(OptionalInt.of(0), OptionalInt.of(1), OptionalInt.of(2));
        assertThat(tokenizer.padding()).isEmpty();
        assertThat(tokenizer.eot()).isEmpty();
        assertThat(tokenizer.addsBos()).isTrue();
        assertThat(tokenizer(bytePairs()).eos()).isEmpty();
    }

    @Test
    void bytesWithoutATokenBecomeTheUnknownToken() {
        Map<String, Object> keys = Map.of(
                "tokenizer.ggml.model",
                "llama",
                TOKENS,
                List.of("<unk>", "<s>", "</s>", "▁", "a"),
                "tokenizer.ggml.token_type",
                List.of(2, 3, 3, 1, 1),
                "tokenizer.ggml.scores",
                List.of(0.0, 0.0, 0.0, 0.0, 0.0));

        assertThat(Tokenizer.of(Metadata.of(keys)).encode("aé", false, false)).containsExactly(3, 4, 0, 0);
    }

    @Test
    void byteTokensMustNameTheirByte() {
        Tokenizer tokenizer = tokenizer(changed(sentencePiece(), TOKENS, list -> {
            List<Object> tokens = new ArrayList<>(list);
            tokens.set(5, "<0xZZ>");
            return tokens;
        }));

        assertThatThrownBy(() -> tokenizer.piece(5))
                .isInstanceOfSatisfying(
                        IcfException.class, e -> assertThat(e.status()).isEqualTo(Status.FORMAT))
                .hasMessageContaining("<0xZZ>");
    }

    // ---- The end of a generation ----

    @ParameterizedTest
    @ValueSource(
            strings = {
                "<|eot_id|>",
                "<|im_end|>",
                "<|end|>",
                "<end_of_turn>",
                "<|endoftext|>",
                "<|eom_id|>",
                "<EOT>",
                "[EOT]",
                "[EOS]",
                "<|end_of_text|>",
                "<end_of_utterance>",
                "<eos>",
                "<turn|>",
                "<|fim_pad|>",
                "<|repo_name|>",
                "<|file_sep|>",
                "<｜end▁of▁sentence｜>"
            })
    void textsThatEndAGenerationAreKnown(String text) {
        Tokenizer tokenizer = tokenizer(sentencePiece(text));

        assertThat(tokenizer.isEndOfGeneration(264)).isTrue();
        assertThat(tokenizer.isControl(264)).isTrue();
        assertThat(tokenizer.isEndOfGeneration(2)).isTrue();
        assertThat(tokenizer.isEndOfGeneration(1)).isFalse();
    }

    @ParameterizedTest
    @CsvSource({"eos_token_id", "eot_token_id", "eom_token_id", "fim_rep_token_id"})
    void tokensThatTheFileNamesEndAGeneration(String name) {
        Tokenizer tokenizer = tokenizer(with(sentencePiece("zz"), "tokenizer.ggml." + name, 264));

        assertThat(tokenizer.isEndOfGeneration(264)).isTrue();
    }

    @Test
    void endOfTurnIsTheOneTheFileNamesOrTheFirstKnown() {
        assertThat(tokenizer(sentencePiece("<|endoftext|>", "<|im_end|>")).eot())
                .hasValue(265);
        assertThat(tokenizer(with(sentencePiece("<|endoftext|>", "<|im_end|>"), "tokenizer.ggml.eot_token_id", 264))
                        .eot())
                .hasValue(264);
    }

    @Test
    void partsOfAnAnswerDoNotEndIt() {
        Tokenizer tokenizer = tokenizer(sentencePiece("<|end|>", "<|return|>", "<|call|>", "<|channel|>"));

        assertThat(ends(tokenizer, 264, 265, 266, 267)).containsExactly(false, true, true, false);
        assertThat(tokenizer.isControl(264)).isFalse();
        assertThat(tokenizer.isControl(267)).isFalse();
        assertThat(tokenizer(sentencePiece("<|end|>")).isEndOfGeneration(264)).isTrue();
        Tokenizer tools = tokenizer(sentencePiece("<|tool_response>"));
        assertThat(ends(tools, 2, 264)).containsExactly(false, true);
    }

    private static Boolean[] ends(Tokenizer tokenizer, int... ids) {
        return Arrays.stream(ids).mapToObj(tokenizer::isEndOfGeneration).toArray(Boolean[]::new);
    }
}
