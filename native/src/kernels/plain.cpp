// Plain C++, for every processor: slow, and what the other tables are tested against. Rows and matrices lie as Q8_0 has them,
// row by row, keys and values head by head and position by position.
#include "kernels/kernels.h"

#include "ggml.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace icf {

namespace {

// A block of Q8_0 in a GGUF file.
struct BlockQ8 {
    ggml_fp16_t scale;
    int8_t values[block_length];
};
static_assert(sizeof(BlockQ8) == 34, "Q8_0 blocks have 34 bytes");

bool supported() {
    return true;
}

// ---- Products ----

int row_group(int) {
    return 1;
}

size_t rows_bytes(const RowsShape & shape) {
    return static_cast<size_t>(shape.n_rows) * shape.n_blocks() * sizeof(BlockQ8);
}

// What is no number, or has no scale, becomes a scale that is none.
void pack_block(const float * x, BlockQ8 & block) {
    float largest = 0;
    for (int i = 0; i < block_length; i++) {
        largest = std::max(largest, std::fabs(x[i]));
    }
    const float inverse = largest > least_scaled ? 127.0f / largest : 0.0f;
    bool all_numbers = true;
    for (int i = 0; i < block_length; i++) {
        const float scaled = x[i] * inverse;
        const bool is_number = !std::isnan(scaled);
        all_numbers = all_numbers && is_number;
        block.values[i] = is_number ? static_cast<int8_t>(std::nearbyint(std::clamp(scaled, -127.0f, 127.0f))) : int8_t(0);
    }
    block.scale = ggml_fp32_to_fp16(all_numbers ? largest / 127.0f : NAN);
}

void pack_rows(const RowsShape & shape, const float * rows, char * packed, int first, int last) {
    BlockQ8 * blocks = reinterpret_cast<BlockQ8 *>(packed);
    for (size_t b = static_cast<size_t>(first) * shape.n_blocks(); b < static_cast<size_t>(last) * shape.n_blocks(); b++) {
        pack_block(rows + b * block_length, blocks[b]);
    }
}

size_t matrix_bytes(const MatrixShape & shape) {
    return static_cast<size_t>(shape.n_out) * shape.n_blocks() * sizeof(BlockQ8);
}

void pack_matrix(const MatrixShape & shape, const char * weights, size_t stride, char * packed, int first, int last) {
    const size_t bytes = shape.n_blocks() * sizeof(BlockQ8);
    for (int out = first; out < last; out++) {
        memcpy(packed + out * bytes, weights + out * stride, bytes);
    }
}

float dot_product(const BlockQ8 * w, const BlockQ8 * x, int n_blocks) {
    float sum = 0;
    for (int b = 0; b < n_blocks; b++) {
        int32_t dot = 0;
        for (int i = 0; i < block_length; i++) {
            dot += w[b].values[i] * x[b].values[i];
        }
        sum = std::fma(static_cast<float>(dot), ggml_fp16_to_fp32(w[b].scale) * ggml_fp16_to_fp32(x[b].scale), sum);
    }
    return sum;
}

void multiply(const MatrixShape & shape, const char * matrix, const RowsShape & rows_shape, const char * rows, float * y,
              int first, int last) {
    const BlockQ8 * w = reinterpret_cast<const BlockQ8 *>(matrix);
    const BlockQ8 * x = reinterpret_cast<const BlockQ8 *>(rows);
    const size_t n = static_cast<size_t>(shape.n_blocks());
    for (int row = 0; row < rows_shape.n_rows; row++) {
        for (int out = first; out < last; out++) {
            y[static_cast<size_t>(row) * shape.n_out + out] = dot_product(w + out * n, x + row * n, shape.n_blocks());
        }
    }
}

float element(const void * values, bool is_f16, size_t i) {
    return is_f16 ? ggml_fp16_to_fp32(static_cast<const ggml_fp16_t *>(values)[i]) : static_cast<const float *>(values)[i];
}

void add_low_rank(const LowRankTask & t, int first, int last) {
    for (int row = 0; row < t.n_rows; row++) {
        const float * x = t.x + static_cast<size_t>(row) * t.n_in;
        float * y = t.y + static_cast<size_t>(row) * t.n_out;
        for (int r = 0; r < t.rank; r++) {
            double inner = 0;
            for (int i = 0; i < t.n_in; i++) {
                inner += static_cast<double>(x[i]) * element(t.a, t.is_f16, static_cast<size_t>(r) * t.n_in + i);
            }
            for (int o = first; o < last; o++) {
                y[o] += static_cast<float>(t.scale * inner) * element(t.b, t.is_f16, static_cast<size_t>(r) * t.n_out + o);
            }
        }
    }
}

// ---- Attention ----

float element(const void * row, bool is_f16, int i) {
    return is_f16 ? ggml_fp16_to_fp32(static_cast<const ggml_fp16_t *>(row)[i]) : static_cast<const float *>(row)[i];
}

// Where a position's key or value of a head lies in an AttentionMemory.
size_t place_of(const AttentionMemory & memory, int head, int position) {
    return (static_cast<size_t>(head) * memory.capacity + position) * memory.n_embd_head;
}

void place_key(const AttentionMemory & memory, int position, const void * row, bool is_f16, const float * cosines,
               const float * sines) {
    const int half = memory.n_embd_head / 2;
    for (int head = 0; head < memory.n_head_kv; head++) {
        float * target = memory.keys.get() + place_of(memory, head, position);
        for (int i = 0; i < half; i++) {
            const float a = element(row, is_f16, head * 2 * half + i);
            const float b = element(row, is_f16, head * 2 * half + half + i);
            target[i] = a * cosines[i] - b * sines[i];
            target[half + i] = a * sines[i] + b * cosines[i];
        }
    }
}

void place_value(const AttentionMemory & memory, int position, const void * row, bool is_f16) {
    for (int head = 0; head < memory.n_head_kv; head++) {
        float * target = memory.values.get() + place_of(memory, head, position);
        for (int i = 0; i < memory.n_embd_head; i++) {
            target[i] = element(row, is_f16, head * memory.n_embd_head + i);
        }
    }
}

double score(const void * key, bool is_f16, const float * q, int n) {
    double sum = 0;
    for (int i = 0; i < n; i++) {
        sum += static_cast<double>(element(key, is_f16, i)) * q[i];
    }
    return sum / std::sqrt(static_cast<double>(n));
}

// Scores become weights whose sum is 1.
void soft_max(float * scores, int n) {
    const float largest = *std::max_element(scores, scores + n);
    double sum = 0;
    for (int j = 0; j < n; j++) {
        scores[j] = std::exp(scores[j] - largest);
        sum += scores[j];
    }
    for (int j = 0; j < n; j++) {
        scores[j] = static_cast<float>(scores[j] / sum);
    }
}

// out = Σ_j weights[j] · v_j, the values `stride` bytes apart
void mix_values(const char * values, size_t stride, bool is_f16, const float * weights, int n_values, float * out, int n) {
    for (int i = 0; i < n; i++) {
        double sum = 0;
        for (int j = 0; j < n_values; j++) {
            sum += static_cast<double>(weights[j]) * element(values + j * stride, is_f16, i);
        }
        out[i] = static_cast<float>(sum);
    }
}

size_t attend_scratch(int n_keys) {
    return static_cast<size_t>(n_keys);
}

void attend(const AttendTask & t, int first, int last, float * scratch) {
    const int hd = t.memory->n_embd_head;
    const int n_keys = t.n_digest + t.n;
    const float * keys = t.memory->keys.get() + place_of(*t.memory, t.head_kv, 0);
    const float * values = t.memory->values.get() + place_of(*t.memory, t.head_kv, 0);
    for (int i = first; i < last; i++) {
        for (int j = 0; j < n_keys; j++) {
            const bool hidden = j > i && j < t.n_digest;
            scratch[j] = hidden ? -INFINITY
                                : static_cast<float>(score(keys + static_cast<size_t>(j) * hd, false, t.q + i * t.stride, hd));
        }
        soft_max(scratch, n_keys);
        mix_values(reinterpret_cast<const char *>(values), hd * sizeof(float), false, scratch, n_keys, t.out + i * t.stride,
                   hd);
    }
}

size_t cache_attend_scratch(int n_positions, int n_heads) {
    return static_cast<size_t>(n_positions) * n_heads;
}

void attend_cache(const CacheAttendTask & t, int first, int last, float * scratch) {
    for (int head = first; head < last; head++) {
        const size_t offset = head / (t.n_head / t.n_head_kv) * t.head_stride;
        const float * q = t.q + static_cast<size_t>(head) * t.n_embd_head;
        for (int j = 0; j < t.n_positions; j++) {
            scratch[j] = static_cast<float>(score(t.keys + offset + j * t.stride, t.is_f16, q, t.n_embd_head));
        }
        soft_max(scratch, t.n_positions);
        mix_values(t.values + offset, t.stride, t.is_f16, scratch, t.n_positions,
                   t.out + static_cast<size_t>(head) * t.n_embd_head, t.n_embd_head);
    }
}

} // namespace

const Kernels plain_kernels = {
    "plain",
    false,
    supported, //
    row_group,
    rows_bytes,
    pack_rows, //
    1,
    matrix_bytes,
    pack_matrix,
    multiply, //
    add_low_rank,
    1,
    place_key,
    place_value, //
    1,
    attend_scratch,
    attend, //
    cache_attend_scratch,
    attend_cache,
};

} // namespace icf
