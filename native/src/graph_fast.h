// The IC-Former with its exact savings: the same digests for a fraction of the work.
//
// - What a context row contributes to keys and values is looked up (ContextTable) or computed once.
// - RoPE depends on differences of positions alone: with the digests at 0 … k - 1 and the context at -n … -1, the digests'
//   keys and values and the first layer's queries are constants of the model.
// - What is left is Q of the later layers, O and the MLP over k rows, and attention (kernels.h).
#pragma once

#include "kernels.h"
#include "products.h"
#include "weights.h"

#include <memory>
#include <vector>

namespace icf {

class FastFormer {
public:
    // Whether this CPU can run it.
    static bool supported(const Backend & backend) { return backend.is_cpu() && kernels_supported(); }

    FastFormer(const FormerParams & params, const FormerWeights & weights, const Backend & backend);
    ~FastFormer();

    // Elements a context row contributes: keys and values of every cross-attention layer.
    size_t row_length() const { return static_cast<size_t>(n_cross_) * 2 * p_.n_embd_kv(); }

    // embeddings [n, n_embd] → contributions [n, row_length]
    void contributions(const float * embeddings, int n, float * rows);

    // Digests a context whose contributions are `rows` [n] pointers to row_length elements → [n_digest, n_embd]
    void run(const void * const * rows, bool rows_are_f16, int n, float * digest);

    // The graph that run() computes for a context of n rows; valid until the next call.
    ggml_cgraph * graph(int n);

    long long bytes() const;

    // Weights that are not read any more where they came from.
    std::vector<const ggml_tensor *> packed_weights() const { return packed_.weights(); }

private:
    struct GatherTask;
    struct AttentionTask;

    void pack_matrices();
    void compute_constants();
    void reserve(int n);
    void extend_angles(int n);
    void build(int n);
    void build_contributions(int n);
    ggml_tensor * build_layer(ggml_context * ctx, int i, ggml_tensor * x, ggml_tensor * gathered);
    ggml_tensor * digest_positions(ggml_context * ctx);
    ggml_tensor * cross_attention(ggml_context * ctx, int i, ggml_tensor * x, ggml_tensor * gathered);
    ggml_tensor * self_attention(ggml_context * ctx, int i, ggml_tensor * x);

    static void run_gather(ggml_tensor * dst, int ith, int nth, void * task);
    static void run_attention(ggml_tensor * dst, int ith, int nth, void * task);

    const FormerParams & p_;
    const FormerWeights & w_;
    const Backend & backend_;
    int n_cross_ = 0;
    PackedMatrices packed_;
    std::vector<std::unique_ptr<AttentionMemory>> memories_; // per layer; NULL for a self-attention layer
    int capacity_ = -1; // context rows the attention memories have room for

    std::vector<float> first_queries_; // [n_digest, n_embd], rotated
    std::vector<float> constant_rows_; // contributions of the digest embeddings [n_digest, row_length]
    std::vector<float> cosines_;       // [distance][n_embd_head / 2] of the angle at position -distance
    std::vector<float> sines_;

    GraphRunner runner_;
    ProductGraph products_;
    std::unique_ptr<GatherTask> gather_;
    std::deque<AttentionTask> attentions_;
    int built_for_ = -1;
    ggml_tensor * queries_ = nullptr; // input: first_queries_
    ggml_tensor * digest_ = nullptr;  // output
    ggml_tensor * positions_ = nullptr;
    ggml_tensor * self_mask_ = nullptr;

    GraphRunner contribution_runner_;
    ProductGraph contribution_products_;
    int contributions_built_for_ = -1;
    ggml_tensor * embeddings_ = nullptr; // input
    std::vector<ggml_tensor *> contributions_; // outputs: k and v of each cross-attention layer
};

} // namespace icf
