// What computes the batches of a model's sessions, and what of it they share.
//
// A computation holds a stream, scratch memory and the graph that was built last; only one thread may use it at a time. A session
// has one of its own for single rows: small, and built once for many steps of decoding. Larger batches need scratch memory in
// proportion to their rows, and are computed by what a session takes from the model's pool for the length of a call: there is as
// much of it as calls run at once, however many sessions are open. No call waits for another.
#pragma once

#include "graph_decode.h"

#include <memory>
#include <mutex>
#include <vector>

namespace icf {

class Computation {
public:
    // Kernels are used where `by_kernels` allows it.
    Computation(int device, int n_threads, const DecoderParams & params, const PackedMatrices & packed, bool by_kernels);

    const Backend & backend() const { return backend_; }
    const GraphRunner & runner() const { return runner_; }
    const DecodeGraph & graph() const { return graph_; }
    long long bytes() const { return runner_.bytes() + attention_.bytes(); }

    // Whose cache and adapters the graph refers to, a number of a session's; 0 where there is no graph.
    long long owner() const { return owner_; }
    bool is_built_for(long long owner, const DecodeShape & shape) const { return owner == owner_ && shape == shape_; }

    // Makes the graph ready, unless it is.
    void build(long long owner, const DecoderWeights & weights, const LayerRange & layers, const KvCache & cache,
               const ActiveAdapters & adapters, const DecodeShape & shape);
    void compute() { runner_.compute(); }

private:
    const DecoderParams & p_;
    Backend backend_;
    GraphRunner runner_;
    ProductGraph products_;
    CacheAttention attention_;
    DecodeGraph graph_;
    DecodeShape shape_;
    long long owner_ = 0;
};

class ComputationPool {
public:
    struct GiveBack {
        ComputationPool * pool = nullptr;
        void operator()(Computation * computation) const { pool->give_back(std::unique_ptr<Computation>(computation)); }
    };
    using Lease = std::unique_ptr<Computation, GiveBack>;

    // One that is free, if possible the one that `owner` used last; else a new one. It comes back when the lease ends.
    Lease take(int device, int n_threads, const DecoderParams & params, const PackedMatrices & packed, bool by_kernels,
               long long owner);

private:
    void give_back(std::unique_ptr<Computation> computation) noexcept;

    std::mutex mutex_;
    std::vector<std::unique_ptr<Computation>> free_; // the one that came back last is at the end
};

} // namespace icf
