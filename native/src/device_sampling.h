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
    GraphRunner runner_;
    std::vector<int32_t> tokens_;
    std::vector<float> values_;
};

} // namespace icf
