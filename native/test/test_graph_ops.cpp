#include "backend.h"
#include "graph_ops.h"
#include "naive.h"

#include <functional>

using namespace icf;
using namespace test;

// Builds a graph on the device under test, fills its inputs, computes it and returns its result.
class Computation {
public:
    Computation() : backend_(check_device(), 1), runner_(backend_, 64), ctx_(runner_.begin()) {}

    ggml_context * ctx() { return ctx_; }
    const Backend & backend() const { return backend_; }

    ggml_tensor * floats(const std::vector<float> & values, long long ne0, long long ne1 = 1) {
        ggml_tensor * tensor = input(ctx_, "floats", GGML_TYPE_F32, ne0, ne1);
        fills_.push_back([=] { ggml_backend_tensor_set(tensor, values.data(), 0, ggml_nbytes(tensor)); });
        return tensor;
    }

    ggml_tensor * integers(const std::vector<int32_t> & values) {
        ggml_tensor * tensor = input(ctx_, "integers", GGML_TYPE_I32, static_cast<long long>(values.size()));
        fills_.push_back([=] { ggml_backend_tensor_set(tensor, values.data(), 0, ggml_nbytes(tensor)); });
        return tensor;
    }

    ggml_tensor * mask(const std::vector<ggml_fp16_t> & values, long long n_kv, long long n_q) {
        ggml_tensor * tensor = input(ctx_, "mask", GGML_TYPE_F16, n_kv, n_q);
        fills_.push_back([=] { ggml_backend_tensor_set(tensor, values.data(), 0, ggml_nbytes(tensor)); });
        return tensor;
    }

    std::vector<float> compute(ggml_tensor * result) {
        result = ggml_cont(ctx_, result);
        ggml_set_output(result);
        ggml_build_forward_expand(runner_.graph(), result);
        runner_.allocate();
        for (const auto & fill : fills_) {
            fill();
        }
        runner_.compute();
        std::vector<float> values(static_cast<size_t>(ggml_nelements(result)));
        ggml_backend_tensor_get(result, values.data(), 0, ggml_nbytes(result));
        return values;
    }

private:
    Backend backend_;
    GraphRunner runner_;
    ggml_context * ctx_;
    std::vector<std::function<void()>> fills_;
};

static void rms_norms() {
    for (double eps : {1e-6, 1e-5, 0.5}) {
        Random random(1);
        Computation c;
        const std::vector<float> x = random.floats(10 * 3, 2);
        const std::vector<float> weight = random.floats(10, 1);
        Rows expected;
        for (const Row & row : to_rows(x, 10)) {
            expected.push_back(naive_rms_norm(row, to_rows(weight, 10)[0], eps));
        }
        const auto y = c.compute(rms_norm(c.ctx(), c.floats(x, 10, 3), c.floats(weight, 10), static_cast<float>(eps)));
        CHECK_AT_MOST(tolerance(1e-6), relative_l2(y, to_floats(expected)));
    }
}

static void linears() {
    for (bool biased : {false, true}) {
        Random random(2);
        Computation c;
        const std::vector<float> x = random.floats(7 * 3);
        const std::vector<float> weight = random.floats(7 * 5);
        const std::vector<float> bias = random.floats(5);
        Rows expected;
        for (const Row & row : to_rows(x, 7)) {
            expected.push_back(naive_linear(to_rows(weight, 7), biased ? to_rows(bias, 5)[0] : Row(), row));
        }
        const auto y =
            c.compute(linear(c.ctx(), c.floats(weight, 7, 5), biased ? c.floats(bias, 5) : nullptr, c.floats(x, 7, 3)));
        CHECK_AT_MOST(tolerance(1e-6), relative_l2(y, to_floats(expected)));
    }
}

static void ropes() {
    const std::vector<int32_t> positions = {0, 3, 100, 1000};
    for (bool halves : {false, true}) {
        for (int n_dims : {8, 4}) {
            for (bool with_factors : {false, true}) {
                Random random(3);
                Computation c;
                const std::vector<float> x = random.floats(16 * 4); // 2 heads of 8, 4 rows
                const std::vector<float> factors = {1.0f, 2.0f, 4.0f, 8.0f};
                RopeParams p;
                p.halves = halves;
                p.n_dims = n_dims;
                p.base = 5000.0f;
                p.scale = 0.25f;
                NaiveRope naive;
                naive.halves = halves;
                naive.n_dims = n_dims;
                naive.base = 5000;
                naive.scale = 0.25;
                if (with_factors) {
                    naive.factors = Row(factors.begin(), factors.begin() + n_dims / 2);
                }
                Rows expected;
                for (const Row & row : to_rows(x, 16)) {
                    expected.push_back(naive_rope(row, 8, positions[expected.size()], naive));
                }
                ggml_tensor * heads = split_heads(c.ctx(), c.floats(x, 16, 4), 8);
                ggml_tensor * divisors = with_factors ? c.floats(factors, n_dims / 2) : nullptr;
                const auto y = c.compute(rope(c.ctx(), heads, c.integers(positions), divisors, p));
                CHECK_AT_MOST(tolerance(1e-5), relative_l2(y, to_floats(expected)));
            }
        }
    }
}

// All head counts of a former or decoder: shared, single and own key heads.
static void attentions() {
    const int n_head = 4, width = 6, n_q = 3, n_kv = 7;
    for (int n_head_kv : {1, 2, 4}) {
        Random random(4);
        Computation c;
        const std::vector<float> q = random.floats(size_t(n_head * width * n_q), 2);
        const std::vector<float> k = random.floats(size_t(n_head_kv * width * n_kv), 2);
        const std::vector<float> v = random.floats(size_t(n_head_kv * width * n_kv), 2);
        std::vector<ggml_fp16_t> mask;
        Rows expected;
        for (int i = 0; i < n_q; i++) {
            std::vector<bool> visible;
            for (int j = 0; j < n_kv; j++) {
                visible.push_back(j <= n_kv - n_q + i && (i + j) % 3 != 1);
                mask.push_back(visible.back() ? mask_visible : mask_hidden);
            }
            expected.push_back(naive_attention(to_rows(q, n_head * width)[size_t(i)], to_rows(k, n_head_kv * width),
                                               to_rows(v, n_head_kv * width), visible, width));
        }
        const auto heads = [&](const std::vector<float> & x, int n, int rows) {
            return heads_last(c.ctx(), split_heads(c.ctx(), c.floats(x, n * width, rows), width));
        };
        ggml_tensor * out = attention(c.ctx(), c.backend(), heads(q, n_head, n_q), heads(k, n_head_kv, n_kv),
                                      heads(v, n_head_kv, n_kv), c.mask(mask, n_kv, n_q));
        CHECK_EQUAL(n_head * width, out->ne[0]);
        CHECK_EQUAL(n_q, out->ne[1]);
        CHECK_AT_MOST(tolerance(1e-5), relative_l2(c.compute(out), to_floats(expected)));
    }
}

static void swiglus() {
    Random random(5);
    Computation c;
    const std::vector<float> x = random.floats(6 * 4, 3);
    const std::vector<float> gate = random.floats(6 * 10);
    const std::vector<float> up = random.floats(6 * 10);
    const std::vector<float> down = random.floats(10 * 6);
    Rows expected;
    for (const Row & row : to_rows(x, 6)) {
        expected.push_back(naive_swiglu(to_rows(gate, 6), to_rows(up, 6), to_rows(down, 10), row));
    }
    const auto y =
        c.compute(swiglu(c.ctx(), c.floats(gate, 6, 10), c.floats(up, 6, 10), c.floats(down, 10, 6), c.floats(x, 6, 4)));
    CHECK_AT_MOST(tolerance(1e-6), relative_l2(y, to_floats(expected)));
}

static void views() {
    const std::vector<float> x = Random(6).floats(4 * 5);
    for (int count : {1, 3, 5}) {
        Computation c;
        const auto y = c.compute(last_rows(c.ctx(), c.floats(x, 4, 5), count));
        CHECK(same_bits(y, std::vector<float>(x.end() - 4 * count, x.end())));
    }
    Computation c;
    const auto y = c.compute(heads_last(c.ctx(), split_heads(c.ctx(), c.floats(x, 4, 5), 2))); // [2, 5, 2]
    for (size_t head = 0; head < 2; head++) {
        for (size_t row = 0; row < 5; row++) {
            CHECK(y[head * 10 + row * 2] == x[row * 4 + head * 2] && y[head * 10 + row * 2 + 1] == x[row * 4 + head * 2 + 1]);
        }
    }
}

static void mask_values() {
    CHECK_CLOSE(0, ggml_fp16_to_fp32(mask_visible), 0);
    CHECK(ggml_fp16_to_fp32(mask_hidden) == -INFINITY);
}

int main() {
    RUN(rms_norms);
    RUN(linears);
    RUN(ropes);
    RUN(attentions);
    RUN(swiglus);
    RUN(views);
    RUN(mask_values);
    return check_result();
}
