#include "kv_cache.h"

#include "error.h"

#include <algorithm>

namespace icf {

static ggml_type check_type(int32_t asked, int n_embd_head) {
    if (asked != GGML_TYPE_F32 && asked != GGML_TYPE_F16 && asked != GGML_TYPE_Q8_0) {
        fail(ICF_ERROR_UNSUPPORTED, "a KV cache of type %d is not supported (f32, f16 and q8_0 are)", asked);
    }
    const ggml_type type = static_cast<ggml_type>(asked);
    if (n_embd_head % ggml_blck_size(type) != 0) {
        fail(ICF_ERROR_UNSUPPORTED, "a KV cache of type %s needs heads of a multiple of %d elements, these have %d",
             ggml_type_name(type), static_cast<int>(ggml_blck_size(type)), n_embd_head);
    }
    return type;
}

KvCache::KvCache(const Backend & backend, const DecoderParams & p, const LayerRange & layers, int n_ctx, int32_t type)
    : type_(check_type(type, p.n_embd_head)), first_layer_(layers.first), n_embd_head_(p.n_embd_head), n_head_kv_(p.n_head_kv),
      capacity_(visible(n_ctx)), context_(2 * static_cast<size_t>(layers.count())) {
    for (int i = 0; i < layers.count(); i++) {
        k_.push_back(ggml_new_tensor_2d(context_.get(), type_, p.n_embd_kv(), capacity_));
        v_.push_back(ggml_new_tensor_2d(context_.get(), type_, p.n_embd_kv(), capacity_));
    }
    buffer_ = backend.place(context_, "the KV cache");
}

void KvCache::prepare(int length) {
    const int end = std::min(visible(length), capacity_);
    if (end <= prepared_) {
        return;
    }
    const size_t offset = prepared_ * row_bytes();
    const size_t count = (end - prepared_) * row_bytes();
    for (size_t i = 0; i < k_.size(); i++) {
        ggml_backend_tensor_memset(k_[i], 0, offset, count);
        ggml_backend_tensor_memset(v_[i], 0, offset, count);
    }
    prepared_ = end;
}

ggml_tensor * KvCache::store_keys(ggml_context * ctx, int layer, ggml_tensor * k, ggml_tensor * slots) const {
    return ggml_set_rows(ctx, k_[layer - first_layer_], k, slots);
}

ggml_tensor * KvCache::store_values(ggml_context * ctx, int layer, ggml_tensor * v, ggml_tensor * slots) const {
    return ggml_set_rows(ctx, v_[layer - first_layer_], v, slots);
}

ggml_tensor * KvCache::view(ggml_context * ctx, ggml_tensor * cells, int n_kv) const {
    return ggml_view_3d(ctx, cells, n_embd_head_, n_kv, n_head_kv_, row_bytes(), ggml_row_size(type_, n_embd_head_), 0);
}

ggml_tensor * KvCache::keys(ggml_context * ctx, int layer, int n_kv) const {
    return view(ctx, k_[layer - first_layer_], n_kv);
}

ggml_tensor * KvCache::values(ggml_context * ctx, int layer, int n_kv) const {
    return view(ctx, v_[layer - first_layer_], n_kv);
}

size_t KvCache::state_bytes(int length) const {
    return 2 * k_.size() * length * row_bytes();
}

void KvCache::save(int length, char * target) const {
    const size_t count = length * row_bytes();
    for (size_t i = 0; i < k_.size() && count > 0; i++) {
        ggml_backend_tensor_get(k_[i], target, 0, count);
        ggml_backend_tensor_get(v_[i], target + count, 0, count);
        target += 2 * count;
    }
}

void KvCache::restore(int length, const char * source) {
    prepare(length);
    const size_t count = length * row_bytes();
    for (size_t i = 0; i < k_.size() && count > 0; i++) {
        ggml_backend_tensor_set(k_[i], source, 0, count);
        ggml_backend_tensor_set(v_[i], source + count, 0, count);
        source += 2 * count;
    }
}

} // namespace icf
