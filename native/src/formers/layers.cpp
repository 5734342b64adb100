#include "formers/layers.h"

#include "graph_ops.h"

#include <algorithm>

namespace icf {

size_t former_graph_nodes(const FormerParams & params) {
    return 64 + 64 * static_cast<size_t>(params.n_layer);
}

FormerLayers::FormerLayers(const GraphRunner & runner, const FormerParams & params, const FormerWeights & weights,
                           ProductGraph & products, int n_chunks)
    : ctx_(runner.context()), backend_(runner.backend()), p_(params), w_(weights), products_(products), n_chunks_(n_chunks) {}

// Keys and values come from the context and the initial digest embeddings in every layer; only the stream of queries is updated
// from layer to layer.
ggml_tensor * FormerLayers::build(const CrossAttention & cross, ggml_tensor * positions, ggml_tensor * mask) {
    ggml_tensor * x = nullptr;
    for (int i = 0; i < p_.n_layer; i++) {
        const FormerLayer & l = w_.layers[static_cast<size_t>(i)];
        ggml_tensor * attended = p_.is_cross(i) ? cross(i, x) : self_attention(l, x, positions, mask);
        x = add_residual(x, products_.linear(ctx_, l.wo, l.bo, attended));
        x = ggml_add(ctx_, x, products_.swiglu(ctx_, l.gate, l.up, l.down, rms_norm(ctx_, x, l.ffn_norm, p_.norm_eps)));
    }
    return rms_norm(ctx_, x, w_.output_norm, p_.norm_eps);
}

ggml_tensor * FormerLayers::add_residual(ggml_tensor * x, ggml_tensor * attended) {
    if (x) {
        return ggml_add(ctx_, x, attended);
    }
    ggml_tensor * chunks = ggml_reshape_3d(ctx_, attended, p_.n_embd, p_.n_digest, n_chunks_);
    return ggml_reshape_2d(ctx_, ggml_add(ctx_, chunks, w_.digest_embd), p_.n_embd, p_.n_digest * n_chunks_);
}

ggml_tensor * FormerLayers::normed(const FormerLayer & l, ggml_tensor * x) {
    return rms_norm(ctx_, x ? x : w_.digest_embd, l.attn_norm, p_.norm_eps);
}

ggml_tensor * FormerLayers::queries(const FormerLayer & l, ggml_tensor * x, ggml_tensor * positions) {
    return rotated(products_.linear(ctx_, l.wq, l.bq, normed(l, x)), positions);
}

KeysValues FormerLayers::keys_values(const FormerLayer & l, ggml_tensor * unit) {
    ggml_tensor * rows = ggml_mul(ctx_, unit, l.context_norm);
    ggml_tensor * k = products_.linear(ctx_, l.wk, l.bk, rows);
    return {k, products_.linear(ctx_, l.wv, l.bv, rows)};
}

ggml_tensor * FormerLayers::rotated(ggml_tensor * x, ggml_tensor * positions) {
    return rope(ctx_, split_heads(ctx_, x, p_.n_embd_head), positions, nullptr, p_.rope);
}

ggml_tensor * FormerLayers::attend(ggml_tensor * q, ggml_tensor * k, ggml_tensor * v, ggml_tensor * mask) {
    const auto heads = [&](ggml_tensor * x, int n_head) {
        const int64_t n = ggml_nelements(x) / (static_cast<int64_t>(p_.n_embd_head) * n_head * n_chunks_);
        return heads_last(ctx_, ggml_reshape_4d(ctx_, x, p_.n_embd_head, n_head, n, n_chunks_));
    };
    return attention(ctx_, backend_, heads(q, p_.n_head), heads(k, p_.n_head_kv), heads(v, p_.n_head_kv), mask);
}

ggml_tensor * FormerLayers::self_attention(const FormerLayer & l, ggml_tensor * x, ggml_tensor * positions,
                                           ggml_tensor * mask) {
    ggml_tensor * rows = normed(l, x);
    ggml_tensor * q = rotated(products_.linear(ctx_, l.wq, l.bq, rows), positions);
    ggml_tensor * k = rotated(products_.linear(ctx_, l.wk, l.bk, rows), positions);
    return attend(q, k, products_.linear(ctx_, l.wv, l.bv, rows), mask);
}

void fill_positions(ggml_tensor * positions, int first, int n) {
    if (positions && positions->buffer) {
        std::vector<int32_t> values(static_cast<size_t>(positions->ne[0]));
        for (size_t i = 0; i < values.size(); i++) {
            values[i] = first + static_cast<int>(i % static_cast<size_t>(n));
        }
        ggml_backend_tensor_set(positions, values.data(), 0, ggml_nbytes(positions));
    }
}

void fill_digest_mask(ggml_tensor * mask, int n) {
    if (mask && mask->buffer) {
        const int64_t n_keys = mask->ne[0];
        const int64_t k = mask->ne[1];
        std::vector<ggml_fp16_t> values(static_cast<size_t>(n_keys * k), mask_visible);
        for (int64_t i = 0; i < k; i++) {
            std::fill(values.begin() + i * n_keys + n + i + 1, values.begin() + (i + 1) * n_keys, mask_hidden);
        }
        ggml_backend_tensor_set(mask, values.data(), 0, ggml_nbytes(mask));
    }
}

} // namespace icf
