// The graph of one batch through the layers of a Llama-family decoder that one device computes.
#pragma once

#include "cache_attention.h"
#include "kv_cache.h"
#include "products.h"
#include "weights.h"

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
    ggml_tensor * rows = nullptr;      // input F32 [n_embd, n_rows]: embeddings, or the stream after the layers before
    ggml_tensor * positions = nullptr; // input I32 [n_rows]
    ggml_tensor * slots = nullptr;     // input I64 [n_rows], cells of the cache
    ggml_tensor * mask = nullptr;      // input F16 [n_kv, n_rows]
    ggml_tensor * last = nullptr;           // input I32 [n_outputs]: the last rows; NULL where views serve, or all are wanted
    ggml_tensor * last_positions = nullptr; // input I32 [n_outputs]: theirs
    ggml_tensor * stream = nullptr;    // F32 [n_embd, n_rows] for the layers that follow; NULL where none do
    ggml_tensor * hidden = nullptr;    // [n_embd, n_outputs] after the final norm; NULL without outputs
    ggml_tensor * logits = nullptr;    // [n_vocab, n_outputs]; NULL unless asked for
};

// Upper bound of the tensors and operations in a graph.
size_t decode_graph_nodes(const DecoderParams & params);

// Begins a graph; the caller allocates it, fills the inputs and computes. `products` and `attention` must live as long. The
// last layers go on to the outputs.
DecodeGraph build_decode_graph(GraphRunner & runner, const DecoderParams & params, const DecoderWeights & weights,
                               const LayerRange & layers, ProductGraph & products, CacheAttention & attention,
                               const KvCache & cache, const DecodeShape & shape);

} // namespace icf
