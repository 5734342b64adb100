// For CPUs with AVX-512 VNNI (Intel from Ice Lake on, AMD from Zen 4 on). Outputs, positions and elements are handled in vectors
// of 16, queries of digests eight at a time.
#include "kernels/kernels.h"

#if defined(__x86_64__)

#include <algorithm>
#include <cmath>
#include <cstring>

#if !defined(__clang__)
// GCC 12 takes the undefined operand of its own AVX-512 intrinsics for a mistake (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#define ICF_TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,f16c,fma")))

namespace icf {

namespace {

bool supported() {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vnni");
}

const int tile = 16;       // outputs of a matrix, or positions of keys, that lie together
const int max_group = 16;  // rows that are multiplied together
const int query_group = 8; // queries of digests that are handled together

// ---- Products ----

__mmask16 first_lanes(int count) {
    return static_cast<__mmask16>(count >= 16 ? 0xFFFF : (1u << count) - 1);
}

int row_group(int n_rows) {
    return n_rows == 1 ? 1 : n_rows <= 4 ? 4 : n_rows <= 8 ? 8 : max_group;
}

size_t group_bytes(const RowsShape & shape) {
    return static_cast<size_t>(shape.n_blocks()) * row_group(shape.n_rows) * (block_length + sizeof(float) + sizeof(int32_t));
}

size_t rows_bytes(const RowsShape & shape) {
    const int group = row_group(shape.n_rows);
    return static_cast<size_t>((shape.n_rows + group - 1) / group) * group_bytes(shape);
}

size_t tile_bytes(const MatrixShape & shape) {
    return static_cast<size_t>(shape.n_blocks()) * tile * (block_length + sizeof(uint16_t));
}

size_t matrix_bytes(const MatrixShape & shape) {
    return static_cast<size_t>((shape.n_out + tile - 1) / tile) * tile_bytes(shape);
}

// A block of Q8_0 in a GGUF file.
struct BlockQ8 {
    uint16_t scale; // F16
    int8_t values[block_length];
};
static_assert(sizeof(BlockQ8) == 34, "Q8_0 blocks have 34 bytes");

// In a group of packed rows: [n_blocks] of { values [group][32], scales [group], corrections [group] }.
template <int group> struct RowsBlock {
    int8_t values[group][block_length];
    float scales[group];
    int32_t corrections[group]; // -128 · sum(values): takes back the offset of the weights
};
static_assert(sizeof(RowsBlock<16>) == 16 * (block_length + 8), "group_bytes");

// In a tile of a packed matrix: [n_blocks] of { weights + 128 [8][16 outputs][4 inputs], scales [16] }.
struct TileBlock {
    uint8_t weights[block_length / 4][tile][4];
    uint16_t scales[tile];
};
static_assert(sizeof(TileBlock) == tile * (block_length + 2), "tile_bytes");

template <int group> ICF_TARGET void pack_block(const float * x, RowsBlock<group> & block, int row) {
    const __m512 a = _mm512_loadu_ps(x);
    const __m512 b = _mm512_loadu_ps(x + 16);
    const float largest = _mm512_reduce_max_ps(_mm512_max_ps(_mm512_abs_ps(a), _mm512_abs_ps(b)));
    const float inverse = largest > least_scaled ? 127.0f / largest : 0.0f;
    const __m512 sa = _mm512_mul_ps(a, _mm512_set1_ps(inverse));
    const __m512 sb = _mm512_mul_ps(b, _mm512_set1_ps(inverse));
    const __mmask16 na = _mm512_cmp_ps_mask(sa, sa, _CMP_ORD_Q); // elements that are numbers
    const __mmask16 nb = _mm512_cmp_ps_mask(sb, sb, _CMP_ORD_Q);
    const __m512i ia = _mm512_maskz_cvtps_epi32(na, sa);
    const __m512i ib = _mm512_maskz_cvtps_epi32(nb, sb);
    const bool all_numbers = (na & nb) == 0xFFFF;
    _mm_storeu_si128(reinterpret_cast<__m128i *>(block.values[row]), _mm512_cvtepi32_epi8(ia));
    _mm_storeu_si128(reinterpret_cast<__m128i *>(block.values[row] + 16), _mm512_cvtepi32_epi8(ib));
    const __m128 scale = _mm_cvtph_ps(_mm_cvtps_ph(_mm_set_ss(largest / 127.0f), 0)); // rounded to F16, as ggml's Q8_0 has it
    block.scales[row] = all_numbers ? _mm_cvtss_f32(scale) : NAN;
    block.corrections[row] = -128 * _mm512_reduce_add_epi32(_mm512_add_epi32(ia, ib));
}

template <int group> void pack_group(const RowsShape & shape, const float * rows, RowsBlock<group> * blocks, int n_rows) {
    for (int b = 0; b < shape.n_blocks(); b++) {
        for (int r = 0; r < n_rows; r++) {
            pack_block(rows + static_cast<size_t>(r) * shape.n_in + b * block_length, blocks[b], r);
        }
        for (int r = n_rows; r < group; r++) {
            memset(blocks[b].values[r], 0, block_length);
            blocks[b].scales[r] = 0;
            blocks[b].corrections[r] = 0;
        }
    }
}

template <int group>
void pack_groups(const RowsShape & shape, const float * rows, char * packed, int first_group, int last_group) {
    for (int g = first_group; g < last_group; g++) {
        pack_group(shape, rows + static_cast<size_t>(g) * group * shape.n_in,
                   reinterpret_cast<RowsBlock<group> *>(packed + g * group_bytes(shape)),
                   std::min(group + 0, shape.n_rows - g * group));
    }
}

void pack_rows(const RowsShape & shape, const float * rows, char * packed, int first_group, int last_group) {
    switch (row_group(shape.n_rows)) {
        case 1: pack_groups<1>(shape, rows, packed, first_group, last_group); break;
        case 4: pack_groups<4>(shape, rows, packed, first_group, last_group); break;
        case 8: pack_groups<8>(shape, rows, packed, first_group, last_group); break;
        default: pack_groups<max_group>(shape, rows, packed, first_group, last_group); break;
    }
}

void pack_matrix(const MatrixShape & shape, const char * weights, size_t stride, char * packed, int first_tile, int last_tile) {
    const uint32_t offset = 0x80808080u; // adds 128 to each of four bytes when combined by exclusive or
    for (int out = first_tile * tile; out < std::min(last_tile * tile, shape.n_out); out++) {
        const BlockQ8 * source = reinterpret_cast<const BlockQ8 *>(weights + out * stride);
        TileBlock * target = reinterpret_cast<TileBlock *>(packed + out / tile * tile_bytes(shape));
        for (int b = 0; b < shape.n_blocks(); b++) {
            for (int i = 0; i < block_length / 4; i++) {
                uint32_t four;
                memcpy(&four, source[b].values + 4 * i, sizeof(four));
                four ^= offset;
                memcpy(target[b].weights[i][out % tile], &four, sizeof(four));
            }
            target[b].scales[out % tile] = source[b].scale;
        }
    }
}

// 16 outputs of a group's rows: sums[r] = Σ scale · scale_r · (Σ (w + 128) x - 128 Σ x), block by block.
template <int group>
ICF_TARGET void multiply_tile(const TileBlock * w, const RowsBlock<group> * x, int n_blocks, __m512 * sums) {
    __m512 acc[group];
    for (int r = 0; r < group; r++) {
        acc[r] = _mm512_setzero_ps();
    }
    for (int b = 0; b < n_blocks; b++, w++, x++) {
        __m512i weights[block_length / 4];
        for (int i = 0; i < block_length / 4; i++) {
            weights[i] = _mm512_loadu_si512(w->weights[i]);
        }
        const __m512 scales = _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(w->scales)));
#pragma GCC unroll 16
        for (int r = 0; r < group; r++) {
            __m512i dot = _mm512_set1_epi32(x->corrections[r]);
#pragma GCC unroll 8
            for (int i = 0; i < block_length / 4; i++) {
                int32_t four;
                memcpy(&four, x->values[r] + 4 * i, sizeof(four));
                dot = _mm512_dpbusd_epi32(dot, weights[i], _mm512_set1_epi32(four));
            }
            const __m512 scale = _mm512_mul_ps(scales, _mm512_set1_ps(x->scales[r]));
            acc[r] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot), scale, acc[r]);
        }
    }
    for (int r = 0; r < group; r++) {
        sums[r] = acc[r];
    }
}

ICF_TARGET void store_tile(const __m512 * sums, float * y, size_t stride, int n_rows, int n_outputs) {
    const __mmask16 mask = first_lanes(n_outputs);
    for (int r = 0; r < n_rows; r++) {
        _mm512_mask_storeu_ps(y + r * stride, mask, sums[r]);
    }
}

// A tile's outputs [n_rows, stride] of every group.
template <int group> ICF_TARGET void multiply_groups(const TileBlock * weights, const RowsShape & shape, const char * packed,
                                                     float * y, size_t stride, int n_outputs) {
    for (int g = 0; g * group < shape.n_rows; g++) {
        __m512 sums[group];
        multiply_tile(weights, reinterpret_cast<const RowsBlock<group> *>(packed + g * group_bytes(shape)), shape.n_blocks(),
                      sums);
        store_tile(sums, y + static_cast<size_t>(g) * group * stride, stride, std::min(group + 0, shape.n_rows - g * group),
                   n_outputs);
    }
}

void multiply(const MatrixShape & shape, const char * matrix, const RowsShape & rows_shape, const char * packed, float * y,
              int first_tile, int last_tile) {
    for (int t = first_tile; t < last_tile; t++) {
        const TileBlock * weights = reinterpret_cast<const TileBlock *>(matrix + t * tile_bytes(shape));
        const int n_outputs = std::min(tile + 0, shape.n_out - t * tile);
        float * target = y + t * tile;
        const size_t stride = static_cast<size_t>(shape.n_out);
        switch (row_group(rows_shape.n_rows)) {
            case 1: multiply_groups<1>(weights, rows_shape, packed, target, stride, n_outputs); break;
            case 4: multiply_groups<4>(weights, rows_shape, packed, target, stride, n_outputs); break;
            case 8: multiply_groups<8>(weights, rows_shape, packed, target, stride, n_outputs); break;
            default: multiply_groups<max_group>(weights, rows_shape, packed, target, stride, n_outputs); break;
        }
    }
}

// ---- Low-rank changes ----

// Sixteen elements from `index` on, those behind `mask` 0.
template <bool is_f16> ICF_TARGET __m512 load_elements(const void * values, size_t index, __mmask16 mask) {
    if (is_f16) {
        return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, static_cast<const uint16_t *>(values) + index));
    }
    return _mm512_maskz_loadu_ps(mask, static_cast<const float *>(values) + index);
}

const int rank_block = 4; // rows of A that share a look at x, and rows of B that share one at y

// inner[r] = scale · A[first + r] x
template <bool is_f16>
ICF_TARGET void project_down(const LowRankTask & t, const float * x, int first, int count, float * inner) {
    __m512 sums[rank_block] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps()};
    for (int i = 0; i < t.n_in; i += 16) {
        const __mmask16 mask = first_lanes(t.n_in - i);
        const __m512 v = _mm512_maskz_loadu_ps(mask, x + i);
        for (int r = 0; r < count; r++) {
            sums[r] =
                _mm512_fmadd_ps(load_elements<is_f16>(t.a, static_cast<size_t>(first + r) * t.n_in + i, mask), v, sums[r]);
        }
    }
    for (int r = 0; r < count; r++) {
        inner[r] = t.scale * _mm512_reduce_add_ps(sums[r]);
    }
}

// y[o] += Σ inner[r] B[first_rank + r][o], outputs first … last - 1
template <bool is_f16> ICF_TARGET void project_up(const LowRankTask & t, const float * inner, int first_rank, int count,
                                                  float * y, int first, int last) {
    for (int o = first; o < last; o += 16) {
        const __mmask16 mask = first_lanes(last - o);
        __m512 sum = _mm512_maskz_loadu_ps(mask, y + o);
        for (int r = 0; r < count; r++) {
            const size_t at = static_cast<size_t>(first_rank + r) * t.n_out + o;
            sum = _mm512_fmadd_ps(_mm512_set1_ps(inner[r]), load_elements<is_f16>(t.b, at, mask), sum);
        }
        _mm512_mask_storeu_ps(y + o, mask, sum);
    }
}

template <bool is_f16> void add_ranks(const LowRankTask & t, int first, int last) {
    for (int row = 0; row < t.n_rows; row++) {
        for (int r = 0; r < t.rank; r += rank_block) {
            const int count = std::min(rank_block, t.rank - r);
            float inner[rank_block];
            project_down<is_f16>(t, t.x + static_cast<size_t>(row) * t.n_in, r, count, inner);
            project_up<is_f16>(t, inner, r, count, t.y + static_cast<size_t>(row) * t.n_out, first, last);
        }
    }
}

void add_low_rank(const LowRankTask & task, int first, int last) {
    if (task.is_f16) {
        add_ranks<true>(task, first, last);
    } else {
        add_ranks<false>(task, first, last);
    }
}

// ---- Attention ----

// Keys lie in tiles of 16 positions, transposed, [n_head_kv][capacity / tile][n_embd_head][tile]; values row by row,
// [n_head_kv][capacity][n_embd_head].
float * key_tile(const AttentionMemory & memory, int head, int position) {
    return memory.keys.get() + (static_cast<size_t>(head) * memory.capacity + position / tile * tile) * memory.n_embd_head;
}

float * value_row(const AttentionMemory & memory, int head, int position) {
    return memory.values.get() + (static_cast<size_t>(head) * memory.capacity + position) * memory.n_embd_head;
}

// Scores of a head or a query, a whole number of vectors.
size_t padded_positions(int n_positions) {
    return static_cast<size_t>(n_positions + 15) / 16 * 16;
}

size_t attend_scratch(int n_keys) {
    return query_group * padded_positions(n_keys);
}

size_t cache_attend_scratch(int n_positions, int n_heads) {
    return static_cast<size_t>(n_heads) * padded_positions(n_positions);
}

ICF_TARGET __m512 load_elements(const void * row, bool is_f16, int index, __mmask16 mask) {
    if (is_f16) {
        const uint16_t * halves = static_cast<const uint16_t *>(row) + index;
        return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, halves));
    }
    return _mm512_maskz_loadu_ps(mask, static_cast<const float *>(row) + index);
}

ICF_TARGET void place_key(const AttentionMemory & memory, int position, const void * row, bool is_f16, const float * cosines,
                          const float * sines) {
    const int half = memory.n_embd_head / 2;
    alignas(64) float low[16];
    alignas(64) float high[16];
    for (int head = 0; head < memory.n_head_kv; head++) {
        float * lane = key_tile(memory, head, position) + position % tile;
        for (int i = 0; i < half; i += 16) {
            const int count = std::min(16, half - i);
            const __mmask16 mask = first_lanes(count);
            const __m512 a = load_elements(row, is_f16, head * 2 * half + i, mask);
            const __m512 b = load_elements(row, is_f16, head * 2 * half + half + i, mask);
            const __m512 c = _mm512_maskz_loadu_ps(mask, cosines + i);
            const __m512 s = _mm512_maskz_loadu_ps(mask, sines + i);
            _mm512_store_ps(low, _mm512_fmsub_ps(a, c, _mm512_mul_ps(b, s)));
            _mm512_store_ps(high, _mm512_fmadd_ps(a, s, _mm512_mul_ps(b, c)));
            for (int j = 0; j < count; j++) {
                lane[(i + j) * tile] = low[j];
                lane[(half + i + j) * tile] = high[j];
            }
        }
    }
}

ICF_TARGET void place_value(const AttentionMemory & memory, int position, const void * row, bool is_f16) {
    const int hd = memory.n_embd_head;
    for (int head = 0; head < memory.n_head_kv; head++) {
        float * target = value_row(memory, head, position);
        for (int i = 0; i < hd; i += 16) {
            const __mmask16 mask = first_lanes(hd - i);
            _mm512_mask_storeu_ps(target + i, mask, load_elements(row, is_f16, head * hd + i, mask));
        }
    }
}

// e^x for x ≤ 0: 2^(x / ln 2) split into an integer and a fraction, the fraction by a polynomial (relative error 2e-7).
ICF_TARGET __m512 exp_ps(__m512 x) {
    x = _mm512_max_ps(x, _mm512_set1_ps(-87.0f));
    const __m512 t = _mm512_mul_ps(x, _mm512_set1_ps(1.44269504f));
    const __m512 whole = _mm512_roundscale_ps(t, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m512 r = _mm512_fnmadd_ps(whole, _mm512_set1_ps(0.693359375f), x); // x - whole · ln 2, ln 2 in two parts
    r = _mm512_fnmadd_ps(whole, _mm512_set1_ps(-2.12194440e-4f), r);
    __m512 p = _mm512_set1_ps(1.9875691500e-4f);
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.3981999507e-3f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(8.3334519073e-3f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(4.1665795894e-2f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.6666665459e-1f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.5f));
    p = _mm512_fmadd_ps(_mm512_mul_ps(p, r), r, _mm512_add_ps(r, _mm512_set1_ps(1.0f)));
    return _mm512_scalef_ps(p, whole);
}

// scores[i][16 keys of each of n tiles] = q_i · k for eight queries
template <int n> ICF_TARGET void score_tiles(const float * keys, const float * const * q, int n_embd_head, float scale,
                                             float * scores, size_t stride) {
    const size_t tile_floats = static_cast<size_t>(n_embd_head) * tile;
    __m512 acc[query_group][n];
    for (int i = 0; i < query_group; i++) {
        for (int t = 0; t < n; t++) {
            acc[i][t] = _mm512_setzero_ps();
        }
    }
    for (int d = 0; d < n_embd_head; d++) {
        __m512 k[n];
        for (int t = 0; t < n; t++) {
            k[t] = _mm512_loadu_ps(keys + t * tile_floats + static_cast<size_t>(d) * tile);
        }
#pragma GCC unroll 8
        for (int i = 0; i < query_group; i++) {
            const __m512 element = _mm512_set1_ps(q[i][d]);
            for (int t = 0; t < n; t++) {
                acc[i][t] = _mm512_fmadd_ps(k[t], element, acc[i][t]);
            }
        }
    }
    for (int i = 0; i < query_group; i++) {
        for (int t = 0; t < n; t++) {
            _mm512_storeu_ps(scores + i * stride + t * tile, _mm512_mul_ps(acc[i][t], _mm512_set1_ps(scale)));
        }
    }
}

// Turns a row of scores into weights that are not yet divided by their sum, which is returned. Entries at `from` … `to` - 1
// and beyond n_keys are hidden.
ICF_TARGET float exponentiate(float * scores, int n_keys, size_t padded, int from, int to) {
    std::fill(scores + from, scores + to, -INFINITY);
    std::fill(scores + n_keys, scores + padded, -INFINITY);
    __m512 largest = _mm512_set1_ps(-INFINITY);
    for (size_t j = 0; j < padded; j += 16) {
        largest = _mm512_max_ps(largest, _mm512_loadu_ps(scores + j));
    }
    const __m512 shift = _mm512_set1_ps(_mm512_reduce_max_ps(largest));
    __m512 sum = _mm512_setzero_ps();
    for (size_t j = 0; j < padded; j += 16) {
        const __m512 s = _mm512_loadu_ps(scores + j);
        const __mmask16 seen = _mm512_cmp_ps_mask(s, _mm512_set1_ps(-INFINITY), _CMP_GT_OQ);
        const __m512 e = _mm512_maskz_mov_ps(seen, exp_ps(_mm512_sub_ps(s, shift)));
        _mm512_storeu_ps(scores + j, e);
        sum = _mm512_add_ps(sum, e);
    }
    return _mm512_reduce_add_ps(sum);
}

// out[i][elements] = Σ_j weights[i][j] · v_j / sum_i for eight queries, in n vectors of 16 elements whose last one is masked
template <int n> ICF_TARGET void mix_values(const float * values, int n_embd_head, int n_keys, const float * weights,
                                            size_t stride, const float * sums, int n_queries, float * out, size_t out_stride,
                                            __mmask16 mask) {
    __m512 acc[query_group][n];
    for (int i = 0; i < query_group; i++) {
        for (int t = 0; t < n; t++) {
            acc[i][t] = _mm512_setzero_ps();
        }
    }
    for (int j = 0; j < n_keys; j++) {
        const float * row = values + static_cast<size_t>(j) * n_embd_head;
        __m512 v[n];
        for (int t = 0; t < n; t++) {
            v[t] = t < n - 1 ? _mm512_loadu_ps(row + 16 * t) : _mm512_maskz_loadu_ps(mask, row + 16 * t);
        }
#pragma GCC unroll 8
        for (int i = 0; i < query_group; i++) {
            const __m512 weight = _mm512_set1_ps(weights[i * stride + j]);
            for (int t = 0; t < n; t++) {
                acc[i][t] = _mm512_fmadd_ps(v[t], weight, acc[i][t]);
            }
        }
    }
    for (int i = 0; i < n_queries; i++) {
        const __m512 sum = _mm512_set1_ps(sums[i]);
        for (int t = 0; t < n; t++) {
            const __mmask16 lanes = t < n - 1 ? static_cast<__mmask16>(0xFFFF) : mask;
            _mm512_mask_storeu_ps(out + i * out_stride + 16 * t, lanes, _mm512_div_ps(acc[i][t], sum));
        }
    }
}

ICF_TARGET void attend(const AttendTask & t, int first, int last, float * scratch) {
    const int n_keys = t.n_digest + t.n;
    const int hd = t.memory->n_embd_head;
    const size_t padded = padded_positions(n_keys);
    const float scale = 1.0f / std::sqrt(static_cast<float>(hd));
    for (int base = first; base < last; base += query_group) {
        const int n_queries = std::min(query_group + 0, last - base);
        const float * q[query_group];
        for (int i = 0; i < query_group; i++) {
            q[i] = t.q + (base + std::min(i, n_queries - 1)) * t.stride;
        }
        int j = 0;
        for (; j + tile < n_keys; j += 2 * tile) {
            score_tiles<2>(key_tile(*t.memory, t.head_kv, j), q, hd, scale, scratch + j, padded);
        }
        if (j < n_keys) {
            score_tiles<1>(key_tile(*t.memory, t.head_kv, j), q, hd, scale, scratch + j, padded);
        }
        float sums[query_group];
        for (int i = 0; i < n_queries; i++) {
            sums[i] = exponentiate(scratch + i * padded, n_keys, padded, base + i + 1, t.n_digest);
        }
        const float * values = value_row(*t.memory, t.head_kv, 0);
        float * out = t.out + base * t.stride;
        int d = 0;
        for (; d + 16 < hd; d += 32) {
            mix_values<2>(values + d, hd, n_keys, scratch, padded, sums, n_queries, out + d, t.stride,
                          first_lanes(hd - d - 16));
        }
        if (d < hd) {
            mix_values<1>(values + d, hd, n_keys, scratch, padded, sums, n_queries, out + d, t.stride, first_lanes(hd - d));
        }
    }
}

// ---- Attention of one row over a KV cache ----

// The sums of each two neighbours of the 128-bit lanes of a and b.
ICF_TARGET __m512 add_lanes(__m512 a, __m512 b) {
    return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xDD));
}

// The sums of 16 vectors.
ICF_TARGET __m512 sums_of(const __m512 * v) {
    __m512 quarters[4]; // [i]: of the vectors 4 i … 4 i + 3, in each 128 bits
    for (int i = 0; i < 4; i++) {
        const __m512 a = _mm512_add_ps(_mm512_unpacklo_ps(v[4 * i], v[4 * i + 1]), _mm512_unpackhi_ps(v[4 * i], v[4 * i + 1]));
        const __m512 b =
            _mm512_add_ps(_mm512_unpacklo_ps(v[4 * i + 2], v[4 * i + 3]), _mm512_unpackhi_ps(v[4 * i + 2], v[4 * i + 3]));
        const __m512d ad = _mm512_castps_pd(a);
        const __m512d bd = _mm512_castps_pd(b);
        quarters[i] = _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(ad, bd)), _mm512_castpd_ps(_mm512_unpackhi_pd(ad, bd)));
    }
    return add_lanes(add_lanes(quarters[0], quarters[1]), add_lanes(quarters[2], quarters[3]));
}

// q · k of up to 16 positions
template <bool is_f16>
ICF_TARGET __m512 score_positions(const char * keys, size_t stride, int n_positions, const float * q, int n_embd_head) {
    const char * rows[16];
    __m512 acc[16];
    for (int i = 0; i < 16; i++) {
        rows[i] = keys + static_cast<size_t>(std::min(i, n_positions - 1)) * stride;
        acc[i] = _mm512_setzero_ps();
    }
    for (int d = 0; d < n_embd_head; d += 16) {
        const __mmask16 mask = first_lanes(n_embd_head - d);
        const __m512 elements = _mm512_maskz_loadu_ps(mask, q + d);
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++) {
            acc[i] = _mm512_fmadd_ps(load_elements(rows[i], is_f16, d, mask), elements, acc[i]);
        }
    }
    return sums_of(acc);
}

// out += Σ_j weights[j] · v_j, in n vectors of 16 elements whose last one is masked
template <bool is_f16, int n> ICF_TARGET void add_values(const char * values, size_t stride, int n_positions,
                                                         const float * weights, float * out, __mmask16 mask) {
    const auto lanes = [mask](int t) { return t < n - 1 ? static_cast<__mmask16>(0xFFFF) : mask; };
    __m512 acc[n];
    for (int t = 0; t < n; t++) {
        acc[t] = _mm512_maskz_loadu_ps(lanes(t), out + 16 * t);
    }
    for (int j = 0; j < n_positions; j++) {
        const __m512 weight = _mm512_set1_ps(weights[j]);
#pragma GCC unroll 8
        for (int t = 0; t < n; t++) {
            acc[t] = _mm512_fmadd_ps(load_elements(values + j * stride, is_f16, 16 * t, lanes(t)), weight, acc[t]);
        }
    }
    for (int t = 0; t < n; t++) {
        _mm512_mask_storeu_ps(out + 16 * t, lanes(t), acc[t]);
    }
}

template <bool is_f16>
void add_head(const char * values, size_t stride, int n_positions, const float * weights, float * out, int n_embd_head) {
    using AddValues = void (*)(const char *, size_t, int, const float *, float *, __mmask16);
    static const AddValues of_vectors[] = {add_values<is_f16, 1>, add_values<is_f16, 2>, add_values<is_f16, 3>,
                                           add_values<is_f16, 4>, add_values<is_f16, 5>, add_values<is_f16, 6>,
                                           add_values<is_f16, 7>, add_values<is_f16, 8>};
    const size_t element = is_f16 ? sizeof(uint16_t) : sizeof(float);
    for (int d = 0; d < n_embd_head; d += 128) {
        const int vectors = std::min(8, (n_embd_head - d + 15) / 16);
        of_vectors[vectors - 1](values + d * element, stride, n_positions, weights, out + d,
                                first_lanes(n_embd_head - d - 16 * (vectors - 1)));
    }
}

// Positions whose keys, or values, of all heads are read before going on: cells of a cache lie position by position.
const int position_block = 64;

template <bool is_f16> ICF_TARGET void attend_heads(const CacheAttendTask & t, int first, int last, float * scores) {
    const size_t padded = padded_positions(t.n_positions);
    const int group = t.n_head / t.n_head_kv;
    const size_t width = static_cast<size_t>(t.n_embd_head);
    const __m512 scale = _mm512_set1_ps(1.0f / std::sqrt(static_cast<float>(t.n_embd_head)));
    for (int j = 0; j < t.n_positions; j += 16) {
        for (int head = first; head < last; head++) {
            const char * keys = t.keys + head / group * t.head_stride + j * t.stride;
            const __m512 dots =
                score_positions<is_f16>(keys, t.stride, std::min(16, t.n_positions - j), t.q + head * width, t.n_embd_head);
            _mm512_storeu_ps(scores + (head - first) * padded + j, _mm512_mul_ps(dots, scale));
        }
    }
    for (int head = first; head < last; head++) {
        float * row = scores + (head - first) * padded;
        const float sum = exponentiate(row, t.n_positions, padded, 0, 0);
        for (size_t j = 0; j < padded; j += 16) {
            _mm512_storeu_ps(row + j, _mm512_div_ps(_mm512_loadu_ps(row + j), _mm512_set1_ps(sum)));
        }
    }
    std::fill(t.out + first * width, t.out + last * width, 0.0f);
    for (int j = 0; j < t.n_positions; j += position_block) {
        for (int head = first; head < last; head++) {
            add_head<is_f16>(t.values + head / group * t.head_stride + j * t.stride, t.stride,
                             std::min(position_block, t.n_positions - j), scores + (head - first) * padded + j,
                             t.out + head * width, t.n_embd_head);
        }
    }
}

void attend_cache(const CacheAttendTask & task, int first, int last, float * scratch) {
    if (task.is_f16) {
        attend_heads<true>(task, first, last, scratch);
    } else {
        attend_heads<false>(task, first, last, scratch);
    }
}

} // namespace

const Kernels avx512_vnni_kernels = {
    "avx512_vnni", true,         supported,   row_group,      rows_bytes,   pack_rows,
    tile,          matrix_bytes, pack_matrix, multiply,       add_low_rank, tile,
    place_key,     place_value,  query_group, attend_scratch, attend,       cache_attend_scratch,
    attend_cache,
};

} // namespace icf

#endif
