// Attention of one row over the KV cache in a graph.
#pragma once

#include "backend.h"
#include "hparams.h"
#include "kernels/kernels.h"

namespace icf {

// By the kernels where it can, which is faster than ggml and sums in F32. It must live as long as the graph: the graph's
// operations point into it.
class CacheAttention {
public:
    // `enabled` false leaves all to ggml.
    CacheAttention(const DecoderParams & params, const Backend & backend, bool enabled);

    // Whether it can do attention of n_q rows over a cache of that type.
    bool serves(long long n_q, ggml_type cache_type) const;

    // q [n_embd_head, n_head, 1], keys and values [n_embd_head, n_kv, n_head_kv], positions I32 [1], the row's: it sees the
    // positions up to its own, or the window's of them → [n_embd_head * n_head, 1]
    ggml_tensor * build(ggml_context * ctx, ggml_tensor * q, ggml_tensor * keys, ggml_tensor * values, ggml_tensor * positions);

    long long bytes() const { return static_cast<long long>(scratch_floats_ * sizeof(float)); }

private:
    static void run(ggml_tensor * dst, int ith, int nth, void * attention);

    const DecoderParams & p_;
    const Kernels * kernels_; // NULL: ggml's operations serve
    size_t scratch_floats_ = 0;
    AlignedPtr<float> scratch_; // shared by the layers, which come one after the other
};

} // namespace icf
