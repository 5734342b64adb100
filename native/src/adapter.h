// Low-rank adapters of an LLM (LoRA, arXiv 2106.09685): with A [n_in, rank] and B [rank, n_out] beside a weight W,
// y = W x becomes y = W x + scale B (A x).
#pragma once

#include "kernels/kernels.h"
#include "tensor_store.h"

#include <unordered_map>

namespace icf {

// What of an LLM an adapter may change.
struct AdapterTarget {
    struct Matrix {
        ggml_tensor * weight;
        int device; // index of the device that multiplies with it
    };

    std::string architecture;
    std::vector<Matrix> matrices; // those of the layers, and the output matrix
    const ggml_tensor * tok_embd; // [n_embd, n_vocab]; the output matrix has its name where the two are one
    bool as_in_file;              // the CPU computes by ggml's operations with what the file has: rows are rounded to its type
    const Kernels * kernels;      // that the CPU multiplies with otherwise; NULL where ggml's own operations serve
};

class Adapter {
public:
    // Unless they are to be as in the file, products on the CPU read both matrices as numbers that lose nothing of it, F16 where
    // those are, else F32, and the rows as they are.
    struct Pair {
        ggml_tensor * a;         // [n_in, rank]
        ggml_tensor * b;         // [rank, n_out]
        float scale;             // alpha / rank; 1 where the file has no alpha, or 0
        const Kernels * kernels; // that add it, NULL for ggml's operations; then a and b_turned are F16 or F32 alike
        ggml_tensor * b_turned;  // [n_out, rank]; NULL without kernels
    };

    // A file of llama.cpp's format, or an IC-Former that brings a reader. What does not fit the target is ICF_ERROR_MISMATCH.
    Adapter(const std::string & path, const AdapterTarget & target);

    // NULL where the adapter leaves the weight as it is.
    const Pair * find(const ggml_tensor * weight) const;

    // rows [n_tokens, n_embd] += scale B A[token], where there is a pair for the embeddings.
    void add_embeddings(const int32_t * tokens, long long n_tokens, float scale, float * rows) const;

    bool is_reader() const { return is_reader_; }
    int n_pairs() const { return n_pairs_; }
    int max_rank() const { return max_rank_; }
    long long parameters() const { return store_.parameters(); }
    long long bytes() const { return store_.bytes(); }
    long long fingerprint() const { return fingerprint_; }
    const GgufFile & file() const { return *file_; }

private:
    struct Embeddings {
        int rank;
        int n_embd;
        float scale;
        std::vector<float> a; // (token, rank)
        std::vector<float> b; // (n_embd, rank)
    };

    TensorStore open_store(const AdapterTarget & target) const;
    void read_pair(const std::string & weight_name, const AdapterTarget & target);
    void add_pair(const AdapterTarget & target, const AdapterTarget::Matrix & matrix, ggml_tensor * a, ggml_tensor * b,
                  float scale);
    ggml_tensor * make_tensor(const char * name, int device, ggml_type type, long long ne0, long long ne1,
                              const std::vector<float> & values);
    void read_embeddings(ggml_tensor * a, ggml_tensor * b, float scale, const AdapterTarget & target);
    float scale_of(int rank) const;

    std::shared_ptr<const GgufFile> file_;
    bool is_reader_;
    double alpha_;
    TensorStore store_;
    std::vector<std::unique_ptr<TensorContext>> contexts_; // of tensors made here, with their memory
    std::vector<BufferPtr> buffers_;
    std::unordered_map<std::string, Pair> pairs_; // by the weight's name
    std::unique_ptr<Embeddings> embeddings_;
    int n_pairs_ = 0;
    int max_rank_ = 0;
    long long fingerprint_;
};

// Adapters in use together, each with a factor of its own.
struct ActiveAdapter {
    std::shared_ptr<const Adapter> adapter;
    float factor;
};
using ActiveAdapters = std::vector<ActiveAdapter>;

} // namespace icf
