#include "formers/weights.h"

#include "error.h"

#include <cstring>

namespace icf {

FormerParams read_former_params(const GgufFile & file) {
    const std::string architecture = file.string("general.architecture").value_or("");
    if (architecture != "icformer") {
        fail(ICF_ERROR_FORMAT, "%s: not an IC-Former (its architecture is '%s')", file.path().c_str(), architecture.c_str());
    }
    const ParamReader reader(file, "icformer");
    file.string("general.name"); // of the wrong kind it is refused here, not when it is asked for
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
    check_heads(reader, p.n_head, p.n_head_kv);
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

static bool ends_with(const std::string & name, const char * ending) {
    const size_t length = strlen(ending);
    return name.size() >= length && name.compare(name.size() - length, length, ending) == 0;
}

DeviceLayout former_layout(const FormerParams & params, const Device & device) {
    const auto rows = [n = params.n_embd_head](const std::string & name) -> long long {
        for (const char * ending : {".attn_q.weight", ".attn_k.weight", ".attn_q.bias", ".attn_k.bias"}) {
            if (ends_with(name, ending)) {
                return n;
            }
        }
        return 0;
    };
    return {widens_halves(device), rows};
}

FormerWeights load_former_weights(TensorStore & store, const FormerParams & p) {
    FormerWeights w;
    w.digest_embd = store.matrix("digest_embd.weight", p.n_embd, p.n_digest);
    if (w.digest_embd->type != GGML_TYPE_F32) {
        fail(ICF_ERROR_UNSUPPORTED, "%s: tensor 'digest_embd.weight' has type %s, only f32 is supported there",
             store.file().path().c_str(), ggml_type_name(w.digest_embd->type));
    }
    store.check_finite(w.digest_embd);
    w.output_norm = store.vector("output_norm.weight", p.n_embd);
    w.marker_ft = store.find_vector("marker_ft.weight", p.n_embd);
    w.marker_ae = store.find_vector("marker_ae.weight", p.n_embd);
    for (int i = 0; i < p.n_layer; i++) {
        FormerLayer layer = {};
        layer.context_norm = p.is_cross(i) ? store.vector(layer_tensor(i, "context_norm.weight"), p.n_embd) : nullptr;
        load_layer_weights(store, {p.n_embd, p.n_embd, p.n_embd_kv(), p.n_ff}, i, layer);
        w.layers.push_back(layer);
    }
    store.check_all_used();
    return w;
}

} // namespace icf
