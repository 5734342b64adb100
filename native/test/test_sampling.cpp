#include "device_logits.h"
#include "device_sampling.h"
#include "error.h"
#include "fixtures.h"
#include "sampling.h"

#include <functional>
#include <numeric>

using namespace icf;
using namespace test;

static icf_sampling setting(float temperature) {
    icf_sampling s;
    icf_sampling_init(&s);
    s.temperature = temperature;
    return s;
}

static int32_t draw_one(const std::vector<float> & logits, const icf_sampling & s, long long position = 0,
                        const std::vector<int32_t> & recent = {}) {
    std::vector<Candidate> scratch;
    return draw(logits.data(), static_cast<int>(logits.size()), s, recent.data(), recent.size(), position, scratch);
}

// How often each token is drawn.
static std::vector<int> histogram(const std::vector<float> & logits, const icf_sampling & s, int draws) {
    std::vector<int> counts(logits.size());
    for (int i = 0; i < draws; i++) {
        counts[static_cast<size_t>(draw_one(logits, s, i))]++;
    }
    return counts;
}

static std::vector<double> softmax_of(const std::vector<float> & logits, double temperature) {
    std::vector<double> p;
    double sum = 0;
    for (float logit : logits) {
        p.push_back(std::exp(double(logit) / temperature));
        sum += p.back();
    }
    for (double & value : p) {
        value /= sum;
    }
    return p;
}

// Pearson's statistic; with k categories its mean is k - 1 and its standard deviation sqrt(2 (k - 1)).
static double chi_square(const std::vector<int> & counts, const std::vector<double> & p, int draws) {
    double sum = 0;
    for (size_t i = 0; i < counts.size(); i++) {
        const double expected = p[i] * draws;
        sum += (counts[i] - expected) * (counts[i] - expected) / expected;
    }
    return sum;
}

static const std::vector<float> some_logits = {1.0f, 0.0f, 2.0f, -1.0f, 0.5f, 1.5f, -0.5f, 0.0f};

static void distributions() {
    const int draws = 40000;
    for (float temperature : {0.5f, 1.0f, 2.0f}) {
        for (long long seed : {1LL, 2LL, -1LL, 1LL << 40}) {
            icf_sampling s = setting(temperature);
            s.seed = seed;
            const auto p = softmax_of(some_logits, double(temperature));
            CHECK_AT_MOST(7 + 5 * std::sqrt(14), chi_square(histogram(some_logits, s, draws), p, draws));
        }
    }
}

// Draws with filters follow the same distribution over what is left.
static void check_filter(icf_sampling s, const std::vector<int> & kept) {
    const int draws = 20000;
    const std::vector<int> counts = histogram(some_logits, s, draws);
    std::vector<float> logits;
    std::vector<int> kept_counts;
    int total = 0;
    for (int token : kept) {
        logits.push_back(some_logits[static_cast<size_t>(token)]);
        kept_counts.push_back(counts[static_cast<size_t>(token)]);
        total += kept_counts.back();
    }
    CHECK_EQUAL(draws, total);
    const double freedom = static_cast<double>(kept.size()) - 1;
    CHECK_AT_MOST(freedom + 5 * std::sqrt(2 * freedom),
                  chi_square(kept_counts, softmax_of(logits, double(s.temperature)), draws));
}

static void filters() {
    icf_sampling s = setting(1.0f); // in order 2, 5, 0, 4, 1, 7, 6, 3 with p = .36 .22 .13 .08 .05 .05 .03 .02 …
    s.top_k = 1;
    check_filter(s, {2});
    s.top_k = 3;
    check_filter(s, {2, 5, 0});
    s.top_k = 100;
    check_filter(s, {0, 1, 2, 3, 4, 5, 6, 7});
    s.top_k = 5; // of the equals 1 and 7 the lower
    check_filter(s, {2, 5, 0, 4, 1});
    s.top_k = 0;

    const auto p = softmax_of(some_logits, 1.0);
    s.top_p = static_cast<float>(p[2] / 2);
    check_filter(s, {2});
    s.top_p = static_cast<float>(p[2] + p[5] / 2);
    check_filter(s, {2, 5});
    s.top_p = 1.0f;
    check_filter(s, {0, 1, 2, 3, 4, 5, 6, 7});

    s.min_p = 1.0f;
    check_filter(s, {2});
    s.min_p = 0.3f; // e^-1 is above it, e^-1.5 below
    check_filter(s, {2, 5, 0});
    s.top_k = 2;
    check_filter(s, {2, 5});
}

static void greedy() {
    CHECK_EQUAL(2, draw_one(some_logits, setting(0)));
    CHECK_EQUAL(1, draw_one({0, 3, 3, 1}, setting(0)));
    CHECK_EQUAL(0, draw_one({5}, setting(0)));
    CHECK_EQUAL(0, draw_one({-INFINITY, -INFINITY}, setting(0)));
    CHECK_EQUAL(2, most_likely(some_logits.data(), 8));
}

static void determinism() {
    icf_sampling s = setting(1.0f);
    s.seed = 42;
    int different = 0;
    for (long long position = 0; position < 200; position++) {
        const int32_t token = draw_one(some_logits, s, position);
        CHECK_EQUAL(token, draw_one(some_logits, s, position));
        icf_sampling other = s;
        other.seed = 43;
        different += token != draw_one(some_logits, other, position);
    }
    CHECK(different > 80); // two independent draws agree in about a quarter of all cases
}

static void penalties() {
    icf_sampling s = setting(0);
    s.repetition_penalty = 2.0f;
    CHECK_EQUAL(0, draw_one({3, 2}, s));
    CHECK_EQUAL(1, draw_one({3, 2}, s, 0, {0}));              // 3 / 2 < 2
    CHECK_EQUAL(0, draw_one({3, 1}, s, 0, {0}));              // 3 / 2 > 1
    CHECK_EQUAL(1, draw_one({-1, -1.5f}, s, 0, {0}));         // -1 * 2 < -1.5
    CHECK_EQUAL(0, draw_one({3, 1}, s, 0, {0, 0, 0, 0}));     // once, however often it occurred
    CHECK_EQUAL(0, draw_one({3, 2}, s, 0, {-1, 7, 1 << 30})); // not tokens
    s.repetition_penalty = 0.5f;                              // favours repetition
    CHECK_EQUAL(1, draw_one({3, 2}, s, 0, {1}));
    s.temperature = 1.0f;
    s.repetition_penalty = 1e6f;
    for (long long position = 0; position < 100; position++) {
        CHECK_EQUAL(1, draw_one({-1, -2, -1}, s, position, {0, 2}));
    }
}

// Whatever the logits are, a token of the vocabulary comes back, and one that is a number where there is one.
static void strange_logits() {
    const float nan = std::nanf("");
    const float inf = INFINITY;
    const std::vector<std::vector<float>> all = {
        {nan, nan, nan}, {nan, 1, nan},          {nan, -inf, nan}, {inf, 1, nan},        {inf, inf, 0}, {-inf, -inf, -inf},
        {-inf, 0, -inf}, {3e38f, -3e38f, 3e38f}, {0, 0, 0},        {1e-45f, 0, -1e-45f}, {nan},         {-inf, inf, nan},
    };
    for (const std::vector<float> & logits : all) {
        float best = -inf;
        for (float logit : logits) {
            best = logit > best ? logit : best;
        }
        for (float temperature : {0.0f, 1e-38f, 1e-3f, 1.0f, 1e30f}) {
            for (float penalty : {1.0f, 1e-30f, 1e30f}) {
                icf_sampling s = setting(temperature);
                s.repetition_penalty = penalty;
                s.top_p = 0.9f;
                s.min_p = 0.05f;
                for (int top_k : {0, 2}) {
                    s.top_k = top_k;
                    const int32_t token = draw_one(logits, s, 3, {0, 1});
                    CHECK(token >= 0 && static_cast<size_t>(token) < logits.size());
                    if (penalty == 1.0f && temperature == 0 && best > -inf) {
                        CHECK(logits[static_cast<size_t>(token)] == best);
                    }
                }
            }
        }
    }
    CHECK_EQUAL(1, draw_one({nan, -inf, nan}, setting(0)));
    CHECK_EQUAL(0, draw_one({nan, nan, nan}, setting(0)));
    CHECK_EQUAL(0, draw_one({nan, nan, nan}, setting(1)));
}

static void ranges() {
    const float nan = std::nanf("");
    const std::vector<std::function<void(icf_sampling &)>> bad = {
        [](icf_sampling & s) { s.temperature = -0.1f; },
        [&](icf_sampling & s) { s.temperature = nan; },
        [](icf_sampling & s) { s.temperature = INFINITY; },
        [](icf_sampling & s) { s.top_k = -1; },
        [](icf_sampling & s) { s.top_p = 0; },
        [](icf_sampling & s) { s.top_p = 1.01f; },
        [&](icf_sampling & s) { s.top_p = nan; },
        [](icf_sampling & s) { s.min_p = -0.1f; },
        [](icf_sampling & s) { s.min_p = 1.1f; },
        [&](icf_sampling & s) { s.min_p = nan; },
        [](icf_sampling & s) { s.repetition_penalty = 0; },
        [&](icf_sampling & s) { s.repetition_penalty = nan; },
        [](icf_sampling & s) { s.repetition_penalty = INFINITY; },
        [](icf_sampling & s) { s.repetition_window = -2; },
    };
    check_sampling(setting(0.7f));
    for (const auto & spoil : bad) {
        icf_sampling s = setting(1.0f);
        spoil(s);
        CHECK_THROWS(ICF_ERROR_ARGUMENT, check_sampling(s));
    }
}

// ---- Where the logits lie ----

static void a_device_chooses_the_most_likely() {
    const Backend backend(0, 1);
    DeviceSampling sampling(backend);
    const std::vector<float> values = Random(5).floats(1000);
    const DeviceLogits logits(backend, values);
    std::vector<int32_t> sorted(values.size());
    std::iota(sorted.begin(), sorted.end(), 0);
    std::sort(sorted.begin(), sorted.end(), [&](int32_t a, int32_t b) { return values[size_t(a)] > values[size_t(b)]; });
    std::vector<Candidate> candidates;
    for (int k : {1, 2, 7, 40, 125}) {
        CHECK(sampling.most_likely(logits.tensor, k, candidates));
        CHECK_EQUAL(k, candidates.size());
        std::sort(candidates.begin(), candidates.end(),
                  [](const Candidate & a, const Candidate & b) { return a.logit > b.logit; });
        for (size_t i = 0; i < candidates.size(); i++) {
            CHECK_EQUAL(sorted[i], candidates[i].token);
            CHECK_EQUAL(values[size_t(sorted[i])], candidates[i].logit);
        }
    }
}

// A draw among the k most likely is the same draw, whoever dropped the others.
static void a_draw_needs_the_most_likely_only() {
    const Backend backend(0, 1);
    DeviceSampling sampling(backend);
    const std::vector<float> values = Random(6).floats(500);
    const DeviceLogits logits(backend, values);
    icf_sampling s = setting(0.8f);
    s.top_p = 0.9f;
    s.min_p = 0.05f;
    std::vector<Candidate> candidates;
    for (int k : {1, 5, 30}) {
        s.top_k = k;
        for (long long position = 0; position < 50; position++) {
            CHECK(sampling.most_likely(logits.tensor, k, candidates));
            CHECK_EQUAL(draw_one(values, s, position), draw_among(candidates, s, position));
        }
    }
}

// The largest logit is subtracted before the temperature divides: what would overflow does not make all alike.
static void a_temperature_near_zero_is_greedy() {
    for (float temperature : {1e-38f, 1e-45f, 1e-30f}) {
        CHECK_EQUAL(2, draw_one({5.0f, 7.0f, 9.0f, 8.0f}, setting(temperature)));
        CHECK_EQUAL(1, draw_one({-9.0f, -7.0f, -8.0f}, setting(temperature)));
    }
}

static void a_device_does_not_choose_what_is_no_number() {
    const Backend backend(0, 1);
    DeviceSampling sampling(backend);
    std::vector<Candidate> candidates = {{1, 2.0f, 0}};
    const DeviceLogits logits(backend, std::vector<float>(64, NAN));
    for (int k : {1, 8}) {
        CHECK(!sampling.most_likely(logits.tensor, k, candidates));
        CHECK(candidates.empty());
    }
}

int main() {
    RUN(distributions);
    RUN(filters);
    RUN(greedy);
    RUN(determinism);
    RUN(penalties);
    RUN(strange_logits);
    RUN(a_temperature_near_zero_is_greedy);
    RUN(ranges);
    RUN(a_device_chooses_the_most_likely);
    RUN(a_draw_needs_the_most_likely_only);
    RUN(a_device_does_not_choose_what_is_no_number);
    return check_result();
}
