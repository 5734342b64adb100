#include "sampling.h"

#include "error.h"

#include <algorithm>
#include <cmath>

namespace icf {

namespace {

bool more_likely(const Candidate & a, const Candidate & b) {
    return a.logit > b.logit || (a.logit == b.logit && a.token < b.token);
}

// splitmix64: a well-mixed number from a counter, so that a draw needs no state.
uint64_t mix(uint64_t x) {
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

// In [0, 1)
double uniform(long long seed, long long position) {
    const uint64_t bits = mix(mix(static_cast<uint64_t>(seed)) ^ static_cast<uint64_t>(position));
    return static_cast<double>(bits >> 11) * 0x1.0p-53;
}

void penalise(std::vector<Candidate> & candidates, float penalty, const int32_t * recent, size_t n_recent) {
    for (size_t i = 0; i < n_recent; i++) {
        const int32_t token = recent[i];
        if (token < 0 || static_cast<size_t>(token) >= candidates.size()) {
            continue;
        }
        Candidate & c = candidates[static_cast<size_t>(token)];
        if (c.probability == 0) { // once, however often it is there
            c.logit = c.logit > 0 ? c.logit / penalty : c.logit * penalty;
            c.probability = 1;
        }
    }
}

// Sorts the k most likely to the front and drops the rest.
void keep_top_k(std::vector<Candidate> & candidates, size_t k) {
    if (k > 0 && k < candidates.size()) {
        std::partial_sort(candidates.begin(), candidates.begin() + static_cast<long>(k), candidates.end(), more_likely);
        candidates.resize(k);
    } else {
        std::sort(candidates.begin(), candidates.end(), more_likely);
    }
}

// The largest logit is subtracted before the temperature divides, so that none of it overflows.
void softmax(std::vector<Candidate> & sorted, double temperature) {
    double sum = 0;
    for (Candidate & c : sorted) {
        c.probability = std::exp((static_cast<double>(c.logit) - static_cast<double>(sorted[0].logit)) / temperature);
        sum += c.probability;
    }
    for (Candidate & c : sorted) {
        c.probability /= sum;
    }
}

// The fewest candidates whose probabilities reach p.
void keep_top_p(std::vector<Candidate> & sorted, double p) {
    double sum = 0;
    for (size_t i = 0; i < sorted.size(); i++) {
        sum += sorted[i].probability;
        if (sum >= p) {
            sorted.resize(i + 1);
            return;
        }
    }
}

void keep_min_p(std::vector<Candidate> & sorted, double p) {
    const double least = p * sorted[0].probability;
    while (sorted.size() > 1 && sorted.back().probability < least) {
        sorted.pop_back();
    }
}

int32_t pick(const std::vector<Candidate> & candidates, double u) {
    double total = 0;
    for (const Candidate & c : candidates) {
        total += c.probability;
    }
    double remaining = u * total;
    for (const Candidate & c : candidates) {
        remaining -= c.probability;
        if (remaining < 0) {
            return c.token;
        }
    }
    return candidates.back().token;
}

} // namespace

void check_sampling(const icf_sampling & s) {
    if (!(s.temperature >= 0) || !std::isfinite(s.temperature)) {
        fail(ICF_ERROR_ARGUMENT, "temperature %g: 0 or more is possible", static_cast<double>(s.temperature));
    }
    if (s.top_k < 0) {
        fail(ICF_ERROR_ARGUMENT, "top-k %d: 0 (all) or more is possible", s.top_k);
    }
    if (!(s.top_p > 0 && s.top_p <= 1)) {
        fail(ICF_ERROR_ARGUMENT, "top-p %g: above 0 to 1 is possible", static_cast<double>(s.top_p));
    }
    if (!(s.min_p >= 0 && s.min_p <= 1)) {
        fail(ICF_ERROR_ARGUMENT, "min-p %g: 0 to 1 is possible", static_cast<double>(s.min_p));
    }
    if (!(s.repetition_penalty > 0) || !std::isfinite(s.repetition_penalty)) {
        fail(ICF_ERROR_ARGUMENT, "repetition penalty %g: above 0 is possible", static_cast<double>(s.repetition_penalty));
    }
    if (s.repetition_window < -1) {
        fail(ICF_ERROR_ARGUMENT, "repetition window %d: -1 (all) or more is possible", s.repetition_window);
    }
}

void check_logits(const float * logits, int n_vocab) {
    for (int32_t i = 0; i < n_vocab; i++) {
        if (std::isnan(logits[i])) {
            fail(ICF_ERROR_STATE,
                 "the logit of token %d is not a number: the model's weights or the rows it has read are damaged", i);
        }
    }
}

bool penalises(const icf_sampling & s, size_t n_recent) {
    return s.repetition_penalty != 1.0f && n_recent > 0;
}

int32_t most_likely(const float * logits, int n_vocab) {
    int32_t best = 0;
    for (int32_t i = 1; i < n_vocab; i++) {
        if (logits[i] > logits[best] || (std::isnan(logits[best]) && !std::isnan(logits[i]))) {
            best = i;
        }
    }
    return best;
}

int32_t draw(const float * logits, int n_vocab, const icf_sampling & s, const int32_t * recent, size_t n_recent,
             long long position, std::vector<Candidate> & candidates) {
    const bool penalised = penalises(s, n_recent);
    if (s.temperature == 0 && !penalised) {
        return most_likely(logits, n_vocab);
    }
    candidates.resize(static_cast<size_t>(n_vocab));
    for (int32_t i = 0; i < n_vocab; i++) {
        const float logit = std::isnan(logits[i]) ? -INFINITY : logits[i];
        candidates[static_cast<size_t>(i)] = {i, logit, 0};
    }
    if (penalised) {
        penalise(candidates, s.repetition_penalty, recent, n_recent);
    }
    return draw_among(candidates, s, position);
}

int32_t draw_among(std::vector<Candidate> & candidates, const icf_sampling & s, long long position) {
    if (s.temperature == 0) {
        return std::min_element(candidates.begin(), candidates.end(), more_likely)->token;
    }
    keep_top_k(candidates, static_cast<size_t>(s.top_k));
    if (!std::isfinite(candidates[0].logit)) {
        return candidates[0].token;
    }
    softmax(candidates, static_cast<double>(s.temperature));
    keep_top_p(candidates, static_cast<double>(s.top_p));
    keep_min_p(candidates, static_cast<double>(s.min_p));
    return pick(candidates, uniform(s.seed, position));
}

} // namespace icf
