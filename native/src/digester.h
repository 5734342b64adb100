// An IC-Former on a device: chunks of a context in, digest rows out.
#pragma once

#include "graph_digest.h"
#include "model.h"

namespace icf {

class Digester {
public:
    // `model` may be NULL: then only given embeddings can be digested.
    Digester(const std::string & path, std::shared_ptr<const Model> model, int device, int n_threads, bool use_mmap);

    const std::shared_ptr<const GgufFile> & file() const { return file_; }
    const FormerParams & params() const { return params_; }
    void describe(icf_digester_info & info) const;

    // Chunk i is tokens[ends[i - 1]] … tokens[ends[i] - 1] → rows [n_chunks, n_digest, n_embd]
    void run_batch(const int32_t * tokens, const long long * ends, long long n_chunks, float * rows);

    // embeddings [n, n_embd] → rows [n_digest, n_embd]
    void run_rows(const float * embeddings, long long n, float * rows);

    // One of the learned rows, n_embd floats.
    void marker(int32_t marker, float * row) const;

private:
    void check_target() const;
    void build(int n);
    void check_length(long long n) const;
    void compute(const float * embeddings, int n, float * rows);

    std::shared_ptr<const GgufFile> file_;
    FormerParams params_;
    std::shared_ptr<const Model> model_;
    int device_;
    TensorStore store_;
    FormerWeights weights_;
    Backend backend_;
    GraphRunner runner_;
    DigestGraph graph_;
    int built_for_ = -1; // length of the context that graph_ is for
    std::vector<float> embeddings_;
    long long fingerprint_;
};

} // namespace icf
