#include "error.h"
#include "fixtures.h"
#include "graph_ops.h"
#include "kv_cache.h"

using namespace icf;
using namespace test;

static DecoderParams sizes(int n_embd_head) {
    DecoderParams p;
    p.n_layer = 2;
    p.n_head = 4;
    p.n_head_kv = 2;
    p.n_embd_head = n_embd_head;
    return p;
}

static void capacities() {
    CHECK_EQUAL(0, KvCache::visible(0));
    CHECK_EQUAL(KvCache::granularity, KvCache::visible(1));
    CHECK_EQUAL(KvCache::granularity, KvCache::visible(KvCache::granularity));
    CHECK_EQUAL(2 * KvCache::granularity, KvCache::visible(KvCache::granularity + 1));
    const Backend backend(check_device(), 1);
    const KvCache cache(backend, sizes(8), {0, 2}, 300, GGML_TYPE_F32);
    CHECK_EQUAL(KvCache::visible(300), cache.capacity());
    CHECK(cache.bytes() >= 2 * 2 * cache.capacity() * 16 * 4);
    CHECK_EQUAL(2 * 2 * 3 * 16 * 4, cache.state_bytes(3));
    CHECK_EQUAL(0, cache.state_bytes(0));
}

static void types() {
    const Backend backend(check_device(), 1);
    for (ggml_type type : {GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_Q8_0}) {
        CHECK(KvCache(backend, sizes(32), {0, 2}, 10, type).type() == type);
    }
    CHECK_THROWS(ICF_ERROR_UNSUPPORTED, KvCache(backend, sizes(16), {0, 2}, 10, GGML_TYPE_Q8_0));
    for (int type : {-1, int(GGML_TYPE_Q4_0), int(GGML_TYPE_I32), 1000}) {
        CHECK_THROWS(ICF_ERROR_UNSUPPORTED, KvCache(backend, sizes(32), {0, 2}, 10, type));
    }
    if (!sanitized) { // they end the program instead
        CHECK_THROWS(ICF_ERROR_MEMORY, KvCache(backend, sizes(1 << 18), {0, 2}, 1 << 24, GGML_TYPE_F32));
    }
}

// Rows written to cells come back from views, layer by layer; what was only prepared is zero.
static void store_and_view() {
    const Backend backend(check_device(), 1);
    KvCache cache(backend, sizes(4), {0, 2}, 20, GGML_TYPE_F32);
    cache.prepare(5);
    GraphRunner runner(backend, 64);
    ggml_context * ctx = runner.begin();
    ggml_tensor * rows = input(ctx, "rows", GGML_TYPE_F32, 8, 3);
    ggml_tensor * slots = input(ctx, "slots", GGML_TYPE_I64, 3);
    ggml_build_forward_expand(runner.graph(), cache.store_keys(ctx, 1, rows, slots));
    ggml_build_forward_expand(runner.graph(), cache.store_values(ctx, 0, ggml_scale(ctx, rows, 2.0f), slots));
    ggml_tensor * keys = ggml_cont(ctx, cache.keys(ctx, 1, 5)); // [4, 5, 2]
    ggml_tensor * values = ggml_cont(ctx, cache.values(ctx, 0, 5));
    for (ggml_tensor * out : {keys, values}) {
        ggml_set_output(out);
        ggml_build_forward_expand(runner.graph(), out);
    }
    runner.allocate();
    const std::vector<float> data = Random(1).floats(24);
    const std::vector<int64_t> cells = {4, 0, 2};
    ggml_backend_tensor_set(rows, data.data(), 0, ggml_nbytes(rows));
    ggml_backend_tensor_set(slots, cells.data(), 0, ggml_nbytes(slots));
    runner.compute();
    for (ggml_tensor * out : {keys, values}) {
        std::vector<float> found(40);
        ggml_backend_tensor_get(out, found.data(), 0, ggml_nbytes(out));
        std::vector<float> expected(40, 0.0f);
        for (size_t row = 0; row < 3; row++) {
            for (size_t i = 0; i < 8; i++) {
                const size_t cell = static_cast<size_t>(cells[row]);
                expected[i / 4 * 20 + cell * 4 + i % 4] = data[row * 8 + i] * (out == values ? 2.0f : 1.0f);
            }
        }
        CHECK(same_bits(found, expected));
    }
}

static void save_and_restore() {
    const Backend backend(check_device(), 1);
    KvCache cache(backend, sizes(4), {0, 2}, 20, GGML_TYPE_F32);
    std::vector<char> state(cache.state_bytes(7));
    for (size_t i = 0; i < state.size(); i++) {
        state[i] = static_cast<char>(i * 31);
    }
    cache.restore(7, state.data());
    std::vector<char> saved(cache.state_bytes(7));
    cache.save(7, saved.data());
    CHECK(saved == state);
    cache.prepare(7); // keeps what is there
    cache.save(7, saved.data());
    CHECK(saved == state);
    cache.save(0, nullptr);
    cache.restore(0, nullptr);
}

int main() {
    RUN(capacities);
    RUN(types);
    RUN(store_and_view);
    RUN(save_and_restore);
    return check_result();
}
