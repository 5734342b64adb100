package icformer.text;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The same ids, pieces and special tokens as llama.cpp. */
class TokenizerParityTest {

    @ParameterizedTest
    @MethodSource("icformer.text.TokenizerFixture#kinds")
    void encodesAsLlamaCppDoes(String kind) throws IOException {
        TokenizerFixture fixture = TokenizerFixture.read(kind);
        List<String> differences = new ArrayList<>();
        int compared = 0;
        for (TokenizerFixture.Column column : fixture.columns()) {
            Tokenizer tokenizer = fixture.tokenizer(column.keys());
            for (int i = 0; i < fixture.texts().size(); i++) {
                byte[] text = fixture.texts().get(i);
                int[] expected = column.ids().get(i);
                if (expected == null) {
                    continue;
                }
                int[] ids = tokenizer.encode(text, column.addSpecial(), column.parseSpecial());
                compared++;
                if (!Arrays.equals(ids, expected)) {
                    differences.add("%s: '%s' is %s, not %s"
                            .formatted(
                                    column.keys(),
                                    new String(text, UTF_8),
                                    Arrays.toString(ids),
                                    Arrays.toString(expected)));
                }
            }
        }
        assertThat(compared)
                .isGreaterThan(fixture.columns().size() * fixture.texts().size() * 9 / 10);
        assertThat(differences).isEmpty();
    }

    @ParameterizedTest
    @MethodSource("icformer.text.TokenizerFixture#kinds")
    void knowsPiecesAndSpecialTokensAsLlamaCppDoes(String kind) throws IOException {
        Tokenizer tokenizer =
                TokenizerFixture.tokenizer(TokenizerFixture.vocabulary(kind), Map.of("tokenizer.ggml.pre", "gpt-2"));
        List<TokenizerFixture.Piece> pieces = TokenizerFixture.pieces(kind);
        assertThat(tokenizer.vocabularySize()).isEqualTo(pieces.size());
        for (int id = 0; id < pieces.size(); id++) {
            assertThat(tokenizer.piece(id))
                    .as("piece of %d", id)
                    .isEqualTo(pieces.get(id).bytes());
            assertThat(tokenizer.isControl(id))
                    .as("%d is control", id)
                    .isEqualTo(pieces.get(id).control());
            assertThat(tokenizer.isEndOfGeneration(id))
                    .as("%d ends", id)
                    .isEqualTo(pieces.get(id).endsGeneration());
        }
    }
}
