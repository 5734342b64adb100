#include "arch/layer_graph.h"

#include "graph_ops.h"

namespace icf {

LayerGraph::LayerGraph(GraphRunner & runner, const DecodeParts & parts, const DecodeShape & shape, const DecodeGraph & inputs,
                       int i, int n_out)
    : ctx_(runner.context()), graph_(runner.graph()), backend_(runner.backend()), p_(parts.params), products_(parts.products),
      attention_(parts.attention), cache_(parts.cache), shape_(shape), g_(inputs), layer_(i), n_out_(n_out) {}

ggml_tensor * LayerGraph::norm(ggml_tensor * x, ggml_tensor * weight) const {
    return rms_norm(ctx_, x, weight, p_.norm_eps);
}

ggml_tensor * LayerGraph::last(ggml_tensor * x) const {
    return n_out_ < shape_.n_rows && g_.last ? ggml_get_rows(ctx_, x, g_.last) : last_rows(ctx_, x, n_out_);
}

// x [n_embd_head * n_head, n] → [n_embd_head, n_head, n], normed where the architecture does so, and rotated
ggml_tensor * LayerGraph::heads(const DecoderLayer & l, ggml_tensor * x, ggml_tensor * norm_weight,
                                ggml_tensor * positions) const {
    x = split_heads(ctx_, x, p_.n_embd_head);
    if (norm_weight) {
        x = norm(x, norm_weight);
    }
    return rope(ctx_, x, positions, l.rope_factors, p_.rope);
}

void LayerGraph::store(const DecoderLayer & l, ggml_tensor * normed) {
    ggml_tensor * k = heads(l, products_.linear(ctx_, l.wk, l.bk, normed), l.k_norm, g_.positions);
    ggml_tensor * v = products_.linear(ctx_, l.wv, l.bv, normed);
    k = ggml_reshape_2d(ctx_, k, p_.n_embd_kv(), shape_.n_rows);
    ggml_build_forward_expand(graph_, cache_.store_keys(ctx_, layer_, k, g_.slots));
    ggml_build_forward_expand(graph_, cache_.store_values(ctx_, layer_, v, g_.slots));
}

static ggml_tensor * last_elements(ggml_context * ctx, ggml_tensor * x, long long count) {
    return count == x->ne[0] ? x : ggml_view_1d(ctx, x, count, static_cast<size_t>(x->ne[0] - count) * x->nb[0]);
}

ggml_tensor * LayerGraph::self_attention(const DecoderLayer & l, ggml_tensor * normed) {
    ggml_tensor * positions = n_out_ < shape_.n_rows && g_.last ? g_.last_positions : last_elements(ctx_, g_.positions, n_out_);
    ggml_tensor * q = heads(l, products_.linear(ctx_, l.wq, l.bq, normed), l.q_norm, positions);
    ggml_tensor * keys = cache_.keys(ctx_, layer_, shape_.n_kv);
    ggml_tensor * values = cache_.values(ctx_, layer_, shape_.n_kv);
    ggml_tensor * attended = attention_.serves(n_out_, cache_.type()) ? attention_.build(ctx_, q, keys, values, positions)
                                                                      : attention(ctx_, backend_, heads_last(ctx_, q), keys,
                                                                                  values, last_rows(ctx_, g_.mask, n_out_));
    return products_.linear(ctx_, l.wo, l.bo, attended);
}

ggml_tensor * LayerGraph::swiglu(const DecoderLayer & l, ggml_tensor * x) {
    return products_.swiglu(ctx_, l.gate, l.up, l.down, x);
}

} // namespace icf
