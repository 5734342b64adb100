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

bool DeviceSampling::most_likely(const ggml_tensor * logits, int k, std::vector<Candidate> & candidates) {
    ggml_context * ctx = runner_.begin();
    ggml_tensor * all = computed(ctx, logits);
    ggml_tensor * tokens = k == 1 ? ggml_argmax(ctx, all) : ggml_top_k(ctx, all, k);             // I32 [k]
    ggml_tensor * values = ggml_get_rows(ctx, ggml_reshape_2d(ctx, all, 1, all->ne[0]), tokens); // F32 [1, k]
    candidates.clear();
    if (!runner_.backend().can_compute(tokens) || !runner_.backend().can_compute(values)) {
        return false;
    }
    ggml_set_output(tokens);
    ggml_set_output(values);
    ggml_build_forward_expand(runner_.graph(), values);
    runner_.allocate();
    runner_.compute();
    tokens_.resize(static_cast<size_t>(k));
    values_.resize(static_cast<size_t>(k));
    ggml_backend_tensor_get(tokens, tokens_.data(), 0, ggml_nbytes(tokens));
    ggml_backend_tensor_get(values, values_.data(), 0, ggml_nbytes(values));
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
