// The IC-Former with its exact savings, on a CPU that has kernels: the same digests for a fraction of the work.
//
// - What a context row contributes to keys and values is looked up (ContextTable) or computed once.
// - RoPE depends on differences of positions alone: with the digests at 0 … k - 1 and the context at -n … -1, the digests'
//   keys and values and the first layer's queries are constants of the model.
// - What is left is Q of the later layers, O and the MLP over k rows, and attention (kernels/kernels.h).
#pragma once

#include "formers/context_table.h"
#include "formers/former.h"
#include "formers/layers.h"

#include <deque>
#include <memory>

namespace icf {

class PackedFormer final : public Former {
public:
    // The kernels it runs by on that backend; NULL: it cannot run there.
    static const Kernels * kernels_for(const Backend & backend) { return backend.is_cpu() ? best_kernels() : nullptr; }

    PackedFormer(FormerParts parts, const Kernels & kernels);
    ~PackedFormer() override;

    icf_method method() const override { return ICF_METHOD_FAST; }
    void open_table(int n_vocab, long long max_bytes) override;
    void prepare(const int32_t * tokens, size_t n) override;
    void run_tokens(const int32_t * tokens, int n, int n_chunks, float * rows) override;
    void run_rows(const float * embeddings, int n, float * rows) override;
    long long bytes() const override;
    Table table() const override;
    std::vector<const ggml_tensor *> replaced_weights() const override { return packed_.weights(); }

    // The graph that is computed for a context of n rows; valid until the next call.
    ggml_cgraph * graph(int n);

private:
    struct GatherTask;
    struct AttentionTask;

    struct ChunkGraph {
        int n = -1;
        ggml_tensor * queries = nullptr;   // input F32 [n_embd, n_digest]: first_queries_
        ggml_tensor * positions = nullptr; // input I32 [n_digest]: 0 …
        ggml_tensor * self_mask = nullptr; // input F16 [n_digest, n_digest]; NULL without self-attention layers
        ggml_tensor * digest = nullptr;    // output F32 [n_embd, n_digest]
    };

    struct ContributionGraph {
        int n = -1;
        ggml_tensor * embeddings = nullptr; // input F32 [n_embd, n]
        std::vector<ggml_tensor *> outputs; // F32 [n_embd_kv, n]: keys and values of each cross-attention layer
    };

    void pack_matrices();
    void compute_constants();

    // Elements a context row contributes: keys and values of every cross-attention layer, before RoPE.
    size_t row_length() const { return static_cast<size_t>(p_.n_cross()) * 2 * p_.n_embd_kv(); }

    // embeddings [n, n_embd] → contributions [n, row_length]
    void contributions(const float * embeddings, int n, float * rows);
    ContributionGraph build_contributions(int n);

    // Fills `table` with the tokens it lacks; the row of token t is row_of(t).
    template <typename RowOf> void fill(ContextTable & table, const int32_t * tokens, size_t n, const RowOf & row_of);
    void run_chunk(const int32_t * tokens, int n, float * rows);

    // Digests a context whose contributions are `rows` [n] pointers to row_length elements → [n_digest, n_embd]
    void run(const void * const * rows, bool rows_are_f16, int n, float * digest);
    void reserve(int n);
    void extend_angles(int n);
    ChunkGraph build(int n);
    ggml_tensor * attend_to(ggml_context * ctx, int i, ggml_tensor * q, ggml_tensor * gathered, int n);

    static void run_gather(ggml_tensor * dst, int ith, int nth, void * task);
    static void run_attention(ggml_tensor * dst, int ith, int nth, void * task);

    FormerParts parts_;
    const FormerParams & p_;
    const FormerWeights & w_;
    const Kernels & kernels_;
    PackedMatrices packed_;
    std::unique_ptr<ContextTable> table_;                    // of the whole vocabulary; NULL: each chunk computes its own
    std::vector<std::unique_ptr<AttentionMemory>> memories_; // per layer; NULL for a self-attention layer
    int capacity_ = -1;                                      // context rows the attention memories have room for

    std::vector<float> first_queries_; // [n_digest, n_embd], rotated
    std::vector<float> constant_rows_; // contributions of the digest embeddings [n_digest, row_length]
    std::vector<float> cosines_;       // [distance][n_embd_head / 2] of the angle at position -distance
    std::vector<float> sines_;

    GraphRunner runner_;
    ProductGraph products_;
    std::unique_ptr<GatherTask> gather_;
    std::deque<AttentionTask> attentions_;
    ChunkGraph graph_;

    GraphRunner contribution_runner_;
    ProductGraph contribution_products_;
    ContributionGraph contribution_graph_;
    std::vector<float> embeddings_;
    std::vector<float> contributions_;
    std::vector<const void *> context_;
};

} // namespace icf
