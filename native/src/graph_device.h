// The IC-Former with its exact savings (graph_fast.h) in ggml's own operations, for devices with a memory of their own: many
// chunks in one graph, and the table of what tokens contribute on the device.
#pragma once

#include "backend.h"
#include "weights.h"

#include <vector>

namespace icf {

class DeviceFormer {
public:
    // Keys and values are F16, but F32 where the weights are.
    DeviceFormer(const FormerParams & params, const FormerWeights & weights, const Backend & backend, bool is_f16);

    // Makes room for what n_vocab tokens contribute.
    void open_table(int n_vocab);
    size_t table_bytes_for(int n_vocab) const;
    size_t table_bytes() const { return table_buffer_ ? table_bytes_for(static_cast<int>(filled_.size())) : 0; }
    size_t n_filled() const { return n_filled_; }
    bool has(int32_t token) const { return filled_[static_cast<size_t>(token)]; }

    // Puts tokens [n] into the table, whose embeddings are [n, n_embd].
    void fill(const int32_t * tokens, const float * embeddings, int n);

    // Most chunks of n rows that one call should take: what fits into half of the memory that was free after opening.
    int max_chunks(int n) const;

    // Digests chunks of n tokens each, all of them in the table, or of n embeddings [n, n_embd] → [n_chunks, n_digest, n_embd]
    void run_tokens(const int32_t * tokens, int n, int n_chunks, float * rows);
    void run_rows(const float * embeddings, int n, int n_chunks, float * rows);

    long long bytes() const;

private:
    // Of a cross-attention layer, before RoPE in the table and after it for the digests.
    struct Memory {
        ggml_tensor * table_k = nullptr; // [n_embd_kv, n_vocab]
        ggml_tensor * table_v = nullptr;
        ggml_tensor * digest_k = nullptr; // [n_embd_kv, n_digest]
        ggml_tensor * digest_v = nullptr;
    };

    void compute_constants();
    void build_fill(int n);
    void build(int n, int n_chunks, bool from_table);
    void run(int n, int n_chunks, float * rows);
    ggml_tensor * build_layer(ggml_context * ctx, int i, ggml_tensor * x);
    ggml_tensor * cross_attention(ggml_context * ctx, int i, ggml_tensor * x);
    ggml_tensor * self_attention(ggml_context * ctx, int i, ggml_tensor * x);
    ggml_tensor * with_digests(ggml_context * ctx, ggml_tensor * of_context, ggml_tensor * of_digests) const;
    ggml_tensor * attend(ggml_context * ctx, ggml_tensor * q, ggml_tensor * k, ggml_tensor * v, ggml_tensor * mask) const;

    const FormerParams & p_;
    const FormerWeights & w_;
    const Backend & backend_;
    ggml_type type_; // of keys and values
    std::vector<Memory> memories_; // per layer; empty for a self-attention layer

    TensorContext constants_;
    BufferPtr constants_buffer_;
    ggml_tensor * first_queries_ = nullptr; // [n_embd, n_digest], rotated
    TensorContext table_;
    BufferPtr table_buffer_;
    std::vector<bool> filled_;
    size_t n_filled_ = 0;
    size_t scratch_limit_ = 0; // bytes

    GraphRunner fill_runner_;
    int fill_built_for_ = -1;
    ggml_tensor * fill_embeddings_ = nullptr; // input F32 [n_embd, n]
    ggml_tensor * fill_rows_ = nullptr;       // input I64 [n]

    GraphRunner runner_;
    int built_n_ = -1;
    int built_chunks_ = 0;
    bool built_from_table_ = false;
    ggml_tensor * tokens_ = nullptr;          // input I32 [n * n_chunks]
    ggml_tensor * context_ = nullptr;         // input F32 [n_embd, n * n_chunks]
    ggml_tensor * key_positions_ = nullptr;   // input I32 [n * n_chunks]: -n … -1, of each chunk
    ggml_tensor * query_positions_ = nullptr; // input I32 [n_digest * n_chunks]: 0 …, of each chunk
    ggml_tensor * mask_ = nullptr;            // input F16 [n + n_digest, n_digest]
    ggml_tensor * self_mask_ = nullptr;       // input F16 [n_digest, n_digest]
    ggml_tensor * unit_ = nullptr;            // the context, normalised
    ggml_tensor * digest_ = nullptr;          // output F32 [n_embd, n_digest * n_chunks]
};

} // namespace icf
