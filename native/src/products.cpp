#include "products.h"

#include "graph_ops.h"

#include <algorithm>
#include <exception>
#include <thread>

namespace icf {

// Runs work(ith) for every ith of n_threads, on as many threads as can be started.
template <typename Work> static void run_parallel(int n_threads, const Work & work) {
    std::vector<std::thread> threads;
    int started = 1;
    try {
        for (; started < n_threads; started++) {
            threads.emplace_back(work, started);
        }
    } catch (const std::exception &) {
        // Out of threads or memory: what has not been started is done here.
    }
    work(0);
    for (int ith = started; ith < n_threads; ith++) {
        work(ith);
    }
    for (std::thread & thread : threads) {
        thread.join();
    }
}

// ---- Packed weights ----

bool PackedMatrix::can_pack(const Kernels * kernels, const ggml_tensor * weight) {
    return kernels && weight->type == GGML_TYPE_Q8_0 && weight->ne[0] % block_length == 0;
}

PackedMatrix::PackedMatrix(const Kernels & kernels, const ggml_tensor * weight)
    : kernels_(kernels), shape_{static_cast<int>(weight->ne[0]), static_cast<int>(weight->ne[1])},
      data_(make_aligned<char>(kernels.matrix_bytes(shape_))) {}

void PackedMatrix::pack(const ggml_tensor * weight, int first_tile, int last_tile) {
    kernels_.pack_matrix(shape_, static_cast<const char *>(weight->data), weight->nb[1], data_.get(), first_tile, last_tile);
}

void PackedMatrices::pack(const std::vector<ggml_tensor *> & weights, int n_threads) {
    std::vector<std::pair<const ggml_tensor *, PackedMatrix *>> packable;
    for (ggml_tensor * weight : weights) {
        if (PackedMatrix::can_pack(kernels_, weight) && !find(weight)) {
            std::unique_ptr<PackedMatrix> & matrix = matrices_[weight];
            matrix = std::make_unique<PackedMatrix>(*kernels_, weight);
            packable.emplace_back(weight, matrix.get());
        }
    }
    if (packable.empty()) {
        return;
    }
    run_parallel(n_threads, [&](int ith) {
        for (const auto & [weight, matrix] : packable) {
            matrix->pack(weight, part(matrix->n_tiles(), ith, n_threads), part(matrix->n_tiles(), ith + 1, n_threads));
        }
    });
}

const PackedMatrix * PackedMatrices::find(const ggml_tensor * weight) const {
    const auto found = matrices_.find(weight);
    return found == matrices_.end() ? nullptr : found->second.get();
}

std::vector<const ggml_tensor *> PackedMatrices::weights() const {
    std::vector<const ggml_tensor *> weights;
    for (const auto & entry : matrices_) {
        weights.push_back(entry.first);
    }
    return weights;
}

size_t PackedMatrices::bytes() const {
    size_t bytes = 0;
    for (const auto & entry : matrices_) {
        bytes += entry.second->bytes();
    }
    return bytes;
}

// ---- Products in a graph ----

void ProductGraph::reset(const ActiveAdapters * adapters) {
    adapters_ = adapters;
    tasks_.clear();
    adds_.clear();
    packed_.clear();
}

void ProductGraph::run_pack(ggml_tensor * dst, int ith, int nth, void * task) {
    const Task & t = *static_cast<const Task *>(task);
    const int groups = t.kernels->n_groups(t.shape.n_rows);
    t.kernels->pack_rows(t.shape, static_cast<const float *>(dst->src[0]->data), static_cast<char *>(dst->data),
                         part(groups, ith, nth), part(groups, ith + 1, nth));
}

void ProductGraph::run_product(ggml_tensor * dst, int ith, int nth, void * task) {
    const Task & t = *static_cast<const Task *>(task);
    const int tiles = t.matrix->n_tiles();
    t.matrix->multiply(t.shape, static_cast<const char *>(dst->src[0]->data), static_cast<float *>(dst->data),
                       part(tiles, ith, nth), part(tiles, ith + 1, nth));
}

ggml_tensor * ProductGraph::packed_rows(ggml_context * ctx, ggml_tensor * x, const Kernels & kernels) {
    ggml_tensor *& packed = packed_[x];
    if (!packed) {
        const RowsShape shape = {static_cast<int>(x->ne[0]), static_cast<int>(x->ne[1])};
        tasks_.push_back({shape, &kernels, nullptr});
        ggml_tensor * args[] = {ggml_is_contiguous(x) ? x : ggml_cont(ctx, x)};
        packed = ggml_custom_4d(ctx, GGML_TYPE_I8, static_cast<int64_t>(kernels.rows_bytes(shape)), 1, 1, 1, args, 1, run_pack,
                                GGML_N_TASKS_MAX, &tasks_.back());
    }
    return packed;
}

// W x
ggml_tensor * ProductGraph::product(ggml_context * ctx, ggml_tensor * weight, ggml_tensor * x) {
    const PackedMatrix * matrix = matrices_.find(weight);
    if (!matrix) {
        return icf::linear(ctx, weight, nullptr, x);
    }
    ggml_tensor * args[] = {packed_rows(ctx, x, matrix->kernels())};
    tasks_.push_back({{static_cast<int>(x->ne[0]), static_cast<int>(x->ne[1])}, &matrix->kernels(), matrix});
    return ggml_custom_4d(ctx, GGML_TYPE_F32, matrix->shape().n_out, x->ne[1], 1, 1, args, 1, run_product, GGML_N_TASKS_MAX,
                          &tasks_.back());
}

// Of one row the threads share the outputs, and each makes A x for itself; of many they share the rows.
void ProductGraph::run_add(ggml_tensor * dst, int ith, int nth, void * task) {
    const AddTask & add = *static_cast<const AddTask *>(task);
    const ggml_tensor * y = dst->src[0];
    const ggml_tensor * x = dst->src[1];
    const ggml_tensor * a = add.pair->a;
    const int n_rows = static_cast<int>(x->ne[1]);
    const int n_out = static_cast<int>(dst->ne[0]);
    const bool alone = n_rows == 1;
    const int first_row = alone ? 0 : part(n_rows, ith, nth);
    const int first = alone ? part(n_out, ith, nth) : 0;
    const int last = alone ? part(n_out, ith + 1, nth) : n_out;
    LowRankTask t = {static_cast<int>(a->ne[0]),
                     n_out,
                     static_cast<int>(a->ne[1]),
                     a->type == GGML_TYPE_F16,
                     add.scale,
                     a->data,
                     add.pair->b_turned->data,
                     alone ? 1 : part(n_rows, ith + 1, nth) - first_row,
                     nullptr,
                     nullptr};
    t.x = static_cast<const float *>(x->data) + static_cast<size_t>(first_row) * t.n_in;
    t.y = static_cast<float *>(dst->data) + static_cast<size_t>(first_row) * n_out;
    const float * from = static_cast<const float *>(y->data) + static_cast<size_t>(first_row) * n_out;
    for (int row = 0; row < t.n_rows; row++) {
        std::copy(from + static_cast<size_t>(row) * n_out + first, from + static_cast<size_t>(row) * n_out + last,
                  t.y + static_cast<size_t>(row) * n_out + first);
    }
    add.pair->kernels->add_low_rank(t, first, last);
}

// y + scale B (A x), for every adapter that has a pair for the weight
ggml_tensor * ProductGraph::adapted(ggml_context * ctx, ggml_tensor * weight, ggml_tensor * x, ggml_tensor * y) {
    for (const ActiveAdapter & active : *adapters_) {
        const Adapter::Pair * pair = active.adapter->find(weight);
        if (!pair) {
            continue;
        }
        const float scale = pair->scale * active.factor;
        if (pair->kernels) {
            adds_.push_back({pair, scale});
            ggml_tensor * args[] = {y, ggml_is_contiguous(x) ? x : ggml_cont(ctx, x)};
            y = ggml_custom_4d(ctx, GGML_TYPE_F32, y->ne[0], y->ne[1], 1, 1, args, 2, run_add, GGML_N_TASKS_MAX, &adds_.back());
        } else {
            ggml_tensor * inner = ggml_mul_mat(ctx, pair->a, x); // [rank, n]
            y = ggml_add(ctx, y, ggml_mul_mat(ctx, pair->b, scale == 1 ? inner : ggml_scale(ctx, inner, scale)));
        }
    }
    return y;
}

ggml_tensor * ProductGraph::linear(ggml_context * ctx, ggml_tensor * weight, ggml_tensor * bias, ggml_tensor * x) {
    ggml_tensor * y = product(ctx, weight, x);
    if (adapters_) {
        y = adapted(ctx, weight, x, y);
    }
    return bias ? ggml_add(ctx, y, bias) : y;
}

ggml_tensor * ProductGraph::swiglu(ggml_context * ctx, ggml_tensor * gate, ggml_tensor * up, ggml_tensor * down,
                                   ggml_tensor * x) {
    ggml_tensor * hidden = ggml_swiglu_split(ctx, linear(ctx, gate, nullptr, x), linear(ctx, up, nullptr, x));
    return linear(ctx, down, nullptr, hidden);
}

} // namespace icf
