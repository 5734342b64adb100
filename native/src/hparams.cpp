#include "hparams.h"

#include "error.h"

namespace icf {

// Far beyond any model there is, and small enough that sizes computed from them fit into an int.
static const long long max_width = 1 << 20;
static const long long max_layers = 1024;
static const long long max_vocab = 1 << 24;
static const long long max_context = 1 << 30;
static const long long max_digests = 1 << 14; // attention among them takes their square
static const double largest_number = 1e30;    // of an epsilon or a RoPE constant, which become floats

// Reads the keys of one architecture: "<prefix>.<key>".
class ParamReader {
public:
    ParamReader(const GgufFile & file, const std::string & prefix) : file_(file), prefix_(prefix + ".") {}

    std::string key(const char * name) const { return prefix_ + name; }
    const char * path() const { return file_.path().c_str(); }
    const GgufFile & file() const { return file_; }

    // A size that must be there.
    int size(const char * name, long long largest) const {
        const auto value = file_.integer(key(name));
        if (!value) {
            fail(ICF_ERROR_FORMAT, "%s: key '%s' is missing", path(), key(name).c_str());
        }
        return check(name, *value, largest);
    }

    int size_or(const char * name, long long otherwise, long long largest) const {
        return check(name, file_.integer(key(name)).value_or(otherwise), largest);
    }

    float number_or(const char * name, double otherwise) const {
        const double value = file_.number(key(name)).value_or(otherwise);
        if (!(value >= 0 && value <= largest_number)) {
            fail(ICF_ERROR_FORMAT, "%s: key '%s' is %g", path(), key(name).c_str(), value);
        }
        return static_cast<float>(value);
    }

    float positive_or(const char * name, double otherwise) const {
        const float value = number_or(name, otherwise);
        if (!(value >= 1 / largest_number)) {
            fail(ICF_ERROR_FORMAT, "%s: key '%s' is %g, above 0 is possible", path(), key(name).c_str(), double(value));
        }
        return value;
    }

    std::string string_or(const char * name, const char * otherwise) const {
        return file_.string(key(name)).value_or(otherwise);
    }

private:
    int check(const char * name, long long value, long long largest) const {
        if (value < 1 || value > largest) {
            fail(ICF_ERROR_FORMAT, "%s: key '%s' is %lld, 1 to %lld is possible", path(), key(name).c_str(), value, largest);
        }
        return static_cast<int>(value);
    }

    const GgufFile & file_;
    std::string prefix_;
};

static void check_heads(const char * path, int n_head, int n_head_kv) {
    if (n_head % n_head_kv != 0) {
        fail(ICF_ERROR_FORMAT, "%s: %d heads cannot share %d key-value heads evenly", path, n_head, n_head_kv);
    }
}

// Scaling of positions as llama.cpp reads it: a factor without a type is linear, files of 2023 name it scale_linear, and a
// decoder's factor of attention belongs to every type. `rope.n_ctx_orig` is the trained context, which YaRN takes where no other is named.
static void read_rope_scaling(const ParamReader & reader, bool yarn_is_known, RopeParams & rope) {
    const std::string type = reader.string_or("rope.scaling.type", "linear");
    if (yarn_is_known) {
        rope.attn_factor = reader.positive_or("rope.scaling.attn_factor", 1.0);
    }
    if (type == "none") {
        return;
    }
    if (type != "linear" && !(yarn_is_known && type == "yarn")) {
        fail(ICF_ERROR_UNSUPPORTED, "%s: RoPE scaling '%s' is not supported (none and linear%s are)", reader.path(),
             type.c_str(), yarn_is_known ? " and yarn" : "");
    }
    rope.scale = 1.0f / reader.positive_or("rope.scaling.factor", reader.positive_or("rope.scale_linear", 1.0));
    if (type == "yarn") {
        rope.ext_factor = 1.0f;
        rope.beta_fast = reader.positive_or("rope.scaling.yarn_beta_fast", 32.0);
        rope.beta_slow = reader.positive_or("rope.scaling.yarn_beta_slow", 1.0);
        rope.n_ctx_orig = reader.size_or("rope.scaling.original_context_length", rope.n_ctx_orig, max_context);
    }
}

struct Architecture {
    const char * name;
    bool rope_halves;
};

static const Architecture architectures[] = {{"llama", false}, {"qwen2", true}, {"qwen3", true}};

static const Architecture & find_architecture(const GgufFile & file) {
    const auto name = file.string("general.architecture");
    if (!name) {
        fail(ICF_ERROR_FORMAT, "%s: key 'general.architecture' is missing", file.path().c_str());
    }
    std::string known;
    for (const Architecture & architecture : architectures) {
        if (*name == architecture.name) {
            return architecture;
        }
        known += known.empty() ? architecture.name : std::string(", ") + architecture.name;
    }
    fail(ICF_ERROR_UNSUPPORTED, "%s: architecture '%s' is not supported as a decoder (%s)%s", file.path().c_str(),
         name->c_str(), known.c_str(), *name == "icformer" ? "; this file holds an IC-Former" : "");
}

static int read_vocabulary_size(const ParamReader & reader) {
    const long long tokens = reader.file().find_key("tokenizer.ggml.tokens");
    if (tokens >= 0) {
        if (!reader.file().key_is_array(tokens) || reader.file().key_kind(tokens) != ICF_VALUE_TEXT) {
            fail(ICF_ERROR_FORMAT, "%s: key 'tokenizer.ggml.tokens' is not a list of texts", reader.path());
        }
        const long long count = reader.file().key_length(tokens);
        return reader.size_or("vocab_size", count, max_vocab);
    }
    return reader.size("vocab_size", max_vocab);
}

DecoderParams read_decoder_params(const GgufFile & file) {
    const Architecture & architecture = find_architecture(file);
    const ParamReader reader(file, architecture.name);
    if (file.integer(reader.key("expert_count")).value_or(0) > 0) {
        fail(ICF_ERROR_UNSUPPORTED, "%s: mixtures of experts are not supported", reader.path());
    }
    file.string("general.name"); // of the wrong kind it is refused here, not when it is asked for
    DecoderParams p;
    p.architecture = architecture.name;
    p.n_vocab = read_vocabulary_size(reader);
    p.n_embd = reader.size("embedding_length", max_width);
    p.n_layer = reader.size("block_count", max_layers);
    p.n_head = reader.size("attention.head_count", max_width);
    p.n_head_kv = reader.size_or("attention.head_count_kv", p.n_head, max_width);
    p.n_ff = reader.size("feed_forward_length", max_width);
    p.n_ctx_train = reader.size_or("context_length", 2048, max_context);
    p.norm_eps = reader.number_or("attention.layer_norm_rms_epsilon", 1e-5);
    check_heads(reader.path(), p.n_head, p.n_head_kv);

    const long long even_head = p.n_embd / p.n_head;
    p.n_embd_head = reader.size_or("attention.key_length", even_head, max_width);
    if (reader.size_or("attention.value_length", p.n_embd_head, max_width) != p.n_embd_head) {
        fail(ICF_ERROR_UNSUPPORTED, "%s: keys and values of different lengths are not supported", reader.path());
    }
    if (static_cast<long long>(p.n_head) * p.n_embd_head > max_width) {
        fail(ICF_ERROR_FORMAT, "%s: %d heads of %d elements are too many", reader.path(), p.n_head, p.n_embd_head);
    }
    p.rope.halves = architecture.rope_halves;
    p.rope.n_dims = reader.size_or("rope.dimension_count", p.n_embd_head, p.n_embd_head);
    p.rope.base = reader.positive_or("rope.freq_base", 10000.0);
    p.rope.n_ctx_orig = p.n_ctx_train;
    read_rope_scaling(reader, true, p.rope);
    if (p.rope.n_dims % 2 != 0) {
        fail(ICF_ERROR_FORMAT, "%s: RoPE over %d elements, which is odd", reader.path(), p.rope.n_dims);
    }
    const long long window = file.integer(reader.key("attention.sliding_window")).value_or(0);
    if (window < 0 || window > max_context) {
        fail(ICF_ERROR_FORMAT, "%s: a sliding window of %lld positions", reader.path(), window);
    }
    p.n_window = static_cast<int>(window);
    return p;
}

FormerParams read_former_params(const GgufFile & file) {
    const std::string architecture = file.string("general.architecture").value_or("");
    if (architecture != "icformer") {
        fail(ICF_ERROR_FORMAT, "%s: not an IC-Former (its architecture is '%s')", file.path().c_str(), architecture.c_str());
    }
    const ParamReader reader(file, "icformer");
    file.string("general.name"); // as above
    FormerParams p;
    p.n_embd = reader.size("embedding_length", max_width);
    p.n_layer = reader.size("block_count", max_layers);
    p.n_head = reader.size("attention.head_count", max_width);
    p.n_head_kv = reader.size_or("attention.head_count_kv", p.n_head, max_width);
    p.n_ff = reader.size("feed_forward_length", max_width);
    p.n_digest = reader.size("digest_count", max_digests);
    p.chunk_length = reader.size_or("chunk_length", 512, max_width);
    p.cross_interval = reader.size_or("cross_attention_interval", 1, max_layers);
    p.norm_eps = reader.number_or("attention.layer_norm_rms_epsilon", 1e-6);
    check_heads(reader.path(), p.n_head, p.n_head_kv);
    if (p.n_embd % p.n_head != 0 || p.n_embd / p.n_head % 2 != 0) {
        fail(ICF_ERROR_FORMAT, "%s: %d heads cannot share a width of %d in even parts", reader.path(), p.n_head, p.n_embd);
    }
    p.n_embd_head = p.n_embd / p.n_head;
    p.rope.halves = true;
    p.rope.n_dims = p.n_embd_head;
    p.rope.base = reader.positive_or("rope.freq_base", 10000.0);
    read_rope_scaling(reader, false, p.rope);

    p.target_architecture = reader.string_or("target.architecture", "");
    p.target_n_vocab = file.integer("icformer.target.vocab_size").value_or(0);
    p.target_vocab_hash = file.integer("icformer.target.vocab_hash").value_or(0);
    if (reader.size_or("target.embedding_length", p.n_embd, max_width) != p.n_embd) {
        fail(ICF_ERROR_FORMAT, "%s: its width %d is not that of its target", reader.path(), p.n_embd);
    }
    return p;
}

void Hash::add(const void * bytes, size_t count) {
    const unsigned char * at = static_cast<const unsigned char *>(bytes);
    for (size_t i = 0; i < count; i++) {
        state_ = (state_ ^ at[i]) * 0x100000001b3u;
    }
}

long long hash_vocabulary(const GgufFile & file) {
    const long long key = file.find_key("tokenizer.ggml.tokens");
    if (key < 0 || !file.key_is_array(key) || file.key_kind(key) != ICF_VALUE_TEXT) {
        return 0;
    }
    Hash hash;
    const unsigned char end = 0xFF;
    for (long long i = 0; i < file.key_length(key); i++) {
        const std::string_view token = file.text_at(key, i);
        hash.add(token.data(), token.size());
        hash.add(&end, 1);
    }
    return hash.value();
}

} // namespace icf
