#include "layer.h"

#include "error.h"

namespace icf {

std::string layer_tensor(int layer, const char * part) {
    return text("blk.%d.%s", layer, part);
}

void load_layer_weights(TensorStore & store, const LayerSizes & s, int i, LayerWeights & w) {
    w.attn_norm = store.vector(layer_tensor(i, "attn_norm.weight"), s.n_embd);
    w.wq = store.matrix(layer_tensor(i, "attn_q.weight"), s.n_embd, s.n_embd_q);
    w.wk = store.matrix(layer_tensor(i, "attn_k.weight"), s.n_embd, s.n_embd_kv);
    w.wv = store.matrix(layer_tensor(i, "attn_v.weight"), s.n_embd, s.n_embd_kv);
    w.wo = store.matrix(layer_tensor(i, "attn_output.weight"), s.n_embd_q, s.n_embd);
    w.bq = store.find_vector(layer_tensor(i, "attn_q.bias"), s.n_embd_q);
    w.bk = store.find_vector(layer_tensor(i, "attn_k.bias"), s.n_embd_kv);
    w.bv = store.find_vector(layer_tensor(i, "attn_v.bias"), s.n_embd_kv);
    w.bo = store.find_vector(layer_tensor(i, "attn_output.bias"), s.n_embd);
    w.ffn_norm = store.vector(layer_tensor(i, "ffn_norm.weight"), s.n_embd);
    w.gate = store.matrix(layer_tensor(i, "ffn_gate.weight"), s.n_embd, s.n_ff);
    w.up = store.matrix(layer_tensor(i, "ffn_up.weight"), s.n_embd, s.n_ff);
    w.down = store.matrix(layer_tensor(i, "ffn_down.weight"), s.n_ff, s.n_embd);
}

} // namespace icf
