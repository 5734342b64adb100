// The graph of an IC-Former's layers (arXiv 2406.13618; reference: ICFormerModel, ICFormerEncoder), for every strategy: they
// differ in where the keys and values of cross-attention come from.
#pragma once

#include "formers/weights.h"
#include "products.h"

#include <functional>

namespace icf {

// Upper bound of the tensors and operations in a graph.
size_t former_graph_nodes(const FormerParams & params);

struct KeysValues {
    ggml_tensor * k;
    ggml_tensor * v;
};

class FormerLayers {
public:
    // A graph of n_chunks chunks; `products` must live as long as the graph.
    FormerLayers(const GraphRunner & runner, const FormerParams & params, const FormerWeights & weights,
                 ProductGraph & products, int n_chunks);

    // Attention of layer i to the context and to the digests, of the stream x [n_embd, n_digest * n_chunks], which is NULL before
    // the first layer: there it is the digest embeddings, the same for each chunk → [n_embd, n_digest * n_chunks]
    using CrossAttention = std::function<ggml_tensor *(int i, ggml_tensor * x)>;

    // All layers and the last norm → [n_embd, n_digest * n_chunks]. The self-attention layers, where there are any, are causal
    // over the digests' own rows, at `positions` I32 [n_digest * n_chunks] and with `mask` F16 [n_digest, n_digest].
    ggml_tensor * build(const CrossAttention & cross, ggml_tensor * positions, ggml_tensor * mask);

    // ---- What cross-attention is made of ----

    // Queries of x, or of the digest embeddings where it is NULL, rotated to their positions → [n_embd_head, n_head, rows]
    ggml_tensor * queries(const FormerLayer & l, ggml_tensor * x, ggml_tensor * positions);

    // Keys and values of rows `unit` [n_embd, n] whose mean square is 1, before RoPE → [n_embd_kv, n] each
    KeysValues keys_values(const FormerLayer & l, ggml_tensor * unit);

    // x [n_embd_head * n_head, n] → [n_embd_head, n_head, n], rotated to its positions [n]
    ggml_tensor * rotated(ggml_tensor * x, ggml_tensor * positions);

    // q [n_embd, n_digest * n_chunks], k and v [n_embd_kv, n_keys, n_chunks] in any shape, mask F16 [n_keys, n_digest]
    // → [n_embd, n_digest * n_chunks]
    ggml_tensor * attend(ggml_tensor * q, ggml_tensor * k, ggml_tensor * v, ggml_tensor * mask);

private:
    ggml_tensor * normed(const FormerLayer & l, ggml_tensor * x);
    ggml_tensor * self_attention(const FormerLayer & l, ggml_tensor * x, ggml_tensor * positions, ggml_tensor * mask);
    ggml_tensor * add_residual(ggml_tensor * x, ggml_tensor * attended);

    ggml_context * ctx_;
    const Backend & backend_;
    const FormerParams & p_;
    const FormerWeights & w_;
    ProductGraph & products_;
    int n_chunks_;
};

// Positions first, first + 1, … of n rows, again and again. An input that is NULL, or that no operation reads, is left out.
void fill_positions(ggml_tensor * positions, int first, int n);

// Mask [n + k, k]: every digest sees the whole context of n; among the k digests it is causal. An input that is NULL, or that
// no operation reads, is left out.
void fill_digest_mask(ggml_tensor * mask, int n);

} // namespace icf
