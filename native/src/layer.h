// The matrices that a layer of a decoder and one of an IC-Former have in common.
#pragma once

#include "tensor_store.h"

#include <array>
#include <string>

namespace icf {

// Shapes are [input, output] as in ggml; an optional tensor is NULL where the file has none.
struct LayerWeights {
    ggml_tensor * attn_norm; // [n_embd]
    ggml_tensor * wq;        // [n_embd, n_embd_q]
    ggml_tensor * wk;        // [n_embd, n_embd_kv]
    ggml_tensor * wv;        // [n_embd, n_embd_kv]
    ggml_tensor * wo;        // [n_embd_q, n_embd]
    ggml_tensor * bq;        // biases, optional
    ggml_tensor * bk;
    ggml_tensor * bv;
    ggml_tensor * bo;
    ggml_tensor * ffn_norm; // [n_embd]
    ggml_tensor * gate;     // [n_embd, n_ff]
    ggml_tensor * up;       // [n_embd, n_ff]
    ggml_tensor * down;     // [n_ff, n_embd]

    // What rows are multiplied with.
    static const size_t n_matrices = 7;
    std::array<ggml_tensor *, n_matrices> matrices() const { return {wq, wk, wv, wo, gate, up, down}; }
};

struct LayerSizes {
    int n_embd;
    int n_embd_q;
    int n_embd_kv;
    int n_ff;
};

// "blk.<layer>.<part>"
std::string layer_tensor(int layer, const char * part);

void load_layer_weights(TensorStore & store, const LayerSizes & sizes, int layer, LayerWeights & weights);

} // namespace icf
