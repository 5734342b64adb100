// Choosing tokens where the logits lie, on a device with a memory of its own: what comes to the host is what was chosen.
#pragma once

#include "backend.h"
#include "sampling.h"

namespace icf {

class DeviceSampling {
public:
    explicit DeviceSampling(const Backend & backend);

    // The k most likely tokens of `logits` [n_vocab, 1], which a graph on this device computed, in any order. Among equals
    // any may be chosen. False, with nothing in `candidates`, where the device cannot tell: it lacks the operation, or a
    // logit is no number.
    bool most_likely(const ggml_tensor * logits, int k, std::vector<Candidate> & candidates);

private:
    // False where the device lacks an operation.
    bool build(const ggml_tensor * logits, int k);

    GraphRunner runner_;
    ggml_backend_buffer_t built_in_ = nullptr; // where the logits lie that the graph is built for
    const void * built_at_ = nullptr;
    int built_k_ = 0;                       // 0: none
    ggml_tensor * chosen_ = nullptr;        // I32 [k]
    ggml_tensor * chosen_values_ = nullptr; // F32 [1, k]
    std::vector<int32_t> tokens_;
    std::vector<float> values_;
};

} // namespace icf
