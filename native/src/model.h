// The weights of an LLM: immutable, shared by its digesters and sessions.
#pragma once

#include "products.h"
#include "weights.h"

namespace icf {

class Model {
public:
    Model(const std::string & path, int device, bool use_mmap, bool repack);

    const std::shared_ptr<const GgufFile> & file() const { return file_; }
    const DecoderParams & params() const { return params_; }
    const DecoderWeights & weights() const { return weights_; }
    const PackedMatrices & packed() const { return packed_; }
    bool repacked() const { return repacked_; } // false: weights as the file has them, and every operation ggml's own
    int device() const { return device_; }
    long long vocab_hash() const { return vocab_hash_; }
    long long fingerprint() const { return fingerprint_; }

    void describe(icf_model_info & info) const;

    // Weights that every token is multiplied with.
    long long product_bytes() const;

    // ICF_ERROR_ARGUMENT names the first token outside the vocabulary.
    void check_tokens(const int32_t * tokens, long long n_tokens) const;

    // ICF_ERROR_IO if the file was written to while its weights are used in place.
    void check_unchanged() const { store_.check_unchanged(); }

    // Word embeddings of checked tokens as F32 rows [n_tokens, n_embd].
    void embed(const int32_t * tokens, long long n_tokens, float * rows) const;

private:
    long long compute_fingerprint() const;
    void pack_matrices();

    std::shared_ptr<const GgufFile> file_;
    DecoderParams params_;
    int device_;
    TensorStore store_;
    DecoderWeights weights_;
    bool repacked_;
    PackedMatrices packed_;
    long long vocab_hash_;
    long long fingerprint_;
};

// Adds a tensor's data to a hash, read from the file.
void hash_tensor(Hash & hash, const GgufFile & file, const char * name);

// Copies `source` into a field of `capacity` bytes, cut to fit between two characters of UTF-8.
void copy_field(char * target, size_t capacity, const std::string & source);

} // namespace icf
