#include "arch/architecture.h"

namespace icf {

void load_pre_norm_layer(TensorStore & store, const DecoderParams & p, int i, DecoderLayer & layer) {
    load_layer_weights(store, {p.n_embd, p.n_embd_q(), p.n_embd_kv(), p.n_ff}, i, layer);
    layer.q_norm = store.find_vector(layer_tensor(i, "attn_q_norm.weight"), p.n_embd_head);
    layer.k_norm = store.find_vector(layer_tensor(i, "attn_k_norm.weight"), p.n_embd_head);
    store.ignore(layer_tensor(i, "attn_rot_embd.weight")); // frequencies that the metadata gives as well
}

ggml_tensor * build_pre_norm_layer(LayerGraph & g, const DecoderLayer & l, ggml_tensor * x) {
    ggml_tensor * normed = g.norm(x, l.attn_norm);
    g.store(l, normed);
    if (g.n_out() == 0) {
        return nullptr;
    }
    x = g.add(g.last(x), g.self_attention(l, g.last(normed)));
    return g.add(x, g.swiglu(l, g.norm(x, l.ffn_norm)));
}

} // namespace icf
