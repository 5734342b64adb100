package icformer.text;

import static org.assertj.core.api.Assertions.assertThat;

import icformer.TestData;
import icformer.files.GgufFile;
import icformer.files.Safetensors;
import icformer.internal.json.Json;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;

/** The vocabulary of the small LLM against the ids that the official implementation's tokenizer gave. */
class TokenizerGoldenTest {
    private static final Path FOLDER = TestData.LLM.getParent();

    private static Tokenizer tokenizer() throws IOException {
        try (GgufFile file = GgufFile.open(TestData.LLM)) {
            return Tokenizer.of(file.metadata());
        }
    }

    private static Map<?, ?> manifest() throws IOException {
        return (Map<?, ?>) Objects.requireNonNull(
                Json.parse(Files.readString(FOLDER.resolve("manifest.json")), FOLDER.resolve("manifest.json")));
    }

    private static int[] ids(Object list) {
        return ((List<?>) list).stream().mapToInt(id -> ((Long) id).intValue()).toArray();
    }

    @Test
    void promptsHaveTheIdsOfTheReference() throws IOException {
        Tokenizer tokenizer = tokenizer();
        Map<?, ?> manifest = manifest();

        assertThat(tokenizer.encode((String) manifest.get("pre_text"), false, true))
                .isEqualTo(ids(manifest.get("pre_ids_legacy_true")));
        assertThat(tokenizer.encode((String) manifest.get("post_text"), false, true))
                .isEqualTo(ids(manifest.get("post_ids")));
    }

    @Test
    void contextsHaveTheIdsOfTheReference() throws IOException {
        Tokenizer tokenizer = tokenizer();
        try (Arena arena = Arena.ofConfined()) {
            Safetensors golden = Safetensors.open(FOLDER.resolve("golden.safetensors"), arena);
            for (Object element : (List<?>) manifest().get("cases")) {
                Map<?, ?> testCase = (Map<?, ?>) element;
                if (testCase.get("context_text") == null) {
                    continue;
                }
                boolean reconstruction = testCase.get("case").equals("ae"); // contexts to reproduce begin with BOS
                int[] expected = Objects.requireNonNull(golden.tensor(testCase.get("case") + ".context_ids"))
                        .read(arena)
                        .toArray(ValueLayout.JAVA_INT_UNALIGNED);
                String context = (String) testCase.get("context_text");

                assertThat(tokenizer.encode(context, reconstruction, false)).isEqualTo(expected);
                assertThat(tokenizer.decode(expected)).isEqualTo(context);
            }
        }
    }
}
