// The part of a batch's graph that one layer of a decoder adds, in the words that architectures are written in.
#pragma once

#include "arch/decoder.h"
#include "cache_attention.h"
#include "kv_cache.h"
#include "products.h"

namespace icf {

// What a graph depends on: two batches of the same shape share one.
struct DecodeShape {
    int n_rows = 0;
    int n_kv = 0;      // positions of the cache that attention looks at
    int n_outputs = 0; // last rows whose outputs are wanted
    int outputs = 0;   // icf_output bits

    bool operator==(const DecodeShape & o) const {
        return n_rows == o.n_rows && n_kv == o.n_kv && n_outputs == o.n_outputs && outputs == o.outputs;
    }
};

struct DecodeGraph {
    ggml_tensor * rows = nullptr;           // input F32 [n_embd, n_rows]: embeddings, or the stream after the layers before
    ggml_tensor * positions = nullptr;      // input I32 [n_rows]
    ggml_tensor * slots = nullptr;          // input I64 [n_rows], cells of the cache
    ggml_tensor * mask = nullptr;           // input F16 [n_kv, n_rows]
    ggml_tensor * last = nullptr;           // input I32 [n_outputs]: the last rows; NULL where views serve, or all are wanted
    ggml_tensor * last_positions = nullptr; // input I32 [n_outputs]: theirs
    ggml_tensor * stream = nullptr;         // F32 [n_embd, n_rows] for the layers that follow; NULL where none do
    ggml_tensor * hidden = nullptr;         // [n_embd, n_outputs] after the final norm; NULL without outputs
    ggml_tensor * logits = nullptr;         // [n_vocab, n_outputs]; NULL unless asked for
};

// What the layers of a batch's graph are built with.
struct DecodeParts {
    const DecoderParams & params;
    ProductGraph & products;
    CacheAttention & attention;
    const KvCache & cache;
    const ActiveAdapters & adapters;
};

class LayerGraph {
public:
    // Layer i, of which the last n_out rows are wanted; the graph has its inputs.
    LayerGraph(GraphRunner & runner, const DecodeParts & parts, const DecodeShape & shape, const DecodeGraph & inputs, int i,
               int n_out);

    ggml_context * ctx() const { return ctx_; }
    int n_out() const { return n_out_; }

    ggml_tensor * add(ggml_tensor * x, ggml_tensor * y) const { return ggml_add(ctx_, x, y); }

    // weight * x / sqrt(mean(x²) + eps); x [n, rows]
    ggml_tensor * norm(ggml_tensor * x, ggml_tensor * weight) const;

    // The wanted rows of x [n_embd, n_rows] → [n_embd, n_out]
    ggml_tensor * last(ggml_tensor * x) const;

    // Keys and values of normed [n_embd, n_rows] into the cache, rotated to their positions.
    void store(const DecoderLayer & l, ggml_tensor * normed);

    // Wo attention(Wq normed) over the cache; normed [n_embd, n_out] → [n_embd, n_out]
    ggml_tensor * self_attention(const DecoderLayer & l, ggml_tensor * normed);

    // down(silu(gate x) * (up x)); x [n_embd, n_out] → [n_embd, n_out]
    ggml_tensor * swiglu(const DecoderLayer & l, ggml_tensor * x);

private:
    ggml_tensor * heads(const DecoderLayer & l, ggml_tensor * x, ggml_tensor * norm, ggml_tensor * positions) const;

    ggml_context * ctx_;
    ggml_cgraph * graph_;
    const Backend & backend_;
    const DecoderParams & p_;
    ProductGraph & products_;
    CacheAttention & attention_;
    const KvCache & cache_;
    const DecodeShape & shape_;
    const DecodeGraph & g_;
    int layer_;
    int n_out_;
};

} // namespace icf
