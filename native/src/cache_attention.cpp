#include "cache_attention.h"

#include "products.h"

#include <algorithm>

namespace icf {

CacheAttention::CacheAttention(const DecoderParams & params, const Backend & backend, bool enabled)
    : p_(params), kernels_(enabled && backend.is_cpu() ? best_kernels() : nullptr) {}

bool CacheAttention::serves(long long n_q, ggml_type cache_type) const {
    return kernels_ && n_q == 1 && (cache_type == GGML_TYPE_F16 || cache_type == GGML_TYPE_F32);
}

ggml_tensor * CacheAttention::build(ggml_context * ctx, ggml_tensor * q, ggml_tensor * keys, ggml_tensor * values,
                                    ggml_tensor * positions) {
    const size_t floats = kernels_->cache_attend_scratch(static_cast<int>(keys->ne[1]), p_.n_head);
    if (floats > scratch_floats_) {
        scratch_ = make_aligned<float>(floats);
        scratch_floats_ = floats;
    }
    ggml_tensor * args[] = {q, keys, values, positions};
    return ggml_custom_4d(ctx, GGML_TYPE_F32, p_.n_embd_q(), 1, 1, 1, args, 4, run, GGML_N_TASKS_MAX, this);
}

void CacheAttention::run(ggml_tensor * dst, int ith, int nth, void * attention) {
    const CacheAttention & a = *static_cast<const CacheAttention *>(attention);
    const ggml_tensor * keys = dst->src[1];
    const ggml_tensor * values = dst->src[2];
    const int position = *static_cast<const int32_t *>(dst->src[3]->data);
    const int begin = a.p_.n_window > 0 ? std::max(0, position + 1 - a.p_.n_window) : 0;
    const size_t skipped = static_cast<size_t>(begin) * keys->nb[1];
    CacheAttendTask task;
    task.keys = static_cast<const char *>(keys->data) + skipped;
    task.values = static_cast<const char *>(values->data) + skipped;
    task.stride = keys->nb[1];
    task.head_stride = keys->nb[2];
    task.is_f16 = keys->type == GGML_TYPE_F16;
    task.n_positions = position + 1 - begin;
    task.n_embd_head = a.p_.n_embd_head;
    task.n_head = a.p_.n_head;
    task.n_head_kv = a.p_.n_head_kv;
    task.q = static_cast<const float *>(dst->src[0]->data);
    task.out = static_cast<float *>(dst->data);
    const int first = part(a.p_.n_head, ith, nth);
    a.kernels_->attend_cache(task, first, part(a.p_.n_head, ith + 1, nth),
                             a.scratch_.get() + a.kernels_->cache_attend_scratch(task.n_positions, first));
}

} // namespace icf
