package icformer.internal.tokenizer;

import static icformer.internal.tokenizer.PatternSplitter.LETTER;
import static icformer.internal.tokenizer.PatternSplitter.MARK;
import static icformer.internal.tokenizer.PatternSplitter.NUMBER;
import static icformer.internal.tokenizer.PatternSplitter.PUNCTUATION;
import static icformer.internal.tokenizer.PatternSplitter.SYMBOL;
import static icformer.internal.tokenizer.PatternSplitter.byCharacter;
import static icformer.internal.tokenizer.PatternSplitter.byClass;

import icformer.error.IcfException;
import icformer.error.Status;
import java.util.Arrays;
import java.util.List;
import java.util.TreeSet;
import java.util.function.Supplier;

/** How a vocabulary's texts are cut into words before their bytes are merged: {@code tokenizer.ggml.pre} of a file. */
final class PreTokenizer {
    private static final String ANY_CASE_CONTRACTION = "'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]";
    private static final String NO_WORD = "[^\\r\\n" + LETTER + NUMBER + "]"; // may stand before a word
    private static final String SIGNS = " ?[^\\s" + LETTER + NUMBER + "]+";
    private static final String BLANK = "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

    /** Letters but a to z, and letters but A to Z: upper and lower case, as far as it can be told by class. */
    private static final String UPPER = "[\\u00D2A-Z]";

    private static final String LOWER = "[\\u00D2a-z]";

    /** Pre-tokenisers that are the same under several names. */
    private enum Family {
        GPT2(
                false,
                false,
                () -> List.of(gpt2()),
                "gpt-2",
                "phi-2",
                "gigachat",
                "a.x-4.0",
                "mellum",
                "exaone4",
                "mpt",
                "olmo",
                "jais",
                "trillion",
                "granite-docling"),
        LLAMA3(
                true,
                true,
                () -> List.of(llama3(3)),
                "llama-bpe",
                "llama3",
                "llama-v3",
                "falcon3",
                "falcon-h1",
                "pixtral",
                "midm-2.0",
                "lfm2"),
        DBRX(false, false, () -> List.of(llama3(3)), "dbrx", "smaug-bpe", "glm4", "chatglm-bpe"),
        QWEN2(
                false,
                false,
                () -> List.of(llama3(1)),
                "qwen2",
                "deepseek-r1-qwen",
                "kormo",
                "megrez",
                "stablelm2",
                "hunyuan",
                "solar-open",
                "grok-2"),
        QWEN35(false, false, () -> List.of(new ScanningSplitter.Llama3(1, true, true)), "qwen35"),
        UFAKZEKA(false, false, () -> List.of(new ScanningSplitter.Llama3(1, false, false)), "ufakzeka"),
        LAGUNA(false, false, () -> List.of(new ScanningSplitter.Lines(), llama3(1)), "laguna"),
        MINICPM5(true, false, () -> List.of(byClass("[" + NUMBER + "]{1,3}"), llama3(Integer.MAX_VALUE)), "minicpm5"),
        STARCODER(
                false,
                false,
                () -> List.of(byClass("[" + NUMBER + "]"), gpt2()),
                "starcoder",
                "refact",
                "command-r",
                "smollm",
                "codeshell",
                "exaone",
                "minerva-7b",
                "mellum2"),
        DEFAULT(
                false,
                false,
                () -> List.of(
                        byClass("[" + PUNCTUATION + "$+<=>\\^~|]+"),
                        gpt2(),
                        byClass("[" + NUMBER + "]+"),
                        byClass("[0-9]{3}")),
                "default"),
        FALCON(
                false,
                false,
                () -> List.of(byClass("[" + PUNCTUATION + "$+<=>\\^~|`]+"), gpt2(), byClass("[0-9]{3}")),
                "falcon"),
        DEEPSEEK_CODER(
                false,
                false,
                () -> List.of(
                        byClass("[\\r\\n]"),
                        byClass("\\s?[" + LETTER + "]+"),
                        byClass("\\s?[" + PUNCTUATION + "]+"),
                        byCharacter("[\\u4E00-\\u9FA5\\u0800-\\u4E00\\uAC00-\\uD7FF]+"),
                        byClass("[" + NUMBER + "]")),
                "deepseek-coder"),
        DEEPSEEK3(
                false,
                false,
                () -> List.of(
                        byClass("[" + NUMBER + "]{1,3}"),
                        byCharacter("[\\u4E00-\\u9FA5\\u3040-\\u309F\\u30A0-\\u30FF]+"),
                        byClass("[!-/:-@\\[-`{-~][A-Za-z]+|[^\\r\\n" + LETTER + PUNCTUATION + SYMBOL + "]?[" + LETTER
                                + MARK + "]+| ?[" + PUNCTUATION + SYMBOL + "]+[\\r\\n]*|" + BLANK)),
                "deepseek-v3",
                "hunyuan-dense",
                "joyai-llm"),
        TEKKEN(true, true, () -> List.of(byClass(casedWord("", "[" + NUMBER + "]"))), "tekken"),
        GPT4O(
                false,
                false,
                () -> List.of(byClass(casedWord("(?:" + ANY_CASE_CONTRACTION + ")?", "[" + NUMBER + "]{1,3}"))),
                "gpt-4o",
                "llama4",
                "kanana2",
                "minimax-m2"),
        BAILING(
                false,
                false,
                () -> List.of(byClass("'(?:[sSdDmMtT]|[lL][lL]|[vV][eE]|[rR][eE])|" + NO_WORD + "?[" + LETTER + "]+|["
                        + NUMBER + "]|" + SIGNS + "[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+")),
                "bailingmoe",
                "bailingmoe2",
                "llada-moe"),
        SEED_CODER(
                false,
                false,
                () -> List.of(byClass("(?:" + ANY_CASE_CONTRACTION + ")|" + NO_WORD + "?[" + LETTER + "]+|[" + NUMBER
                        + "]| ?[^\\s" + LETTER + NUMBER + "\\r\\n]+|" + BLANK)),
                "seed-coder"),
        BLOOM(false, false, () -> List.of(notSentenceSigns()), "bloom", "gpt3-finnish", "poro-chat"),
        VIKING(false, false, () -> List.of(notSentenceSigns(), byClass("[" + NUMBER + "]")), "viking");

        private final boolean ignoresMerges;
        private final boolean addsBos;
        private final Supplier<List<Splitter>> steps;
        private final List<String> names;

        Family(boolean ignoresMerges, boolean addsBos, Supplier<List<Splitter>> steps, String... names) {
            this.ignoresMerges = ignoresMerges;
            this.addsBos = addsBos;
            this.steps = steps;
            this.names = List.of(names);
        }
    }

    private static Splitter gpt2() {
        return new ScanningSplitter.Gpt2();
    }

    private static Splitter llama3(int digits) {
        return new ScanningSplitter.Llama3(digits, false, true);
    }

    private static String casedWord(String contraction, String number) {
        return NO_WORD + "?" + UPPER + "*" + LOWER + "+" + contraction + "|" + NO_WORD + "?" + UPPER + "+" + LOWER + "*"
                + contraction + "|" + number + "|" + SIGNS + "[\\r\\n/]*|" + BLANK;
    }

    private static Splitter notSentenceSigns() {
        return byCharacter(" ?[^(\\s|.,!?\\u2026\\u3002\\uFF0C\\u3001\\u0964\\u06D4\\u060C)]+");
    }

    private final Family family;
    private final List<Splitter> steps;

    private PreTokenizer(Family family) {
        this.family = family;
        this.steps = family.steps.get();
    }

    /** The pre-tokenizer of that name; of status UNSUPPORTED if there is none. */
    static PreTokenizer named(String name) {
        return Arrays.stream(Family.values())
                .filter(family -> family.names.contains(name))
                .findFirst()
                .map(PreTokenizer::new)
                .orElseThrow(() -> new IcfException(
                        Status.UNSUPPORTED, "the pre-tokenizer '" + name + "' is not known; known are " + names()));
    }

    private static String names() {
        TreeSet<String> names = new TreeSet<>();
        for (Family family : Family.values()) {
            names.addAll(family.names);
        }
        return String.join(", ", names);
    }

    /** Whether a word that is a token as a whole becomes that token, whatever the merges would make of it. */
    boolean ignoresMerges() {
        return family.ignoresMerges;
    }

    /** Whether texts begin with BOS where the file does not say. */
    boolean addsBos() {
        return family.addsBos;
    }

    /** Where the words of a text end. */
    IntList split(int[] points) {
        IntList ends = new IntList(points.length / 4 + 8);
        if (points.length > 0) {
            ends.add(points.length);
        }
        for (Splitter step : steps) {
            IntList finer = new IntList(points.length / 4 + 8);
            int from = 0;
            for (int i = 0; i < ends.size(); i++) {
                step.split(points, from, ends.get(i), finer);
                from = ends.get(i);
            }
            ends = finer;
        }
        return ends;
    }
}
