#include "error.h"
#include "fixtures.h"
#include "ggml.h"
#include "quantize.h"

using namespace icf;
using namespace test;

static std::vector<icf_type_info> types() {
    std::vector<icf_type_info> all;
    for (int32_t type = 0; type < GGML_TYPE_COUNT; type++) {
        icf_type_info info;
        info.struct_size = sizeof(info);
        if (icf_type_describe(type, &info, nullptr) == ICF_OK) {
            all.push_back(info);
        }
    }
    REQUIRE(all.size() > 20);
    return all;
}

static void names() {
    for (const icf_type_info & info : types()) {
        const int32_t type = find_type(info.name);
        REQUIRE(type >= 0);
        CHECK_TEXT(info.name, ggml_type_name(static_cast<ggml_type>(type)));
        CHECK(info.block_length >= 1 && info.block_bytes >= 1);
    }
    CHECK_EQUAL(ICF_TYPE_Q8_0, find_type("Q8_0"));
    CHECK_EQUAL(ICF_TYPE_F16, find_type("f16"));
    CHECK_EQUAL(ICF_TYPE_BF16, find_type("BF16"));
    CHECK_EQUAL(-1, find_type("q9_9"));
    CHECK_EQUAL(-1, find_type(""));
    CHECK_THROWS(ICF_ERROR_ARGUMENT, check_type(-1));
    CHECK_THROWS(ICF_ERROR_ARGUMENT, check_type(4)); // once Q4_2, removed
    CHECK_THROWS(ICF_ERROR_ARGUMENT, check_type(100000));
}

static void sizes() {
    CHECK_EQUAL(2 * 3 * 34, rows_bytes(GGML_TYPE_Q8_0, 2, 96));
    CHECK_EQUAL(0, rows_bytes(GGML_TYPE_F32, 0, 5));
    CHECK_THROWS(ICF_ERROR_ARGUMENT, rows_bytes(GGML_TYPE_Q8_0, 2, 31));
    CHECK_THROWS(ICF_ERROR_ARGUMENT, rows_bytes(GGML_TYPE_F32, -1, 4));
    CHECK_THROWS(ICF_ERROR_ARGUMENT, rows_bytes(GGML_TYPE_F32, 1, 0));
    CHECK_THROWS(ICF_ERROR_ARGUMENT, rows_bytes(GGML_TYPE_F32, 1LL << 62, 4));
    CHECK_THROWS(ICF_ERROR_ARGUMENT, rows_bytes(GGML_TYPE_F32, 4, 1LL << 62));
    CHECK_THROWS(ICF_ERROR_ARGUMENT, rows_bytes(GGML_TYPE_Q4_K, 1LL << 40, 1LL << 40));
}

// Error of a round trip through each type, by the bits it spends on an element.
static void round_trips() {
    const long long n_rows = 5, length = 512;
    const std::vector<float> rows = Random(1).floats(size_t(n_rows * length), 2);
    for (const icf_type_info & info : types()) {
        const ggml_type type = check_type(find_type(info.name));
        if (!info.can_quantize) {
            continue;
        }
        const double bits = 8.0 * info.block_bytes / info.block_length;
        std::vector<char> packed(rows_bytes(type, n_rows, length));
        std::vector<float> back(rows.size());
        quantize_rows(type, rows.data(), n_rows, length, packed.data());
        dequantize_rows(type, packed.data(), n_rows, length, back.data());
        const double allowed = bits >= 32 ? 0 : 3.0 * std::pow(2, -std::min(bits, 10.0)) + 0.02;
        CHECK_SAYING(relative_l2(back, rows) <= allowed, "%s: relative error %.4f, at most %.4f", info.name,
                     relative_l2(back, rows), allowed);
    }
}

static void half_precision_is_rounded() {
    const float values[4] = {1.0f, 65504.0f, 1e-8f, -2.5f};
    uint16_t packed[4];
    quantize_rows(GGML_TYPE_F16, values, 1, 4, packed);
    CHECK_EQUAL(0x3C00, packed[0]);
    CHECK_EQUAL(0x7BFF, packed[1]);
    CHECK_EQUAL(0x0000, packed[2]);
    CHECK_EQUAL(0xC100, packed[3]);
    quantize_rows(GGML_TYPE_BF16, values, 1, 4, packed);
    CHECK_EQUAL(0x3F80, packed[0]);
    CHECK_EQUAL(0xC020, packed[3]);
}

// Extreme and impossible numbers: a typed error or bytes, never an abort. Each is tried alone, scattered and everywhere.
static void extreme_rows() {
    const size_t length = 256;
    for (const icf_type_info & info : types()) {
        const ggml_type type = check_type(find_type(info.name));
        std::vector<char> packed(rows_bytes(type, 1, length));
        for (float value :
             {0.0f, 1e-45f, 1e-30f, 65504.0f, -65504.0f, 65536.0f, 1e20f, -3e38f, INFINITY, -INFINITY, std::nanf("")}) {
            for (size_t step : {size_t(1), length}) {
                std::vector<float> row = Random(2).floats(length, 1e-3);
                for (size_t i = 0; i < length; i += step) {
                    row[i] = value;
                }
                const bool fits = std::fabs(value) <= 65504.0f || info.block_length == 1;
                const icf_status status = icf_quantize_rows(type, row.data(), 1, length, packed.data(),
                                                            static_cast<long long>(packed.size()), nullptr);
                CHECK_SAYING(status == (!info.can_quantize ? ICF_ERROR_UNSUPPORTED
                                        : fits             ? ICF_OK
                                                           : ICF_ERROR_ARGUMENT),
                             "%s of %g gives '%s'", info.name, double(value), icf_status_name(status));
            }
        }
    }
}

// Any bytes can be widened.
static void random_bytes() {
    const long long length = 512;
    Random random(4);
    for (const icf_type_info & info : types()) {
        const ggml_type type = check_type(find_type(info.name));
        std::vector<char> packed(rows_bytes(type, 4, length));
        std::vector<float> rows(static_cast<size_t>(4 * length));
        for (int round = 0; round < 20; round++) {
            for (char & byte : packed) {
                byte = static_cast<char>(random.bits());
            }
            const icf_status status = icf_dequantize_rows(type, packed.data(), static_cast<long long>(packed.size()), 4, length,
                                                          rows.data(), nullptr);
            CHECK(status == ICF_OK || (status == ICF_ERROR_UNSUPPORTED && !info.can_quantize));
        }
    }
}

int main() {
    RUN(names);
    RUN(sizes);
    RUN(round_trips);
    RUN(half_precision_is_rounded);
    RUN(extreme_rows);
    RUN(random_bytes);
    return check_result();
}
