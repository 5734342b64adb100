// An IC-Former on a device: chunks of a context in, digest rows out.
#pragma once

#include "adapter.h"
#include "formers/former.h"
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
    std::unique_ptr<Former> choose_former(int32_t method) const;
    void check_tokens(const int32_t * tokens, long long n) const;

    std::shared_ptr<const GgufFile> file_;
    FormerParams params_;
    std::shared_ptr<const Model> model_;
    int device_;
    TensorStore store_;
    FormerWeights weights_;
    std::vector<float> marker_ft_; // copies; empty where the former has none
    std::vector<float> marker_ae_;
    Backend backend_;
    long long fingerprint_;
    std::unique_ptr<Former> former_;
};

} // namespace icf
