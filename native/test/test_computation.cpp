#include "computation.h"
#include "fixtures.h"
#include "model.h"

using namespace icf;
using namespace test;

static const Model & model() {
    static const Model opened(ICF_PROJECT_DIR "/models/fixtures/decoder-llama-gqa.gguf", check_device(), true, true);
    return opened;
}

static ComputationPool::Lease take(ComputationPool & pool, int n_threads, long long owner) {
    return pool.take(check_device(), n_threads, model().params(), model().packed(), model().repacked(), owner);
}

// As many as are in use at once, and those again.
static void what_comes_back_is_used_again() {
    ComputationPool pool;
    ComputationPool::Lease first = take(pool, 1, 1);
    ComputationPool::Lease second = take(pool, 1, 2);
    Computation *const one = first.get(), *const other = second.get();
    CHECK(one != other);
    first.reset();
    CHECK(take(pool, 1, 3).get() == one);
    second.reset();
    first = take(pool, 1, 3);
    second = take(pool, 1, 3);
    CHECK((first.get() == one && second.get() == other) || (first.get() == other && second.get() == one));
}

static void each_number_of_threads_has_its_own() {
    ComputationPool pool;
    Computation * const one = take(pool, 1, 1).get();
    ComputationPool::Lease two = take(pool, 2, 1);
    CHECK(two.get() != one);
    CHECK_EQUAL(2, two->backend().n_threads());
    CHECK(take(pool, 1, 1).get() == one);
}

// A session gets the one whose graph is its own, so that batches of one shape are built once.
static void graphs_are_found_again() {
    const KvCache cache(Backend(check_device(), 1), model().params(), {0, model().params().n_layer}, 16, GGML_TYPE_F32);
    const DecodeShape shape = {2, KvCache::granularity, 1, ICF_OUTPUT_LOGITS};
    ComputationPool pool;
    ComputationPool::Lease mine = take(pool, 1, 7);
    ComputationPool::Lease another = take(pool, 1, 8);
    CHECK(!mine->is_built_for(7, shape));
    mine->build(7, model().weights(), {0, model().params().n_layer}, cache, {}, shape);
    Computation * const built = mine.get();
    CHECK(built->is_built_for(7, shape) && !built->is_built_for(8, shape) && built->bytes() > 0);
    mine.reset();
    another.reset(); // it came back last
    CHECK(take(pool, 1, 7).get() == built);
    CHECK(take(pool, 1, 7)->is_built_for(7, shape));
}

// What sessions hold beside their caches does not grow with the batches they have read.
static void sessions_share_the_memory_of_batches() {
    icf_model * m = nullptr;
    icf_model_options options;
    icf_model_options_init(&options);
    options.device = check_device();
    REQUIRE_OK(icf_model_open(ICF_PROJECT_DIR "/models/fixtures/decoder-llama-gqa.gguf", &options, &m, &check_error));
    icf_session_options session_options;
    icf_session_options_init(&session_options);
    session_options.n_threads = 1;
    icf_session * s = nullptr;
    REQUIRE_OK(icf_session_open(m, &session_options, &s, &check_error));
    const std::vector<int32_t> tokens(64, 5);
    icf_session_info info;
    info.struct_size = sizeof(info);
    CHECK_OK(icf_session_append_tokens(s, tokens.data(), 1, 0, 0, &check_error));
    CHECK_OK(icf_session_describe(s, &info, &check_error));
    const long long before = info.scratch_bytes;
    CHECK(before > 0);
    CHECK_OK(icf_session_append_tokens(s, tokens.data(), 64, 0, 0, &check_error));
    CHECK_OK(icf_session_describe(s, &info, &check_error));
    CHECK_EQUAL(before, info.scratch_bytes);
    icf_session_close(s);
    icf_model_close(m);
}

int main() {
    RUN(what_comes_back_is_used_again);
    RUN(each_number_of_threads_has_its_own);
    RUN(graphs_are_found_again);
    RUN(sessions_share_the_memory_of_batches);
    return check_result();
}
