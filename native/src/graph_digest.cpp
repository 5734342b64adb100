#include "graph_digest.h"

#include "backend.h"
#include "graph_ops.h"

#include <numeric>

namespace icf {

namespace {

class DigestBuilder {
public:
    DigestBuilder(GraphRunner & runner, const FormerParams & params, const FormerWeights & weights, int n)
        : ctx_(runner.begin()), graph_(runner.graph()), backend_(runner.backend()), p_(params), w_(weights), n_(n) {}

    DigestGraph build() {
        inputs();
        // Keys and values come from the context and the initial digest embeddings in every layer; only the stream of
        // queries is updated from layer to layer.
        ggml_tensor * source = n_ > 0 ? ggml_concat(ctx_, g_.context, w_.digest_embd, 1) : w_.digest_embd; // [n_embd, n + k]
        source = ggml_rms_norm(ctx_, source, p_.norm_eps); // the layers differ in their weights of the norm only
        ggml_tensor * x = w_.digest_embd;
        for (int i = 0; i < p_.n_layer; i++) {
            const FormerLayer & l = w_.layers[i];
            ggml_tensor * normed = rms_norm(ctx_, x, l.attn_norm, p_.norm_eps);
            ggml_tensor * attended = p_.is_cross(i) ? cross_attention(l, normed, source) : self_attention(l, normed);
            x = ggml_add(ctx_, x, linear(ctx_, l.wo, l.bo, attended));
            x = ggml_add(ctx_, x, swiglu(ctx_, l.gate, l.up, l.down, rms_norm(ctx_, x, l.ffn_norm, p_.norm_eps)));
        }
        g_.rows = rms_norm(ctx_, x, w_.output_norm, p_.norm_eps);
        ggml_set_output(g_.rows);
        ggml_build_forward_expand(graph_, g_.rows);
        return g_;
    }

private:
    void inputs() {
        const int k = p_.n_digest;
        if (n_ > 0) {
            g_.context = input(ctx_, "context", GGML_TYPE_F32, p_.n_embd, n_);
        }
        g_.key_positions = input(ctx_, "key_positions", GGML_TYPE_I32, n_ + k);
        g_.query_positions = input(ctx_, "query_positions", GGML_TYPE_I32, k);
        g_.cross_mask = input(ctx_, "cross_mask", GGML_TYPE_F16, n_ + k, k);
        if (p_.cross_interval > 1 && p_.n_layer > 1) {
            g_.self_positions = input(ctx_, "self_positions", GGML_TYPE_I32, k);
            g_.self_mask = input(ctx_, "self_mask", GGML_TYPE_F16, k, k);
        }
    }

    // normed [n_embd, k] asks, source [n_embd, n + k] of norm 1 answers → [n_embd, k]
    ggml_tensor * cross_attention(const FormerLayer & l, ggml_tensor * normed, ggml_tensor * source) {
        return attend(l, normed, ggml_mul(ctx_, source, l.context_norm), g_.query_positions, g_.key_positions, g_.cross_mask);
    }

    // normed [n_embd, k] → [n_embd, k], causal
    ggml_tensor * self_attention(const FormerLayer & l, ggml_tensor * normed) {
        return attend(l, normed, normed, g_.self_positions, g_.self_positions, g_.self_mask);
    }

    ggml_tensor * attend(const FormerLayer & l, ggml_tensor * from, ggml_tensor * to, ggml_tensor * query_positions,
                         ggml_tensor * key_positions, ggml_tensor * mask) {
        ggml_tensor * q = rotated(linear(ctx_, l.wq, l.bq, from), query_positions);
        ggml_tensor * k = rotated(linear(ctx_, l.wk, l.bk, to), key_positions);
        ggml_tensor * v = split_heads(ctx_, linear(ctx_, l.wv, l.bv, to), p_.n_embd_head);
        return attention(ctx_, backend_, heads_last(ctx_, q), heads_last(ctx_, k), heads_last(ctx_, v), mask);
    }

    // [n_embd_head * n_head, n] → [n_embd_head, n_head, n]
    ggml_tensor * rotated(ggml_tensor * x, ggml_tensor * positions) {
        return rope(ctx_, split_heads(ctx_, x, p_.n_embd_head), positions, nullptr, p_.rope);
    }

    ggml_context * ctx_;
    ggml_cgraph * graph_;
    const Backend & backend_;
    const FormerParams & p_;
    const FormerWeights & w_;
    const int n_;
    DigestGraph g_;
};

} // namespace

void fill_positions(ggml_tensor * positions, int first) {
    if (positions) {
        std::vector<int32_t> values(static_cast<size_t>(positions->ne[0]));
        std::iota(values.begin(), values.end(), first);
        ggml_backend_tensor_set(positions, values.data(), 0, ggml_nbytes(positions));
    }
}

void fill_digest_mask(ggml_tensor * mask, int n) {
    if (mask) {
        const int64_t n_keys = mask->ne[0];
        const int64_t k = mask->ne[1];
        std::vector<ggml_fp16_t> values(static_cast<size_t>(n_keys * k), mask_visible);
        for (int64_t i = 0; i < k; i++) {
            std::fill(values.begin() + i * n_keys + n + i + 1, values.begin() + (i + 1) * n_keys, mask_hidden);
        }
        ggml_backend_tensor_set(mask, values.data(), 0, ggml_nbytes(mask));
    }
}

size_t digest_graph_nodes(const FormerParams & params) {
    return 64 + 64 * static_cast<size_t>(params.n_layer);
}

DigestGraph build_digest_graph(GraphRunner & runner, const FormerParams & params, const FormerWeights & weights, int n) {
    return DigestBuilder(runner, params, weights, n).build();
}

void fill_digest_inputs(const DigestGraph & graph, int n) {
    fill_positions(graph.key_positions, 0);
    fill_positions(graph.query_positions, n);
    fill_digest_mask(graph.cross_mask, n);
    fill_positions(graph.self_positions, 0);
    fill_digest_mask(graph.self_mask, 0);
}

} // namespace icf
