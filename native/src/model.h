// The weights of an LLM: immutable, shared by its digesters and sessions.
#pragma once

#include "adapter.h"
#include "arch/decoder.h"
#include "computation.h"
#include "products.h"

namespace icf {

class Model {
public:
    // `n_gpu_layers`, the last ones, are computed on the device where it is not the CPU; -1: as many as fit.
    Model(const std::string & path, int device, bool use_mmap, bool repack, int n_gpu_layers = -1);

    const std::shared_ptr<const GgufFile> & file() const { return file_; }
    const DecoderParams & params() const { return params_; }
    const DecoderWeights & weights() const { return weights_; }
    const PackedMatrices & packed() const { return packed_; }
    bool repacked() const { return repacked_; } // false: weights as the file has them, and every operation ggml's own
    int device() const { return device_; }
    ComputationPool & computations() const { return computations_; } // for its sessions

    // Layers of which device, in the order of the computation: one part, or the CPU's and then those of the device.
    struct Part {
        int device;
        LayerRange layers;
    };
    std::vector<Part> parts() const;

    // What of it adapters may change.
    AdapterTarget adapter_target() const;
    long long vocab_hash() const { return vocab_hash_; }
    long long fingerprint() const { return fingerprint_; } // the same for every quantisation
    long long weights_fingerprint() const { return weights_fingerprint_; }

    void describe(icf_model_info & info) const;

    // ICF_ERROR_ARGUMENT names the first token outside the vocabulary.
    void check_tokens(const int32_t * tokens, long long n_tokens) const;

    // ICF_ERROR_IO if the file was written to while its weights are used in place.
    void check_unchanged() const { store_.check_unchanged(); }

    // Word embeddings of checked tokens as F32 rows [n_tokens, n_embd].
    void embed(const int32_t * tokens, long long n_tokens, float * rows) const;

private:
    void copy_shared_tensors();
    void pack_matrices();

    std::shared_ptr<const GgufFile> file_;
    DecoderParams params_;
    int device_;
    int n_host_layers_; // the first ones
    TensorStore store_;
    DecoderWeights weights_;
    bool repacked_;
    PackedMatrices packed_;
    mutable ComputationPool computations_;
    long long vocab_hash_;
    long long fingerprint_;
    long long weights_fingerprint_;
};

// ICF_ERROR_ARGUMENT unless the elements of rows [n_rows, n_embd] are numbers of at most this magnitude: the sum of the squares
// of larger ones, by which a norm divides, is infinite, and they would act as zeros.
constexpr float max_element = 1e18f;
void check_rows(const float * rows, long long n_rows, int n_embd);

// Layers of `layer_bytes` each, with their cache, that fit into `free` bytes beside `other_bytes`; all where `free` is 0, that
// is unknown. Some of the memory is left for a former and for whoever else computes there.
int layers_that_fit(long long free, long long other_bytes, const std::vector<long long> & layer_bytes);

} // namespace icf
