package icformer.internal.tokenizer;

import static java.nio.charset.StandardCharsets.UTF_8;

import icformer.error.IcfException;
import icformer.error.Status;
import icformer.internal.base.ByteStrings;
import icformer.metadata.Metadata;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * The tokens of a GGUF file: their texts, scores and kinds, and which of them mean something special.
 *
 * <p>What a file leaves out is filled in as llama.cpp does, above all the tokens that end a generation: those the file names
 * as end of sequence, turn or message, and those whose text says so.
 */
public final class Vocabulary {
    /** No token. */
    public static final int NONE = -1;

    private static final String PREFIX = "tokenizer.ggml.";
    private static final int LONGEST_TOKEN = 1 << 16; // bytes

    // Kinds of tokens: bits, as a text that ends a generation is a control token besides what the file says.
    private static final int NORMAL = 1;
    private static final int UNKNOWN = 2;
    private static final int CONTROL = 4;
    private static final int USER_DEFINED = 8;
    private static final int BYTE = 16;

    /** By number of the GGUF format: undefined, normal, unknown, control, user-defined, unused, byte. */
    private static final int[] KIND_OF_TYPE = {0, NORMAL, UNKNOWN, CONTROL, USER_DEFINED, 0, BYTE};

    private static final Set<String> END_OF_GENERATION = Set.of(
            "<|eot_id|>",
            "<|im_end|>",
            "<|end|>",
            "<|return|>",
            "<|call|>",
            "<|flush|>",
            "<|calls|>",
            "<end_of_turn>",
            "<|endoftext|>",
            "</s>",
            "<|eom_id|>",
            "<EOT>",
            "_<EOT>",
            "[EOT]",
            "[EOS]",
            "<|end_of_text|>",
            "<end_of_utterance>",
            "<eos>",
            "<turn|>",
            "<|tool_response>",
            "<｜end▁of▁sentence｜>",
            "[e~[");

    /** The first of them that a vocabulary has ends a turn where the file does not name the token that does. */
    private static final List<String> END_OF_TURN = List.of(
            "<|eot_id|>",
            "<|im_end|>",
            "<|end|>",
            "<end_of_turn>",
            "<|endoftext|>",
            "<|end_of_text|>",
            "<EOT>",
            "_<EOT>",
            "[EOT]",
            "<｜end▁of▁sentence｜>",
            "<end_of_utterance>");

    /** Rendered like text by the models that have them. */
    private static final Set<String> SHOWN = Set.of("<|channel|>", "<|message|>", "<|start|>", "<|constrain|>");

    /** The special tokens of Phi-3 that do not take the white space behind them along, as all others of that family do. */
    private static final Set<String> NOT_STRIPPING = Set.of("<unk>", "<s>", "<|endoftext|>");

    /** Tokens of infilling ("fill in the middle"): key of the file, texts to know it by, whether it ends a generation. */
    private record Infill(String key, boolean endsGeneration, List<String> texts) {}

    private static final List<Infill> INFILLS = List.of(
            new Infill(
                    "fim_pre_token_id",
                    false,
                    List.of(
                            "<|fim_prefix|>",
                            "<fim-prefix>",
                            "<fim_prefix>",
                            "<｜fim▁begin｜>",
                            "<PRE>",
                            "▁<PRE>",
                            "<|code_prefix|>",
                            "<|prefix|>")),
            new Infill(
                    "fim_suf_token_id",
                    false,
                    List.of(
                            "<|fim_suffix|>",
                            "<fim-suffix>",
                            "<fim_suffix>",
                            "<｜fim▁hole｜>",
                            "<SUF>",
                            "▁<SUF>",
                            "<|code_suffix|>",
                            "<|suffix|>")),
            new Infill(
                    "fim_mid_token_id",
                    false,
                    List.of(
                            "<|fim_middle|>",
                            "<fim-middle>",
                            "<fim_middle>",
                            "<｜fim▁end｜>",
                            "<MID>",
                            "▁<MID>",
                            "<|code_middle|>",
                            "<|middle|>")),
            new Infill("fim_pad_token_id", true, List.of("<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]")),
            new Infill(
                    "fim_rep_token_id",
                    true,
                    List.of("<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>")),
            new Infill("fim_sep_token_id", true, List.of("<|file_sep|>")));

    private final ByteStrings texts;
    private final byte[] kinds;
    private final Map<String, Integer> named; // ids of the texts above that this vocabulary has
    private final BitSet endOfGeneration = new BitSet();
    private final int longest;
    private final boolean specialTokensStripRight;

    private final int bos;
    private final int eos;
    private final int eot;
    private final int unknown;
    private final int padding;
    private final boolean addBos;
    private final boolean addEos;

    /**
     * Reads the tokens out of a file's metadata. What the file does not say is as given: the ids {@code bos}, {@code eos} and
     * {@code unknown}, or {@link #NONE}, and whether texts begin with {@code bos}.
     */
    Vocabulary(Metadata metadata, int bos, int eos, int unknown, boolean addBos) {
        texts = texts(metadata);
        kinds = kinds(metadata, texts.size());
        longest = longest(texts);
        named = named(texts);

        this.bos = id(metadata, "bos_token_id", inRange(bos));
        this.eos = id(metadata, "eos_token_id", inRange(eos));
        this.unknown = id(metadata, "unknown_token_id", inRange(unknown));
        padding = id(metadata, "padding_token_id", NONE);
        this.addBos = metadata.bool(PREFIX + "add_bos_token", addBos);
        addEos = metadata.bool(PREFIX + "add_eos_token", false);
        require(!this.addBos || this.bos != NONE, "add_bos_token is true, but bos_token_id is missing");
        require(!addEos || this.eos != NONE, "add_eos_token is true, but eos_token_id is missing");

        int stated = id(metadata, "eot_token_id", NONE);
        eot = stated != NONE ? stated : firstOf(END_OF_TURN);
        classify(metadata);
        String model = metadata.text("general.name", "").toLowerCase(Locale.ROOT);
        specialTokensStripRight = model.contains("phi-3") || model.contains("phi3");
    }

    // ---- reading the file
    // ----------------------------------------------------------------------------------------------

    private static ByteStrings texts(Metadata metadata) {
        ByteStrings tokens = list(metadata, "tokens");
        for (int id = 0; id < tokens.size(); id++) {
            if (tokens.length(id) == 0) {
                return withoutEmpty(tokens);
            }
        }
        return tokens;
    }

    private static ByteStrings withoutEmpty(ByteStrings tokens) {
        ByteStrings.Builder builder = new ByteStrings.Builder(tokens.size());
        for (int id = 0; id < tokens.size(); id++) {
            builder.add(tokens.length(id) == 0 ? ("[EMPTY_" + id + "]").getBytes(UTF_8) : tokens.copy(id));
        }
        return builder.build();
    }

    /** A list of texts that must be there and not be empty. */
    static ByteStrings list(Metadata metadata, String name) {
        require(metadata.contains(PREFIX + name), "the file has no " + PREFIX + name);
        List<String> texts = metadata.texts(PREFIX + name);
        require(!texts.isEmpty(), PREFIX + name + " is empty");
        return ByteStrings.of(texts);
    }

    private static byte[] kinds(Metadata metadata, int count) {
        byte[] kinds = new byte[count];
        if (!metadata.contains(PREFIX + "token_type")) {
            Arrays.fill(kinds, (byte) NORMAL);
            return kinds;
        }
        long[] types = metadata.integers(PREFIX + "token_type");
        require(
                types.length >= count,
                PREFIX + "token_type has " + types.length + " elements for " + count + " tokens");
        for (int id = 0; id < count; id++) {
            kinds[id] = types[id] >= 0 && types[id] < KIND_OF_TYPE.length ? (byte) KIND_OF_TYPE[(int) types[id]] : 0;
        }
        return kinds;
    }

    private static int longest(ByteStrings texts) {
        int longest = 0;
        for (int id = 0; id < texts.size(); id++) {
            longest = Math.max(longest, texts.length(id));
        }
        require(longest <= LONGEST_TOKEN, "a token has " + longest + " bytes, more than " + LONGEST_TOKEN);
        return longest;
    }

    private static Map<String, Integer> named(ByteStrings texts) {
        Map<String, Integer> wanted = new HashMap<>();
        END_OF_GENERATION.forEach(text -> wanted.put(text, NONE));
        END_OF_TURN.forEach(text -> wanted.put(text, NONE));
        SHOWN.forEach(text -> wanted.put(text, NONE));
        INFILLS.forEach(infill -> infill.texts().forEach(text -> wanted.put(text, NONE)));
        boolean[] begins = new boolean[256];
        wanted.keySet().forEach(text -> begins[text.getBytes(UTF_8)[0] & 0xFF] = true);
        byte[] bytes = texts.bytes();
        for (int id = 0; id < texts.size(); id++) {
            if (begins[bytes[texts.start(id)] & 0xFF] && texts.length(id) < 64) {
                int found = id;
                wanted.computeIfPresent(texts.get(id), (text, before) -> before == NONE ? found : before);
            }
        }
        wanted.values().removeIf(id -> id == NONE);
        return wanted;
    }

    private int id(Metadata metadata, String name, int fallback) {
        if (!metadata.contains(PREFIX + name)) {
            return fallback;
        }
        long id = metadata.integer(PREFIX + name);
        require(
                id >= 0 && id < texts.size(),
                PREFIX + name + " is " + id + ", but there are " + texts.size() + " tokens");
        return (int) id;
    }

    private int inRange(int id) {
        return id < texts.size() ? id : NONE;
    }

    private int firstOf(List<String> candidates) {
        for (String text : candidates) {
            int id = named.getOrDefault(text, NONE);
            if (id != NONE) {
                return id;
            }
        }
        return NONE;
    }

    /** Settles which tokens end a generation, and that they and those of infilling are control tokens. */
    private void classify(Metadata metadata) {
        for (Infill infill : INFILLS) {
            int stated = id(metadata, infill.key(), NONE);
            int id = stated != NONE ? stated : firstOf(infill.texts());
            if (stated == NONE && id != NONE) {
                kinds[id] |= CONTROL;
            }
            endsGeneration(infill.endsGeneration() ? id : NONE);
        }
        for (String text : END_OF_GENERATION) {
            int id = named.getOrDefault(text, NONE);
            endsGeneration(id);
            if (id != NONE) {
                kinds[id] |= CONTROL;
            }
        }
        endsGeneration(eos);
        endsGeneration(eot);
        endsGeneration(id(metadata, "eom_token_id", NONE));
        for (String text : SHOWN) {
            int id = named.getOrDefault(text, NONE);
            if (id != NONE) {
                kinds[id] = USER_DEFINED;
            }
        }
        // Models that end with <|return|> or <|flush|> put <|end|> between the parts of an answer.
        if (ends("<|end|>") && (ends("<|return|>") || ends("<|flush|>")) && (ends("<|call|>") || ends("<|calls|>"))) {
            continuesAfter("<|end|>", USER_DEFINED);
        }
        // To models that wait for a tool's response </s> is text.
        if (ends("</s>") && ends("<|tool_response>")) {
            continuesAfter("</s>", NORMAL);
        }
    }

    private void endsGeneration(int id) {
        if (id != NONE) {
            endOfGeneration.set(id);
        }
    }

    private boolean ends(String text) {
        int id = named.getOrDefault(text, NONE);
        return id != NONE && endOfGeneration.get(id);
    }

    private void continuesAfter(String text, int kind) {
        int id = named.getOrDefault(text, NONE);
        if (id != NONE) {
            endOfGeneration.clear(id);
            kinds[id] = (byte) kind;
        }
    }

    static void require(boolean condition, String otherwise) {
        if (!condition) {
            throw unusable(otherwise);
        }
    }

    private static IcfException unusable(String reason) {
        return new IcfException(Status.FORMAT, "the tokenizer cannot be used: " + reason);
    }

    // ---- what the tokenisers ask
    // ---------------------------------------------------------------------------------------

    /** The texts as the file has them. */
    ByteStrings texts() {
        return texts;
    }

    /** Bytes of the longest text. */
    int longest() {
        return longest;
    }

    /** An index of what the tokens stand for, by id: no two may be the same. */
    ByteStringIndex index(ByteStrings strings) {
        return new ByteStringIndex(strings, (first, second) -> {
            throw unusable("tokens " + first + " and " + second + " are both '" + texts.get(first) + "'");
        });
    }

    SpecialTokens specialTokens() {
        int[] special = new int[kinds.length];
        int count = 0;
        BitSet onlyParsed = new BitSet();
        BitSet stripsRight = new BitSet();
        for (int id = 0; id < kinds.length; id++) {
            if ((kinds[id] & (CONTROL | UNKNOWN | USER_DEFINED)) != 0) {
                special[count++] = id;
                onlyParsed.set(id, (kinds[id] & (CONTROL | UNKNOWN)) != 0);
                stripsRight.set(id, specialTokensStripRight && !NOT_STRIPPING.contains(texts.get(id)));
            }
        }
        return new SpecialTokens(texts, Arrays.copyOf(special, count), onlyParsed, stripsRight);
    }

    /** Whether the token's text is its piece, whatever it holds. */
    boolean isLiteral(int id) {
        return (kinds[id] & (CONTROL | UNKNOWN | USER_DEFINED)) != 0;
    }

    boolean isNormal(int id) {
        return (kinds[id] & NORMAL) != 0;
    }

    boolean isByte(int id) {
        return (kinds[id] & BYTE) != 0;
    }

    /** The byte that a token {@code <0xNN>} stands for. */
    byte byteOf(int id) {
        String text = texts.get(id);
        boolean valid = text.length() == 6
                && text.startsWith("<0x")
                && text.endsWith(">")
                && HexFormat.isHexDigit(text.charAt(3))
                && HexFormat.isHexDigit(text.charAt(4));
        require(valid, "token " + id + " is a byte, but its text is '" + text + "'");
        return (byte) HexFormat.fromHexDigits(text, 3, 5);
    }

    // ---- what the library's users ask
    // ----------------------------------------------------------------------------------

    public int size() {
        return texts.size();
    }

    public String text(int id) {
        return texts.get(id);
    }

    public int bos() {
        return bos;
    }

    public int eos() {
        return eos;
    }

    public int eot() {
        return eot;
    }

    public int unknown() {
        return unknown;
    }

    public int padding() {
        return padding;
    }

    public boolean addsBos() {
        return addBos;
    }

    public boolean addsEos() {
        return addEos;
    }

    public boolean isEndOfGeneration(int id) {
        return endOfGeneration.get(id);
    }

    /** Control and unknown tokens: decoding leaves them out unless it is asked to show them. */
    public boolean isControl(int id) {
        return (kinds[id] & (CONTROL | UNKNOWN)) != 0;
    }
}
