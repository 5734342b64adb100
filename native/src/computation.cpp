#include "computation.h"

#include "work.h"

namespace icf {

Computation::Computation(int device, int n_threads, const DecoderParams & params, const PackedMatrices & packed,
                         bool by_kernels)
    : p_(params), backend_(device, n_threads), runner_(backend_, decode_graph_nodes(params)), products_(packed),
      attention_(params, backend_, by_kernels) {}

void Computation::build(long long owner, const DecoderWeights & weights, const LayerRange & layers, const KvCache & cache,
                        const ActiveAdapters & adapters, const DecodeShape & shape) {
    if (is_built_for(owner, shape)) {
        return;
    }
    owner_ = 0; // if there is no room for the new one
    graph_ = build_decode_graph(runner_, {p_, products_, attention_, cache, adapters}, weights, layers, shape);
    runner_.allocate();
    backend_.use_threads_for(static_cast<double>(product_bytes(weights, layers)) * shape.n_rows,
                             ggml_graph_n_nodes(runner_.graph()));
    shape_ = shape;
    owner_ = owner;
}

ComputationPool::Lease ComputationPool::take(int device, int n_threads, const DecoderParams & params,
                                             const PackedMatrices & packed, bool by_kernels, long long owner) {
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        size_t best = free_.size();
        for (size_t i = free_.size(); i-- > 0;) {
            const Backend & backend = free_[i]->backend();
            if (&backend.device() == &device_at(device) && backend.n_threads() == resolve_threads(n_threads) &&
                (best == free_.size() || free_[i]->owner() == owner)) {
                best = i;
            }
        }
        if (best < free_.size()) {
            Lease lease(free_[best].release(), {this});
            free_.erase(free_.begin() + static_cast<long>(best));
            return lease;
        }
    }
    return Lease(new Computation(device, n_threads, params, packed, by_kernels), {this});
}

void ComputationPool::give_back(std::unique_ptr<Computation> computation) noexcept {
    try {
        const std::lock_guard<std::mutex> lock(mutex_);
        free_.push_back(std::move(computation));
    } catch (...) {
        // Without memory to keep it, it is freed.
    }
}

} // namespace icf
