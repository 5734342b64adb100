#include "graph_decode.h"

#include "graph_ops.h"

namespace icf {

namespace {

class DecodeBuilder {
public:
    DecodeBuilder(GraphRunner & runner, const DecoderParams & params, const DecoderWeights & weights, ProductGraph & products,
                  CacheAttention & attention, const KvCache & cache, const DecodeShape & shape)
        : ctx_(runner.begin()), graph_(runner.graph()), backend_(runner.backend()), p_(params), w_(weights),
          products_(products), attention_(attention), cache_(cache), shape_(shape) {}

    DecodeGraph build(const LayerRange & layers) {
        g_.rows = input(ctx_, "rows", GGML_TYPE_F32, p_.n_embd, shape_.n_rows);
        g_.positions = input(ctx_, "positions", GGML_TYPE_I32, shape_.n_rows);
        g_.slots = input(ctx_, "slots", GGML_TYPE_I64, shape_.n_rows);
        g_.mask = input(ctx_, "mask", GGML_TYPE_F16, shape_.n_kv, shape_.n_rows);
        // A view that begins anywhere is not what every device can read.
        if (!backend_.is_cpu() && layers.end == p_.n_layer && shape_.n_outputs > 0 && shape_.n_outputs < shape_.n_rows) {
            g_.last = input(ctx_, "last", GGML_TYPE_I32, shape_.n_outputs);
            g_.last_positions = input(ctx_, "last_positions", GGML_TYPE_I32, shape_.n_outputs);
        }

        ggml_tensor * x = g_.rows; // the residual stream
        for (int i = layers.first; i < layers.end; i++) {
            // Only rows whose outputs are wanted go through the last layer; all of them leave their keys and values there.
            const int n_out = i == p_.n_layer - 1 ? shape_.n_outputs : shape_.n_rows;
            x = layer(i, x, n_out);
        }
        if (layers.end < p_.n_layer) {
            g_.stream = x;
            ggml_set_output(x);
            ggml_build_forward_expand(graph_, x);
        } else if (shape_.n_outputs > 0) {
            outputs(x);
        }
        return g_;
    }

private:
    // x [n_embd, n_rows] → [n_embd, n_out], the last n_out rows; NULL for none
    ggml_tensor * layer(int i, ggml_tensor * x, int n_out) {
        const DecoderLayer & l = w_.layers[i];
        ggml_tensor * normed = rms_norm(ctx_, x, l.attn_norm, p_.norm_eps);
        store(i, normed);
        if (n_out == 0) {
            return nullptr;
        }
        x = ggml_add(ctx_, last(x, n_out), self_attention(i, last(normed, n_out), n_out));
        return ggml_add(ctx_, x, products_.swiglu(ctx_, l.gate, l.up, l.down, rms_norm(ctx_, x, l.ffn_norm, p_.norm_eps)));
    }

    // Keys and values of the batch into the cache.
    void store(int i, ggml_tensor * normed) {
        const DecoderLayer & l = w_.layers[i];
        ggml_tensor * k = heads(l, products_.linear(ctx_, l.wk, l.bk, normed), l.k_norm, g_.positions);
        ggml_tensor * v = products_.linear(ctx_, l.wv, l.bv, normed);
        k = ggml_reshape_2d(ctx_, k, p_.n_embd_kv(), shape_.n_rows);
        ggml_build_forward_expand(graph_, cache_.store_keys(ctx_, i, k, g_.slots));
        ggml_build_forward_expand(graph_, cache_.store_values(ctx_, i, v, g_.slots));
    }

    // normed [n_embd, n_out] → [n_embd, n_out]
    ggml_tensor * self_attention(int i, ggml_tensor * normed, int n_out) {
        const DecoderLayer & l = w_.layers[i];
        ggml_tensor * positions = n_out < shape_.n_rows && g_.last ? g_.last_positions : last_elements(g_.positions, n_out);
        ggml_tensor * q = heads(l, products_.linear(ctx_, l.wq, l.bq, normed), l.q_norm, positions);
        ggml_tensor * keys = cache_.keys(ctx_, i, shape_.n_kv);
        ggml_tensor * values = cache_.values(ctx_, i, shape_.n_kv);
        ggml_tensor * attended =
            attention_.serves(n_out, cache_.type())
                ? attention_.build(ctx_, q, keys, values, positions)
                : attention(ctx_, backend_, heads_last(ctx_, q), keys, values, last_rows(ctx_, g_.mask, n_out));
        return products_.linear(ctx_, l.wo, l.bo, attended);
    }

    // x [n_embd_head * n_head, n] → [n_embd_head, n_head, n], normed where the architecture does so, and rotated
    ggml_tensor * heads(const DecoderLayer & l, ggml_tensor * x, ggml_tensor * norm, ggml_tensor * positions) {
        x = split_heads(ctx_, x, p_.n_embd_head);
        if (norm) {
            x = rms_norm(ctx_, x, norm, p_.norm_eps);
        }
        return rope(ctx_, x, positions, l.rope_factors, p_.rope);
    }

    // The last n_out rows of x [n_embd, n_rows]
    ggml_tensor * last(ggml_tensor * x, int n_out) {
        return n_out < shape_.n_rows && g_.last ? ggml_get_rows(ctx_, x, g_.last) : last_rows(ctx_, x, n_out);
    }

    ggml_tensor * last_elements(ggml_tensor * x, long long count) {
        return count == x->ne[0] ? x : ggml_view_1d(ctx_, x, count, static_cast<size_t>(x->ne[0] - count) * x->nb[0]);
    }

    void outputs(ggml_tensor * x) {
        g_.hidden = rms_norm(ctx_, x, w_.output_norm, p_.norm_eps);
        ggml_set_output(g_.hidden);
        ggml_build_forward_expand(graph_, g_.hidden);
        if (shape_.outputs & ICF_OUTPUT_LOGITS) {
            g_.logits = products_.linear(ctx_, w_.output, nullptr, g_.hidden);
            ggml_set_output(g_.logits);
            ggml_build_forward_expand(graph_, g_.logits);
        }
    }

    ggml_context * ctx_;
    ggml_cgraph * graph_;
    const Backend & backend_;
    const DecoderParams & p_;
    const DecoderWeights & w_;
    ProductGraph & products_;
    CacheAttention & attention_;
    const KvCache & cache_;
    const DecodeShape shape_;
    DecodeGraph g_;
};

} // namespace

size_t decode_graph_nodes(const DecoderParams & params) {
    return 64 + 64 * static_cast<size_t>(params.n_layer);
}

DecodeGraph build_decode_graph(GraphRunner & runner, const DecoderParams & params, const DecoderWeights & weights,
                               const LayerRange & layers, ProductGraph & products, CacheAttention & attention,
                               const KvCache & cache, const DecodeShape & shape) {
    products.reset();
    return DecodeBuilder(runner, params, weights, products, attention, cache, shape).build(layers);
}

} // namespace icf
