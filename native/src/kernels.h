// Products and attention over the rows of a digest, for CPUs with AVX-512 VNNI. Elsewhere ggml's own operations serve.
#pragma once

#include "ggml.h"
#include "memory.h"

#include <cstddef>
#include <cstdint>

namespace icf {

// Whether this CPU has what everything here is written for.
bool kernels_supported();

// ---- Products of 8-bit weights and 8-bit rows ---------------------------------------------------------------------------

// Both sides are quantised in blocks of 32 along the input dimension, as ggml's Q8_0 is.
const int block_length = 32;

// Rows of floats as 8-bit integers, laid out for PackedMatrix: groups of `group` rows, and within a group block by block.
struct PackedRows {
    static const int max_group = 16;

    int n_in;
    int n_rows;

    int n_blocks() const { return n_in / block_length; }
    int group() const { return n_rows == 1 ? 1 : n_rows <= 4 ? 4 : n_rows <= 8 ? 8 : max_group; }
    int n_groups() const { return (n_rows + group() - 1) / group(); }
    size_t group_bytes() const {
        return static_cast<size_t>(n_blocks()) * group() * (block_length + sizeof(float) + sizeof(int32_t));
    }
    size_t bytes() const { return n_groups() * group_bytes(); }
};

// Quantises rows [n_rows, n_in] of groups first … last - 1 into `packed` (PackedRows::bytes).
void pack_rows(const PackedRows & layout, const float * rows, char * packed, int first_group, int last_group);

// The weights of a Q8_0 matrix [n_in, n_out] in tiles of 16 outputs, of the same size and the same values.
class PackedMatrix {
public:
    static const int tile = 16;

    static bool can_pack(const ggml_tensor * weight);

    // Memory for that matrix, which pack() fills with its tiles first … last - 1.
    explicit PackedMatrix(const ggml_tensor * weight);
    void pack(const ggml_tensor * weight, int first_tile, int last_tile);

    int n_in() const { return n_in_; }
    int n_out() const { return n_out_; }
    int n_tiles() const { return (n_out_ + tile - 1) / tile; }
    size_t bytes() const { return n_tiles() * tile_bytes(); }

    // y [n_rows, n_out] = rows · Wᵀ, the outputs of tiles first … last - 1.
    void multiply(const PackedRows & layout, const char * packed, float * y, int first_tile, int last_tile) const;

private:
    size_t tile_bytes() const { return static_cast<size_t>(n_in_ / block_length) * tile * (block_length + sizeof(uint16_t)); }

    int n_in_;
    int n_out_;
    AlignedPtr<char> tiles_;
};

// ---- Attention of digests over a chunk ----------------------------------------------------------------------------------

// Keys and values of one layer as F32, laid out for attend(): keys in tiles of 16, transposed; values row by row. The first
// n_digest positions belong to the digests.
struct AttentionMemory {
    static const int tile = 16;

    int n_embd_head;
    int n_head_kv;
    int capacity; // positions, a multiple of `tile`
    AlignedPtr<float> keys;   // [n_head_kv][capacity / tile][n_embd_head][tile]
    AlignedPtr<float> values; // [n_head_kv][capacity][n_embd_head]

    AttentionMemory(int n_embd_head, int n_head_kv, int capacity);

    float * key_tile(int head, int position) const {
        return keys.get() + (static_cast<size_t>(head) * capacity + position / tile * tile) * n_embd_head;
    }
    float * value_row(int head, int position) const {
        return values.get() + (static_cast<size_t>(head) * capacity + position) * n_embd_head;
    }
};

// Places the key of one position, row [n_head_kv * n_embd_head] of F16 or F32 before RoPE, rotated by the angles whose
// cosines and sines [n_embd_head / 2] are given; and its value.
void place_key(const AttentionMemory & memory, int position, const void * row, bool is_f16, const float * cosines,
               const float * sines);
void place_value(const AttentionMemory & memory, int position, const void * row, bool is_f16);

// One head's queries of the digests first … last - 1 over n_digest + n positions: digest i sees the digests 0 … i and all
// n others. q and out [n_digest, stride] point at the head's elements of row 0; `scratch` holds attend_scratch floats.
struct AttendTask {
    const AttentionMemory * memory;
    int head_kv;
    int n_digest;
    int n;
    const float * q;
    float * out;
    size_t stride;
};
size_t attend_scratch(int n_keys);
void attend(const AttendTask & task, int first, int last, float * scratch);
const int attend_group = 8; // queries handled together: first is a multiple of it

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

// Floats of scratch memory for `n_heads` query heads.
size_t cache_attend_scratch(int n_positions, int n_heads);

// The query heads first … last - 1; `scratch` holds cache_attend_scratch floats.
void attend_cache(const CacheAttendTask & task, int first, int last, float * scratch);

} // namespace icf
