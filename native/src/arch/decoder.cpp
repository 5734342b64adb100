#include "arch/decoder.h"

#include "arch/architecture.h"
#include "error.h"

namespace icf {

// ---- The list of architectures ----

static const Architecture * const architectures[] = {&llama_architecture, &qwen2_architecture, &qwen3_architecture};

const Architecture & find_architecture(const std::string & name, const std::string & path) {
    std::string known;
    for (const Architecture * architecture : architectures) {
        if (name == architecture->name) {
            return *architecture;
        }
        known += known.empty() ? architecture->name : std::string(", ") + architecture->name;
    }
    fail(ICF_ERROR_UNSUPPORTED, "%s: architecture '%s' is not supported as a decoder (%s)%s", path.c_str(), name.c_str(),
         known.c_str(), name == "icformer" ? "; this file holds an IC-Former" : "");
}

// ---- Parameters ----

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

// The width of heads and how they are rotated.
static void read_heads(const ParamReader & reader, DecoderParams & p) {
    const long long even_head = p.n_embd / p.n_head;
    p.n_embd_head = reader.size_or("attention.key_length", even_head, max_width);
    if (reader.size_or("attention.value_length", p.n_embd_head, max_width) != p.n_embd_head) {
        fail(ICF_ERROR_UNSUPPORTED, "%s: keys and values of different lengths are not supported", reader.path());
    }
    if (static_cast<long long>(p.n_head) * p.n_embd_head > max_width) {
        fail(ICF_ERROR_FORMAT, "%s: %d heads of %d elements are too many", reader.path(), p.n_head, p.n_embd_head);
    }
    p.rope.n_dims = reader.size_or("rope.dimension_count", p.n_embd_head, p.n_embd_head);
    p.rope.base = reader.positive_or("rope.freq_base", 10000.0);
    p.rope.n_ctx_orig = p.n_ctx_train;
    read_rope_scaling(reader, true, p.rope);
    if (p.rope.n_dims % 2 != 0) {
        fail(ICF_ERROR_FORMAT, "%s: RoPE over %d elements, which is odd", reader.path(), p.rope.n_dims);
    }
}

DecoderParams read_decoder_params(const GgufFile & file) {
    const auto name = file.string("general.architecture");
    if (!name) {
        fail(ICF_ERROR_FORMAT, "%s: key 'general.architecture' is missing", file.path().c_str());
    }
    const Architecture & architecture = find_architecture(*name, file.path());
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
    check_heads(reader, p.n_head, p.n_head_kv);

    read_heads(reader, p);
    const long long window = file.integer(reader.key("attention.sliding_window")).value_or(0);
    if (window < 0 || window > max_context) {
        fail(ICF_ERROR_FORMAT, "%s: a sliding window of %lld positions", reader.path(), window);
    }
    p.n_window = static_cast<int>(window);
    architecture.read_params(reader, p);
    return p;
}

// ---- Weights ----

DecoderWeights load_decoder_weights(TensorStore & store, const DecoderParams & p) {
    const Architecture & architecture = find_architecture(p.architecture, store.file().path());
    DecoderWeights w;
    w.tok_embd = store.matrix("token_embd.weight", p.n_embd, p.n_vocab);
    w.output_norm = store.vector("output_norm.weight", p.n_embd);
    w.output = store.find_matrix("output.weight", p.n_embd, p.n_vocab);
    if (!w.output) {
        w.output = w.tok_embd;
    }
    ggml_tensor * rope_factors = store.find_vector("rope_freqs.weight", p.rope.n_dims / 2);
    for (int i = 0; i < p.n_layer; i++) {
        DecoderLayer layer = {};
        layer.rope_factors = rope_factors;
        architecture.load_layer(store, p, i, layer);
        w.layers.push_back(layer);
    }
    store.check_all_used();
    return w;
}

} // namespace icf
