// Choosing a token from logits.
#pragma once

#include "icf.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace icf {

// ICF_ERROR_ARGUMENT names a value out of its range.
void check_sampling(const icf_sampling & sampling);

// The most likely of n_vocab tokens, the lowest id among equals; NaN counts as least.
int32_t most_likely(const float * logits, int n_vocab);

struct Candidate {
    int32_t token;
    float logit;
    double probability;
};

// A token drawn as `sampling` says. `scratch` is overwritten and kept by the caller from draw to draw. `recent` holds the tokens the repetition penalty applies to (below 0: not a token);
// `position` makes the draw differ from position to position.
int32_t draw(const float * logits, int n_vocab, const icf_sampling & sampling, const int32_t * recent, size_t n_recent,
             long long position, std::vector<Candidate> & scratch);

} // namespace icf
