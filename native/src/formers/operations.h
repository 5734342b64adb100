// With the exact savings (packed.h), in ggml's own operations, for devices with a memory of their own: many chunks in one graph,
// and the table of what tokens contribute on the device.
#pragma once

#include "formers/former.h"
#include "formers/layers.h"
#include "readback.h"

namespace icf {

// What one graph is for: chunks of n tokens of the table, or of n given embeddings.
struct ChunkShape {
    int n = -1;
    int n_chunks = 0;
    bool from_table = false;

    bool operator==(const ChunkShape & o) const { return n == o.n && n_chunks == o.n_chunks && from_table == o.from_table; }
};

class OperationsFormer final : public Former {
public:
    explicit OperationsFormer(FormerParts parts);

    icf_method method() const override { return ICF_METHOD_FAST; }
    void open_table(int n_vocab, long long max_bytes) override;
    void prepare(const int32_t * tokens, size_t n) override;
    int max_chunks(int n) const override;
    void run_tokens(const int32_t * tokens, int n, int n_chunks, float * rows) override;
    void run_rows(const float * embeddings, int n, float * rows) override { run_embeddings(embeddings, n, 1, rows); }
    long long bytes() const override;
    Table table() const override;

private:
    // Of a cross-attention layer, before RoPE. In the table the digests' rows lie behind those of the vocabulary, so that one
    // look-up puts them behind each chunk.
    struct Memory {
        ggml_tensor * table_k = nullptr; // [n_embd_kv, n_vocab + n_digest]
        ggml_tensor * table_v = nullptr;
        ggml_tensor * digest_k = nullptr; // [n_embd_kv, n_digest]
        ggml_tensor * digest_v = nullptr;
    };

    struct FillGraph {
        int n = -1;
        ggml_tensor * embeddings = nullptr; // input F32 [n_embd, n]
        ggml_tensor * rows = nullptr;       // input I64 [n]
    };

    struct ChunkGraph {
        ChunkShape shape;
        ggml_tensor * table_rows = nullptr;      // input I32 [(n + n_digest) * n_chunks]; NULL unless from the table
        ggml_tensor * context = nullptr;         // input F32 [n_embd, n * n_chunks]; NULL where from the table, or empty
        ggml_tensor * key_positions = nullptr;   // input I32 [(n + n_digest) * n_chunks]: -n … n_digest - 1, of each chunk
        ggml_tensor * query_positions = nullptr; // input I32 [n_digest * n_chunks]: 0 …, of each chunk
        ggml_tensor * mask = nullptr;            // input F16 [n + n_digest, n_digest]
        ggml_tensor * self_mask = nullptr;       // input F16 [n_digest, n_digest]; NULL without self-attention layers
        ggml_tensor * digest = nullptr;          // output F32 [n_embd, n_digest * n_chunks]
    };

    void fill_key_frequencies();
    void compute_constants();
    size_t table_bytes_for(size_t n_vocab) const;
    void put_digests_into_table();
    FillGraph build_fill(int n);
    void fill(const int32_t * tokens, int n);
    ChunkGraph chunk_inputs(const ChunkShape & shape) const;
    ChunkGraph build(const ChunkShape & shape);
    KeysValues keys_values(FormerLayers & layers, const ChunkGraph & g, const ChunkShape & shape, int i,
                           ggml_tensor * unit) const;
    ggml_tensor * rotated_keys(ggml_tensor * keys, ggml_tensor * positions) const;
    ggml_tensor * look_up(ggml_tensor * table, ggml_tensor * rows) const;
    ggml_tensor * with_digests(const ChunkShape & shape, ggml_tensor * of_context, ggml_tensor * of_digests) const;
    void prepare_graph(const ChunkShape & shape);
    void fill_table_rows(const int32_t * tokens, int n, int n_chunks);
    void run_embeddings(const float * embeddings, int n, int n_chunks, float * rows);
    void compute(float * rows);

    FormerParts parts_;
    const FormerParams & p_;
    const FormerWeights & w_;
    ggml_type type_;               // of keys and values
    std::vector<Memory> memories_; // per layer; empty for a self-attention layer
    PackedMatrices none_;
    ProductGraph products_;

    TensorContext constants_;
    BufferPtr constants_buffer_;
    ggml_tensor * first_queries_ = nullptr;   // [n_embd, n_digest], rotated
    ggml_tensor * key_frequencies_ = nullptr; // F32 [n_embd_kv / 2], what RoPE divides a position by
    TensorContext table_;
    BufferPtr table_buffer_;
    std::vector<bool> filled_; // per token of the vocabulary; empty without a table
    size_t n_filled_ = 0;
    size_t scratch_limit_ = 0; // bytes

    GraphRunner fill_runner_;
    FillGraph fill_;
    GraphRunner runner_;
    ChunkGraph graph_;
    Readback readback_;
    std::vector<float> embeddings_;
    std::vector<int32_t> table_rows_;
};

} // namespace icf
