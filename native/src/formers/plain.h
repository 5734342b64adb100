// Step by step as in the reference implementation, for comparison and where nothing better serves: keys and values of context
// and digests are computed anew for every chunk, with the context at positions 0 … n - 1 and the digests behind it.
#pragma once

#include "formers/former.h"

namespace icf {

struct PlainGraph {
    ggml_tensor * context = nullptr;         // input F32 [n_embd, n]; NULL for an empty context
    ggml_tensor * key_positions = nullptr;   // input I32 [n + n_digest]: 0 …
    ggml_tensor * query_positions = nullptr; // input I32 [n_digest]: n …
    ggml_tensor * cross_mask = nullptr;      // input F16 [n + n_digest, n_digest]
    ggml_tensor * self_positions = nullptr;  // input I32 [n_digest]: 0 …; NULL without self-attention layers
    ggml_tensor * self_mask = nullptr;       // input F16 [n_digest, n_digest]; NULL without self-attention layers
    ggml_tensor * rows = nullptr;            // output F32 [n_embd, n_digest]
};

// Begins a graph; the caller allocates it, fills the inputs and computes.
PlainGraph build_plain_graph(GraphRunner & runner, const FormerParams & params, const FormerWeights & weights, int n);

class PlainFormer final : public Former {
public:
    explicit PlainFormer(FormerParts parts);

    icf_method method() const override { return ICF_METHOD_PLAIN; }
    void run_tokens(const int32_t * tokens, int n, int n_chunks, float * rows) override;
    void run_rows(const float * embeddings, int n, float * rows) override;
    long long bytes() const override { return runner_.bytes(); }

private:
    void prepare_graph(int n);

    FormerParts parts_;
    GraphRunner runner_;
    PlainGraph graph_;
    int built_for_ = -1; // length of the context that graph_ is for
    std::vector<float> embeddings_;
};

} // namespace icf
