// Products and attention that pay beside ggml's own operations: one table of functions per instruction set, each in a file of
// its own that alone knows how its data lie in memory.
#pragma once

#include "memory.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace icf {

// ---- Products of 8-bit weights and 8-bit rows ---------------------------------------------------------------------------

// Both sides are quantised in blocks of 32 along the input dimension, as ggml's Q8_0 is.
const int block_length = 32;

// A block whose largest element is no larger has a scale that F16 rounds to 0, and is one of zeros, as ggml's Q8_0 has it. The
// inverse of that scale would overflow for the least of them.
const float least_scaled = 1e-30f;

struct MatrixShape {
    int n_in; // a multiple of block_length
    int n_out;

    int n_blocks() const { return n_in / block_length; }
};

struct RowsShape {
    int n_in;
    int n_rows;

    int n_blocks() const { return n_in / block_length; }
};

// ---- Low-rank changes of products ---------------------------------------------------------------------------------------

// What an adapter adds to y = W x: scale · B (A x). A is [rank, n_in], B turned [rank, n_out], row by row, F16 or F32 alike.
struct LowRankTask {
    int n_in;
    int n_out;
    int rank;
    bool is_f16;
    float scale;
    const void * a;
    const void * b;
    int n_rows;
    const float * x; // [n_rows, n_in]
    float * y;       // [n_rows, n_out], added to
};

// ---- Attention of digests over a chunk ----------------------------------------------------------------------------------

struct Kernels;

// Keys and values of one layer as F32, in the layout of the kernels. The first n_digest positions belong to the digests.
struct AttentionMemory {
    int n_embd_head;
    int n_head_kv;
    int capacity;           // positions, a multiple of position_tile
    AlignedPtr<float> keys; // n_head_kv * capacity * n_embd_head, and as many values
    AlignedPtr<float> values;

    AttentionMemory(const Kernels & kernels, int n_embd_head, int n_head_kv, int n_positions);
};

// One head's queries of the digests first … last - 1 over n_digest + n positions: digest i sees the digests 0 … i and all
// n others. q and out [n_digest, stride] point at the head's elements of row 0.
struct AttendTask {
    const AttentionMemory * memory;
    int head_kv;
    int n_digest;
    int n;
    const float * q;
    float * out;
    size_t stride;
};

// ---- Attention of one row over a KV cache -------------------------------------------------------------------------------

// Keys and values [n_positions] of F16 or F32, `stride` bytes from one position to the next and `head_stride` from one head to
// the next. Query head i reads the key-value head i / (n_head / n_head_kv). q and out [n_head, n_embd_head]
struct CacheAttendTask {
    const char * keys;
    const char * values;
    size_t stride;
    size_t head_stride;
    bool is_f16;
    int n_positions; // at least 1
    int n_embd_head;
    int n_head;
    int n_head_kv;
    const float * q;
    float * out;
};

// ---- The table ----------------------------------------------------------------------------------------------------------

// Work is divided by items first … last - 1, which several threads take at once.
struct Kernels {
    const char * name;
    bool pays;           // false: ggml's own operations are faster; for tests alone
    bool (*supported)(); // whether this CPU has what it is written for

    // Rows of floats [n_rows, n_in] as 8-bit integers, in groups of row_group rows.
    int (*row_group)(int n_rows);
    size_t (*rows_bytes)(const RowsShape & shape);
    void (*pack_rows)(const RowsShape & shape, const float * rows, char * packed, int first_group, int last_group);

    // A Q8_0 matrix whose outputs lie `stride` bytes apart, packed in tiles of output_tile outputs; y [n_rows, n_out] = rows · Wᵀ
    int output_tile;
    size_t (*matrix_bytes)(const MatrixShape & shape);
    void (*pack_matrix)(const MatrixShape & shape, const char * weights, size_t stride, char * packed, int first_tile,
                        int last_tile);
    void (*multiply)(const MatrixShape & shape, const char * matrix, const RowsShape & rows_shape, const char * rows, float * y,
                     int first_tile, int last_tile);

    // Outputs first … last - 1 of every row.
    void (*add_low_rank)(const LowRankTask & task, int first, int last);

    // Places the key of one position, row [n_head_kv * n_embd_head] of F16 or F32 before RoPE, rotated by the angles whose
    // cosines and sines [n_embd_head / 2] are given; and its value.
    int position_tile;
    void (*place_key)(const AttentionMemory & memory, int position, const void * row, bool is_f16, const float * cosines,
                      const float * sines);
    void (*place_value)(const AttentionMemory & memory, int position, const void * row, bool is_f16);

    // `scratch` holds attend_scratch floats; queries are handled in groups: first is a multiple of query_group.
    int query_group;
    size_t (*attend_scratch)(int n_keys);
    void (*attend)(const AttendTask & task, int first, int last, float * scratch);

    // The query heads first … last - 1; `scratch` holds cache_attend_scratch floats for as many heads.
    size_t (*cache_attend_scratch)(int n_positions, int n_heads);
    void (*attend_cache)(const CacheAttendTask & task, int first, int last, float * scratch);

    int n_groups(int n_rows) const { return (n_rows + row_group(n_rows) - 1) / row_group(n_rows); }
    int n_tiles(int n_out) const { return (n_out + output_tile - 1) / output_tile; }
};

// Every table there is for this processor architecture, the fastest first. The last one is plain C++.
const std::vector<const Kernels *> & all_kernels();

// The first one that this CPU can run and that pays; NULL where ggml's own operations serve.
const Kernels * best_kernels();

// One per file, listed in kernels.cpp.
extern const Kernels plain_kernels;
#if defined(__x86_64__)
extern const Kernels avx512_vnni_kernels;
#endif

} // namespace icf
