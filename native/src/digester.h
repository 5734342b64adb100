// An IC-Former on a device: chunks of a context in, digest rows out.
#pragma once

#include "context_table.h"
#include "graph_device.h"
#include "graph_digest.h"
#include "graph_fast.h"
#include "model.h"

namespace icf {

class Digester {
public:
    // `model` may be NULL: then only given embeddings can be digested.
    Digester(const std::string & path, std::shared_ptr<const Model> model, const icf_digester_options & options);

    const std::shared_ptr<const GgufFile> & file() const { return file_; }
    const FormerParams & params() const { return params_; }
    void describe(icf_digester_info & info) const;

    // Puts what the tokens [n] contribute into the table.
    void prepare(const int32_t * tokens, long long n);

    // Chunk i is tokens[ends[i - 1]] … tokens[ends[i] - 1] → rows [n_chunks, n_digest, n_embd]
    void run_batch(const int32_t * tokens, const long long * ends, long long n_chunks, float * rows);

    // embeddings [n, n_embd] → rows [n_digest, n_embd]
    void run_rows(const float * embeddings, long long n, float * rows);

    // One of the learned rows, n_embd floats.
    void marker(int32_t marker, float * row) const;

private:
    void check_length(long long n) const;
    void check_tokens(const int32_t * tokens, long long n) const;
    void open_table(long long max_bytes);
    void open_device_table(long long max_bytes);

    void build_plain(int n);
    void run_plain(const float * embeddings, int n, float * rows);

    // Fills `table` with the tokens it lacks; the row of token t is row_of(t).
    template <typename RowOf> void fill_table(ContextTable & table, const int32_t * tokens, size_t n, const RowOf & row_of);
    void run_with_table(const int32_t * tokens, int n, float * rows);
    void run_without_table(const int32_t * tokens, int n, float * rows);
    void run_fast_rows(const float * embeddings, int n, float * rows);

    void fill_device_table(const int32_t * tokens, size_t n);
    void run_on_device(const int32_t * tokens, int n, int n_chunks, float * rows);

    std::shared_ptr<const GgufFile> file_;
    FormerParams params_;
    std::shared_ptr<const Model> model_;
    int device_;
    TensorStore store_;
    FormerWeights weights_;
    Backend backend_;
    long long fingerprint_;

    GraphRunner plain_runner_;
    DigestGraph plain_;
    int plain_built_for_ = -1; // length of the context that plain_ is for

    std::unique_ptr<FastFormer> fast_;      // on the CPU; NULL: another serves
    std::unique_ptr<ContextTable> table_;   // of the whole vocabulary; NULL: each chunk computes its own
    std::unique_ptr<DeviceFormer> device_former_; // on another device; where both are NULL the plain graph serves
    std::vector<float> embeddings_;
    std::vector<float> contributions_;
    std::vector<const void *> context_;
};

} // namespace icf
