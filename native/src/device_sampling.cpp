#include "device_sampling.h"

#include <cmath>

namespace icf {

DeviceSampling::DeviceSampling(const Backend & backend) : runner_(backend, 16) {}

// The values of a tensor that another graph computed, where they lie, and without what they were computed from.
static ggml_tensor * computed(ggml_context * ctx, const ggml_tensor * tensor) {
    ggml_tensor * leaf = ggml_dup_tensor(ctx, tensor);
    ggml_backend_tensor_alloc(tensor->buffer, leaf, tensor->data);
    return leaf;
}

bool DeviceSampling::build(const ggml_tensor * logits, int k) {
    if (k == built_k_ && logits->buffer == built_in_ && logits->data == built_at_) {
        return true;
    }
    built_k_ = 0;
    ggml_context * ctx = runner_.begin();
    ggml_tensor * all = computed(ctx, logits);
    chosen_ = k == 1 ? ggml_argmax(ctx, all) : ggml_top_k(ctx, all, k);
    chosen_values_ = ggml_get_rows(ctx, ggml_reshape_2d(ctx, all, 1, all->ne[0]), chosen_);
    if (!runner_.backend().can_compute(chosen_) || !runner_.backend().can_compute(chosen_values_)) {
        return false;
    }
    ggml_set_output(chosen_);
    ggml_set_output(chosen_values_);
    ggml_build_forward_expand(runner_.graph(), chosen_values_);
    runner_.allocate();
    built_k_ = k;
    built_in_ = logits->buffer;
    built_at_ = logits->data;
    return true;
}

bool DeviceSampling::most_likely(const ggml_tensor * logits, int k, std::vector<Candidate> & candidates) {
    candidates.clear();
    if (!build(logits, k)) {
        return false;
    }
    runner_.compute();
    tokens_.resize(static_cast<size_t>(k));
    values_.resize(static_cast<size_t>(k));
    ggml_backend_tensor_get(chosen_, tokens_.data(), 0, ggml_nbytes(chosen_));
    ggml_backend_tensor_get(chosen_values_, values_.data(), 0, ggml_nbytes(chosen_values_));
    for (size_t i = 0; i < tokens_.size(); i++) {
        if (tokens_[i] < 0 || tokens_[i] >= logits->ne[0] || std::isnan(values_[i])) {
            candidates.clear();
            return false;
        }
        candidates.push_back({tokens_[i], values_[i], 0});
    }
    return true;
}

} // namespace icf
