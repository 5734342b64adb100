// Choosing a token from logits.
#pragma once

#include "icf.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace icf {

// ICF_ERROR_ARGUMENT names a value out of its range.
void check_sampling(const icf_sampling & sampling);

// ICF_ERROR_STATE unless every logit is a number: nothing can be chosen among what is none. Infinities are numbers here.
void check_logits(const float * logits, int n_vocab);

// The most likely of n_vocab tokens, the lowest id among equals; NaN counts as least.
int32_t most_likely(const float * logits, int n_vocab);

struct Candidate {
    int32_t token;
    float logit;
    double probability;
};

// Whether logits change with the tokens that were there before.
bool penalises(const icf_sampling & sampling, size_t n_recent);

// A token drawn as `sampling` says. `scratch` is overwritten and kept by the caller from draw to draw. `recent` holds the
// tokens the repetition penalty applies to (below 0: not a token); `position` makes the draw differ from position to position.
int32_t draw(const float * logits, int n_vocab, const icf_sampling & sampling, const int32_t * recent, size_t n_recent,
             long long position, std::vector<Candidate> & scratch);

// The same from candidates that were penalised already, of which those that the top-k filter drops may be missing.
int32_t draw_among(std::vector<Candidate> & candidates, const icf_sampling & sampling, long long position);

} // namespace icf
