// Products with weights in a graph: in the packed layout of kernels.h where a weight has one, else by ggml.
#pragma once

#include "backend.h"
#include "kernels.h"

#include <deque>
#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

namespace icf {

// The packed forms of a model's weights.
class PackedMatrices {
public:
    // Packs those of the weights that can be, on n_threads threads.
    void pack(const std::vector<ggml_tensor *> & weights, int n_threads);

    // NULL where the weight has no packed form.
    const PackedMatrix * find(const ggml_tensor * weight) const;
    std::vector<const ggml_tensor *> weights() const;
    size_t bytes() const;

private:
    std::unordered_map<const ggml_tensor *, std::unique_ptr<PackedMatrix>> matrices_;
};

// The part of `count` items that thread ith of nth begins with.
inline int part(int count, int ith, int nth) {
    return static_cast<int>(static_cast<long long>(count) * ith / nth);
}

// Builds the products of one graph. It must live as long as the graph: the graph's operations point into it.
class ProductGraph {
public:
    explicit ProductGraph(const PackedMatrices & matrices) : matrices_(matrices) {}

    // Forgets the graph before.
    void reset();

    // W x + b; `bias` may be NULL. x [n_in, n] → [n_out, n]
    ggml_tensor * linear(ggml_context * ctx, ggml_tensor * weight, ggml_tensor * bias, ggml_tensor * x);

    // down(silu(gate x) * (up x)); x [n_embd, n] → [n_embd, n]
    ggml_tensor * swiglu(ggml_context * ctx, ggml_tensor * gate, ggml_tensor * up, ggml_tensor * down, ggml_tensor * x);

private:
    struct Task {
        PackedRows layout;
        const PackedMatrix * matrix; // NULL: packs rows
    };

    ggml_tensor * packed_rows(ggml_context * ctx, ggml_tensor * x);
    static void run_pack(ggml_tensor * dst, int ith, int nth, void * task);
    static void run_product(ggml_tensor * dst, int ith, int nth, void * task);

    const PackedMatrices & matrices_;
    std::deque<Task> tasks_;
    std::map<const ggml_tensor *, ggml_tensor *> packed_; // of each x, shared by the products that read it
};

} // namespace icf
