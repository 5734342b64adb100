// Every table of kernels that this CPU can run: against the formulas, and against plain C++.
#include "naive.h"
#include "products.h"

#include <array>
#include <functional>
#include <thread>

using namespace icf;
using namespace test;

// The table that is tested now.
static const Kernels * kernels;

// A matrix [n_in, n_out] of Q8_0 and what its elements are.
struct Q8Matrix {
    Q8Matrix(Random & random, int n_in, int n_out) : bytes(size_t(n_out) * n_in / 32 * 34), values(size_t(n_out) * n_in) {
        const std::vector<float> rows = random.floats(values.size());
        REQUIRE_OK(
            icf_quantize_rows(ICF_TYPE_Q8_0, rows.data(), n_out, n_in, bytes.data(), (long long)bytes.size(), &check_error));
        REQUIRE_OK(icf_dequantize_rows(ICF_TYPE_Q8_0, bytes.data(), (long long)bytes.size(), n_out, n_in, values.data(),
                                       &check_error));
        memset(&tensor, 0, sizeof(tensor));
        tensor.type = GGML_TYPE_Q8_0;
        tensor.ne[0] = n_in;
        tensor.ne[1] = n_out;
        tensor.ne[2] = tensor.ne[3] = 1;
        tensor.nb[0] = 34;
        tensor.nb[1] = size_t(n_in) / 32 * 34;
        tensor.data = bytes.data();
    }

    std::vector<char> bytes;
    std::vector<float> values;
    ggml_tensor tensor;
};

// Two threads share the work, as they do in a graph.
static void on_two_threads(int count, const std::function<void(int first, int last)> & work) {
    std::thread other(work, 0, count / 2);
    work(count / 2, count);
    other.join();
}

static std::vector<float> multiply(const PackedMatrix & matrix, const std::vector<float> & rows, int n_rows) {
    const Kernels & k = matrix.kernels();
    const RowsShape shape = {matrix.shape().n_in, n_rows};
    AlignedPtr<char> packed = make_aligned<char>(k.rows_bytes(shape));
    on_two_threads(k.n_groups(n_rows),
                   [&](int first, int last) { k.pack_rows(shape, rows.data(), packed.get(), first, last); });
    std::vector<float> y(size_t(n_rows) * matrix.shape().n_out);
    on_two_threads(matrix.n_tiles(), [&](int first, int last) { matrix.multiply(shape, packed.get(), y.data(), first, last); });
    return y;
}

// Rows are rounded to 8 bits, which is the only difference.
static void products() {
    for (const auto & [n_in, n_out, n_rows] :
         {std::array<int, 3>{32, 1, 1}, {64, 16, 16}, {96, 17, 5}, {256, 33, 31}, {32, 100, 47}}) {
        Random random(1);
        Q8Matrix weights(random, n_in, n_out);
        REQUIRE(PackedMatrix::can_pack(kernels, &weights.tensor));
        PackedMatrix matrix(*kernels, &weights.tensor);
        matrix.pack(&weights.tensor, 0, 1);
        matrix.pack(&weights.tensor, 1, matrix.n_tiles());
        const std::vector<float> rows = random.floats(size_t(n_rows) * n_in, 3);
        const std::vector<float> y = multiply(matrix, rows, n_rows);
        Rows expected;
        for (const Row & row : to_rows(rows, n_in)) {
            expected.push_back(naive_linear(to_rows(weights.values, n_in), {}, row));
        }
        CHECK_AT_MOST(0.02, relative_l2(y, to_floats(expected)));

        // Rows of whole numbers up to 127 are not rounded at all.
        std::vector<float> whole(rows.size());
        for (size_t i = 0; i < whole.size(); i++) {
            whole[i] = i % 32 == 0 ? 127.0f : float(random.below(255) - 127);
        }
        expected.clear();
        for (const Row & row : to_rows(whole, n_in)) {
            expected.push_back(naive_linear(to_rows(weights.values, n_in), {}, row));
        }
        CHECK_AT_MOST(1e-6, relative_l2(multiply(matrix, whole, n_rows), to_floats(expected)));
    }
}

static void products_of_strange_rows() {
    Random random(2);
    Q8Matrix weights(random, 64, 20);
    PackedMatrix matrix(*kernels, &weights.tensor);
    matrix.pack(&weights.tensor, 0, matrix.n_tiles());
    CHECK(same_bits(multiply(matrix, std::vector<float>(128, 0.0f), 2), std::vector<float>(40, 0.0f)));
    for (float value : {INFINITY, -INFINITY, std::nanf(""), 3e38f, 1e-45f}) {
        std::vector<float> rows = random.floats(3 * 64);
        const std::vector<float> clean = multiply(matrix, rows, 3);
        rows[64 + 5] = value;
        const std::vector<float> y = multiply(matrix, rows, 3);
        CHECK(same_bits({y.begin(), y.begin() + 20}, {clean.begin(), clean.begin() + 20})); // other rows are not touched
        CHECK(same_bits({y.begin() + 40, y.end()}, {clean.begin() + 40, clean.end()}));
        const bool finite = std::all_of(y.begin() + 20, y.begin() + 40, [](float x) { return std::isfinite(x); });
        CHECK(finite == (value == 1e-45f)); // what is no number, or beyond F16's range, does not pass for one
    }
}

// A row of nothing but the least of numbers is one of zeros, as in ggml.
static void products_of_tiny_rows() {
    Random random(7);
    Q8Matrix weights(random, 64, 20);
    PackedMatrix matrix(*kernels, &weights.tensor);
    matrix.pack(&weights.tensor, 0, matrix.n_tiles());
    for (float value : {3e-40f, -1e-45f, 1e-38f, 3e-37f}) {
        std::vector<float> rows(2 * 64, 0.0f);
        rows[5] = value;
        rows[64] = value;
        for (float y : multiply(matrix, rows, 2)) {
            CHECK(y == 0);
        }
    }
}

static void what_can_be_packed() {
    Random random(3);
    Q8Matrix weights(random, 32, 2);
    CHECK(!PackedMatrix::can_pack(nullptr, &weights.tensor));
    weights.tensor.type = GGML_TYPE_Q4_0;
    CHECK(!PackedMatrix::can_pack(kernels, &weights.tensor));
    weights.tensor.type = GGML_TYPE_F32;
    CHECK(!PackedMatrix::can_pack(kernels, &weights.tensor));
}

// As F16, and the floats rounded to what they are then.
static std::vector<ggml_fp16_t> round_to_f16(std::vector<float> & floats) {
    std::vector<ggml_fp16_t> halves(floats.size());
    ggml_fp32_to_fp16_row(floats.data(), halves.data(), int64_t(floats.size()));
    ggml_fp16_to_fp32_row(halves.data(), floats.data(), int64_t(floats.size()));
    return halves;
}

// Attention over memories filled position by position, from F32 and from F16.
static void attentions() {
    struct Case {
        int hd, n_head_kv, group, n_digest, n;
    };
    for (const Case & c :
         {Case{2, 1, 1, 1, 0}, Case{8, 2, 2, 5, 11}, Case{16, 1, 4, 9, 16}, Case{40, 3, 1, 17, 30}, Case{128, 2, 1, 8, 100}}) {
        for (bool is_f16 : {false, true}) {
            Random random(4);
            const int n_keys = c.n_digest + c.n;
            const int width = c.hd * c.n_head_kv;
            std::vector<float> keys = random.floats(size_t(n_keys) * width);
            std::vector<float> values = random.floats(size_t(n_keys) * width);
            const std::vector<ggml_fp16_t> half_keys = round_to_f16(keys), half_values = round_to_f16(values);
            AttentionMemory memory(*kernels, c.hd, c.n_head_kv, n_keys);
            Rows k, v = to_rows(values, width);
            const auto place = [&](int position) {
                std::vector<float> cosines, sines;
                for (int i = 0; i < c.hd / 2; i++) {
                    const double angle = position * std::pow(10000.0, -2.0 * i / c.hd);
                    cosines.push_back(float(std::cos(angle)));
                    sines.push_back(float(std::sin(angle)));
                }
                const size_t at = size_t(position) * width;
                kernels->place_key(memory, position, is_f16 ? (const void *)(half_keys.data() + at) : keys.data() + at, is_f16,
                                   cosines.data(), sines.data());
                kernels->place_value(memory, position, is_f16 ? (const void *)(half_values.data() + at) : values.data() + at,
                                     is_f16);
            };
            on_two_threads(n_keys, [&](int first, int last) {
                for (int position = first; position < last; position++) {
                    place(position);
                }
            });
            for (int position = 0; position < n_keys; position++) {
                k.push_back(naive_rope(to_rows(keys, width)[size_t(position)], c.hd, position, {}));
            }
            const int n_head = c.n_head_kv * c.group;
            const std::vector<float> q = random.floats(size_t(c.n_digest) * n_head * c.hd, 2);
            std::vector<float> out(q.size());
            on_two_threads(n_head, [&](int first, int last) {
                std::vector<float> scratch(kernels->attend_scratch(n_keys));
                for (int head = first; head < last; head++) {
                    const AttendTask task = {&memory,
                                             head / c.group,
                                             c.n_digest,
                                             c.n,
                                             q.data() + head * c.hd,
                                             out.data() + head * c.hd,
                                             size_t(n_head) * c.hd};
                    kernels->attend(task, 0, c.n_digest, scratch.data());
                }
            });
            Rows expected;
            for (int i = 0; i < c.n_digest; i++) {
                std::vector<bool> visible(size_t(n_keys), true);
                std::fill(visible.begin() + i + 1, visible.begin() + c.n_digest, false);
                expected.push_back(naive_attention(to_rows(q, n_head * c.hd)[size_t(i)], k, v, visible, c.hd));
            }
            CHECK_AT_MOST(1e-5, relative_l2(out, to_floats(expected)));
        }
    }
}

// Caches of several heads, with more positions than a vector and than a block has.
static void attentions_over_a_cache() {
    struct Case {
        int n_positions, hd, n_head_kv, group;
    };
    for (const Case & c : {Case{1, 8, 1, 1}, Case{16, 32, 2, 1}, Case{17, 20, 1, 4}, Case{130, 64, 2, 4}, Case{70, 80, 1, 2},
                           Case{65, 128, 2, 1}, Case{33, 200, 1, 1}, Case{300, 256, 1, 2}}) {
        for (bool is_f16 : {false, true}) {
            Random random(50 + c.n_positions);
            const int width = c.n_head_kv * c.hd;
            const int n_head = c.n_head_kv * c.group;
            std::vector<float> keys = random.floats(size_t(c.n_positions) * width, 2);
            std::vector<float> values = random.floats(size_t(c.n_positions) * width, 2);
            const std::vector<ggml_fp16_t> half_keys = round_to_f16(keys), half_values = round_to_f16(values);
            const std::vector<float> q = random.floats(size_t(n_head) * c.hd, 2);
            std::vector<float> out(q.size(), NAN);
            CacheAttendTask task;
            task.keys = is_f16 ? (const char *)half_keys.data() : (const char *)keys.data();
            task.values = is_f16 ? (const char *)half_values.data() : (const char *)values.data();
            const size_t element = is_f16 ? 2 : 4;
            task.stride = width * element;
            task.head_stride = c.hd * element;
            task.is_f16 = is_f16;
            task.n_positions = c.n_positions;
            task.n_embd_head = c.hd;
            task.n_head = n_head;
            task.n_head_kv = c.n_head_kv;
            task.q = q.data();
            task.out = out.data();
            on_two_threads(n_head, [&](int first, int last) {
                std::vector<float> scratch(kernels->cache_attend_scratch(c.n_positions, last - first));
                kernels->attend_cache(task, first, last, scratch.data());
            });
            const std::vector<bool> visible(size_t(c.n_positions), true);
            const Rows expected = {
                naive_attention(to_rows(q, n_head * c.hd)[0], to_rows(keys, width), to_rows(values, width), visible, c.hd)};
            CHECK_AT_MOST(1e-6, relative_l2(out, to_floats(expected)));
        }
    }
}

static std::vector<float> multiply_by(const Kernels & k, const Q8Matrix & weights, const std::vector<float> & rows,
                                      int n_rows) {
    PackedMatrix matrix(k, &weights.tensor);
    matrix.pack(&weights.tensor, 0, matrix.n_tiles());
    return multiply(matrix, rows, n_rows);
}

// Both quantise rows to the same integers and scales: what is left is the order of sums.
static void products_as_in_plain_cpp() {
    Random random(60);
    for (int n_rows : {1, 2, 3, 4, 5, 8, 9, 16, 17, 40}) {
        const int n_in = 32 * (1 + random.below(12));
        Q8Matrix weights(random, n_in, 1 + random.below(70));
        const std::vector<float> rows = random.floats(size_t(n_rows) * n_in, 2);
        CHECK_AT_MOST(
            1e-6, relative_l2(multiply_by(*kernels, weights, rows, n_rows), multiply_by(plain_kernels, weights, rows, n_rows)));
    }
}

static void aligned_memory() {
    for (size_t count : {size_t(0), size_t(1), size_t(100)}) {
        const AlignedPtr<float> memory = make_aligned<float>(count);
        CHECK(reinterpret_cast<uintptr_t>(memory.get()) % 64 == 0);
        CHECK(std::all_of(memory.get(), memory.get() + count, [](float x) { return x == 0; }));
    }
}

// Rows of every kind of width, both types, and outputs shared by two threads.
static void low_rank() {
    for (const auto & [n_in, n_out, rank, n_rows] :
         {std::array<int, 4>{32, 1, 1, 1}, {17, 33, 3, 2}, {64, 100, 32, 1}, {96, 48, 5, 7}}) {
        Random random(4);
        const std::vector<float> a = random.floats(size_t(rank) * n_in), b = random.floats(size_t(rank) * n_out);
        const std::vector<float> x = random.floats(size_t(n_rows) * n_in), before = random.floats(size_t(n_rows) * n_out);
        for (bool is_f16 : {false, true}) {
            std::vector<ggml_fp16_t> a16(a.size()), b16(b.size());
            ggml_fp32_to_fp16_row(a.data(), a16.data(), int64_t(a.size()));
            ggml_fp32_to_fp16_row(b.data(), b16.data(), int64_t(b.size()));
            std::vector<float> y = before, expected = before;
            const LowRankTask task = {n_in,
                                      n_out,
                                      rank,
                                      is_f16,
                                      0.5f,
                                      is_f16 ? (const void *)a16.data() : a.data(),
                                      is_f16 ? (const void *)b16.data() : b.data(),
                                      n_rows,
                                      x.data(),
                                      y.data()};
            on_two_threads(n_out, [&](int first, int last) { kernels->add_low_rank(task, first, last); });
            const auto at = [&](const std::vector<float> & full, const std::vector<ggml_fp16_t> & half, size_t i) {
                return double(is_f16 ? ggml_fp16_to_fp32(half[i]) : full[i]);
            };
            for (int row = 0; row < n_rows; row++) {
                for (int o = 0; o < n_out; o++) {
                    double sum = 0;
                    for (int r = 0; r < rank; r++) {
                        double inner = 0;
                        for (int i = 0; i < n_in; i++) {
                            inner += double(x[size_t(row) * n_in + i]) * at(a, a16, size_t(r) * n_in + i);
                        }
                        sum += inner * at(b, b16, size_t(r) * n_out + o);
                    }
                    expected[size_t(row) * n_out + o] += float(0.5 * sum);
                }
            }
            CHECK_AT_MOST(1e-6, relative_l2(y, expected));
        }
    }
}

int main() {
    RUN(aligned_memory);
    for (const Kernels * table : all_kernels()) {
        if (!table->supported()) {
            printf("this CPU cannot run the kernels '%s'\n", table->name);
            continue;
        }
        printf("kernels '%s'\n", table->name);
        kernels = table;
        RUN(products);
        RUN(products_of_strange_rows);
        RUN(products_of_tiny_rows);
        RUN(products_as_in_plain_cpp);
        RUN(what_can_be_packed);
        RUN(low_rank);
        RUN(attentions);
        RUN(attentions_over_a_cache);
    }
    return check_result();
}
