// The graph of one chunk through an IC-Former (arXiv 2406.13618; reference: ICFormerModel, ICFormerEncoder).
#pragma once

#include "weights.h"

namespace icf {

struct DigestGraph {
    ggml_tensor * context = nullptr;          // input F32 [n_embd, n]; NULL for an empty context
    ggml_tensor * key_positions = nullptr;    // input I32 [n + n_digest]: 0 …
    ggml_tensor * query_positions = nullptr;  // input I32 [n_digest]: n …
    ggml_tensor * cross_mask = nullptr;       // input F16 [n + n_digest, n_digest]
    ggml_tensor * self_positions = nullptr;   // input I32 [n_digest]: 0 …; NULL without self-attention layers
    ggml_tensor * self_mask = nullptr;        // input F16 [n_digest, n_digest]; NULL without self-attention layers
    ggml_tensor * rows = nullptr;             // output F32 [n_embd, n_digest]
};

// Upper bound of the tensors and operations in a graph.
size_t digest_graph_nodes(const FormerParams & params);

// Begins a graph; the caller allocates it, fills the inputs (fill_digest_inputs and the context) and computes.
DigestGraph build_digest_graph(GraphRunner & runner, const FormerParams & params, const FormerWeights & weights, int n);

// Positions first, first + 1, …; an input that is NULL is left out.
void fill_positions(ggml_tensor * positions, int first);

// Mask [n + k, k]: every digest sees the whole context of n; among the k digests it is causal. NULL is left out.
void fill_digest_mask(ggml_tensor * mask, int n);

// Fills positions and masks for a context of n rows.
void fill_digest_inputs(const DigestGraph & graph, int n);

} // namespace icf
