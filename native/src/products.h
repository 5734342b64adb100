// Products with weights in a graph: by kernels that read a weight in a packed form where it has one, else by ggml.
#pragma once

#include "adapter.h"
#include "backend.h"
#include "kernels/kernels.h"

#include <deque>
#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

namespace icf {

// A Q8_0 weight [n_in, n_out] as the kernels read it, of the same values.
class PackedMatrix {
public:
    static bool can_pack(const Kernels * kernels, const ggml_tensor * weight);

    // Memory for that weight, which pack() fills with its tiles first … last - 1.
    PackedMatrix(const Kernels & kernels, const ggml_tensor * weight);
    void pack(const ggml_tensor * weight, int first_tile, int last_tile);

    const Kernels & kernels() const { return kernels_; }
    const MatrixShape & shape() const { return shape_; }
    int n_tiles() const { return kernels_.n_tiles(shape_.n_out); }
    size_t bytes() const { return kernels_.matrix_bytes(shape_); }

    // y [n_rows, n_out] = rows · Wᵀ, the outputs of tiles first … last - 1.
    void multiply(const RowsShape & rows_shape, const char * rows, float * y, int first_tile, int last_tile) const {
        kernels_.multiply(shape_, data_.get(), rows_shape, rows, y, first_tile, last_tile);
    }

private:
    const Kernels & kernels_;
    MatrixShape shape_;
    AlignedPtr<char> data_;
};

// The packed forms of a model's weights.
class PackedMatrices {
public:
    // `kernels` may be NULL: then nothing is packed.
    explicit PackedMatrices(const Kernels * kernels = nullptr) : kernels_(kernels) {}

    // Packs those of the weights that can be, on n_threads threads.
    void pack(const std::vector<ggml_tensor *> & weights, int n_threads);

    // NULL where the weight has no packed form.
    const PackedMatrix * find(const ggml_tensor * weight) const;
    std::vector<const ggml_tensor *> weights() const;
    size_t bytes() const;

private:
    const Kernels * kernels_;
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

    // Forgets the graph before. `adapters` change the products of the next one, and live as long as it.
    void reset(const ActiveAdapters * adapters = nullptr);

    // W x + b; `bias` may be NULL. x [n_in, n] → [n_out, n]
    ggml_tensor * linear(ggml_context * ctx, ggml_tensor * weight, ggml_tensor * bias, ggml_tensor * x);

    // down(silu(gate x) * (up x)); x [n_embd, n] → [n_embd, n]
    ggml_tensor * swiglu(ggml_context * ctx, ggml_tensor * gate, ggml_tensor * up, ggml_tensor * down, ggml_tensor * x);

private:
    struct AddTask {
        const Adapter::Pair * pair;
        float scale;
    };

    struct Task {
        RowsShape shape;
        const Kernels * kernels;
        const PackedMatrix * matrix; // NULL: packs rows
    };

    ggml_tensor * product(ggml_context * ctx, ggml_tensor * weight, ggml_tensor * x);
    ggml_tensor * adapted(ggml_context * ctx, ggml_tensor * weight, ggml_tensor * x, ggml_tensor * y);
    ggml_tensor * packed_rows(ggml_context * ctx, ggml_tensor * x, const Kernels & kernels);
    static void run_pack(ggml_tensor * dst, int ith, int nth, void * task);
    static void run_add(ggml_tensor * dst, int ith, int nth, void * task);
    static void run_product(ggml_tensor * dst, int ith, int nth, void * task);

    const PackedMatrices & matrices_;
    const ActiveAdapters * adapters_ = nullptr;
    std::deque<Task> tasks_;
    std::deque<AddTask> adds_;
    std::map<const ggml_tensor *, ggml_tensor *> packed_; // of each x, shared by the products that read it
};

} // namespace icf
