#include "quantize.h"

#include "error.h"

#include <cmath>
#include <cstring>
#include <strings.h>

namespace icf {

static bool exists(int32_t type) {
    return type >= 0 && type < GGML_TYPE_COUNT && ggml_type_size(static_cast<ggml_type>(type)) > 0 &&
           ggml_blck_size(static_cast<ggml_type>(type)) > 0;
}

// Whether rows of floats can become this type and be read back.
static bool can_widen(ggml_type type) {
    return type == GGML_TYPE_F32 || ggml_get_type_traits(type)->to_float;
}

static bool can_quantize(ggml_type type) {
    if (type == GGML_TYPE_F32 || type == GGML_TYPE_F16 || type == GGML_TYPE_BF16) {
        return true;
    }
    if (type == GGML_TYPE_Q8_1 || type == GGML_TYPE_Q8_K) {
        return false; // of activations only
    }
    return ggml_is_quantized(type) && ggml_get_type_traits(type)->from_float_ref && !ggml_quantize_requires_imatrix(type);
}

ggml_type check_type(int32_t type) {
    if (!exists(type)) {
        fail(ICF_ERROR_ARGUMENT, "there is no tensor type %d", type);
    }
    return static_cast<ggml_type>(type);
}

int32_t find_type(const char * name) {
    for (int32_t type = 0; type < GGML_TYPE_COUNT; type++) {
        if (exists(type) && strcasecmp(name, ggml_type_name(static_cast<ggml_type>(type))) == 0) {
            return type;
        }
    }
    return -1;
}

void describe_type(ggml_type type, icf_type_info & info) {
    info.block_length = static_cast<int32_t>(ggml_blck_size(type));
    info.block_bytes = static_cast<int32_t>(ggml_type_size(type));
    info.can_quantize = can_quantize(type);
    strncpy(info.name, ggml_type_name(type), sizeof(info.name) - 1);
    info.name[sizeof(info.name) - 1] = '\0';
}

size_t rows_bytes(ggml_type type, long long n_rows, long long row_length) {
    const long long block = ggml_blck_size(type);
    if (n_rows < 0 || row_length < 1 || row_length % block != 0) {
        fail(ICF_ERROR_ARGUMENT, "%lld rows of %lld elements: type %s needs rows of a multiple of %lld", n_rows, row_length,
             ggml_type_name(type), block);
    }
    const size_t row = static_cast<size_t>(row_length / block);
    size_t bytes;
    if (__builtin_mul_overflow(row, ggml_type_size(type), &bytes) ||
        __builtin_mul_overflow(bytes, static_cast<size_t>(n_rows), &bytes)) {
        fail(ICF_ERROR_ARGUMENT, "%lld rows of %lld elements are too many", n_rows, row_length);
    }
    return bytes;
}

// A block's scale is an F16 number, and the search for it takes sixth powers: beyond that type's range ggml gives infinities
// or ends the process.
static void check_range(const float * values, long long count) {
    const float largest = 65504.0f;
    for (long long i = 0; i < count; i++) {
        if (!(std::fabs(values[i]) <= largest)) {
            fail(ICF_ERROR_ARGUMENT, "element %lld is %g: numbers from -%g to %g can be quantised", i,
                 static_cast<double>(values[i]), static_cast<double>(largest), static_cast<double>(largest));
        }
    }
}

void quantize_rows(ggml_type type, const float * rows, long long n_rows, long long row_length, void * target) {
    if (!can_quantize(type)) {
        fail(ICF_ERROR_UNSUPPORTED, "type %s cannot be made from floats alone", ggml_type_name(type));
    }
    if (ggml_is_quantized(type)) {
        check_range(rows, n_rows * row_length);
    }
    if (n_rows > 0) {
        ggml_quantize_chunk(type, rows, target, 0, n_rows, row_length, nullptr);
    }
}

void dequantize_rows(ggml_type type, const void * source, long long n_rows, long long row_length, float * rows) {
    if (!can_widen(type)) {
        fail(ICF_ERROR_UNSUPPORTED, "type %s cannot be widened to floats", ggml_type_name(type));
    }
    if (type == GGML_TYPE_F32) {
        memcpy(rows, source, rows_bytes(type, n_rows, row_length));
    } else {
        ggml_get_type_traits(type)->to_float(source, rows, n_rows * row_length);
    }
}

} // namespace icf
