// Sizes and constants of a decoder and of an IC-Former, read from GGUF metadata and checked.
#pragma once

#include "gguf_file.h"

namespace icf {

// Rotary position embedding (RoPE), in the terms of ggml_rope_ext.
struct RopeParams {
    int n_dims = 0;         // leading elements of a head that are rotated
    bool halves = false;    // rotates (i, i + n/2) pairs (NEOX); else (2i, 2i + 1)
    float base = 10000.0f;
    float scale = 1.0f;     // of positions: 1 / factor
    float ext_factor = 0.0f; // YaRN: 1, else 0
    float attn_factor = 1.0f;
    float beta_fast = 32.0f;
    float beta_slow = 1.0f;
    int n_ctx_orig = 0;     // YaRN: positions before scaling
};

struct DecoderParams {
    std::string architecture;
    int n_vocab = 0;
    int n_embd = 0;
    int n_layer = 0;
    int n_head = 0;
    int n_head_kv = 0;
    int n_embd_head = 0; // width of a head
    int n_ff = 0;
    int n_ctx_train = 0;
    int n_window = 0;    // sliding window of attention in positions; 0: none
    float norm_eps = 0;
    RopeParams rope;

    int n_embd_q() const { return n_embd_head * n_head; }
    int n_embd_kv() const { return n_embd_head * n_head_kv; }
};

// Layers first … end - 1 of a decoder.
struct LayerRange {
    int first;
    int end;

    int count() const { return end - first; }
};

struct FormerParams {
    int n_embd = 0;
    int n_layer = 0;
    int n_head = 0;
    int n_head_kv = 0;
    int n_embd_head = 0;
    int n_ff = 0;
    int n_digest = 0;
    int chunk_length = 0;
    int cross_interval = 1;
    float norm_eps = 0;
    RopeParams rope;

    std::string target_architecture; // empty: not recorded
    long long target_n_vocab = 0;    // 0: not recorded
    long long target_vocab_hash = 0; // 0: not recorded

    bool is_cross(int layer) const { return layer % cross_interval == 0; }
    int n_embd_kv() const { return n_embd_head * n_head_kv; }
};

// ICF_ERROR_UNSUPPORTED names an architecture or option that is not implemented, ICF_ERROR_FORMAT what is missing or
// contradicts itself.
DecoderParams read_decoder_params(const GgufFile & file);
FormerParams read_former_params(const GgufFile & file);

// FNV-1a, 64 bits.
class Hash {
public:
    void add(const void * bytes, size_t count);
    void add(long long value) { add(&value, sizeof(value)); }
    long long value() const { return static_cast<long long>(state_); }

private:
    uint64_t state_ = 0xcbf29ce484222325u;
};

// Over the texts of tokenizer.ggml.tokens, each followed by a byte 0xFF; 0 for a file without them.
long long hash_vocabulary(const GgufFile & file);

} // namespace icf
