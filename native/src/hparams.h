// What decoders and IC-Formers read from GGUF metadata, checked.
#pragma once

#include "gguf_file.h"

#include <string>

namespace icf {

// Far beyond any model there is, and small enough that sizes computed from them fit into an int.
const long long max_width = 1 << 20;
const long long max_layers = 1024;
const long long max_vocab = 1 << 24;
const long long max_context = 1 << 30;
const long long max_digests = 1 << 14; // attention among them takes their square

// Rotary position embedding (RoPE), in the terms of ggml_rope_ext.
struct RopeParams {
    int n_dims = 0;      // leading elements of a head that are rotated
    bool halves = false; // rotates (i, i + n/2) pairs (NEOX); else (2i, 2i + 1)
    float base = 10000.0f;
    float scale = 1.0f;      // of positions: 1 / factor
    float ext_factor = 0.0f; // YaRN: 1, else 0
    float attn_factor = 1.0f;
    float beta_fast = 32.0f;
    float beta_slow = 1.0f;
    int n_ctx_orig = 0; // YaRN: positions before scaling
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
    int n_window = 0; // sliding window of attention in positions; 0: none
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
    bool has_self_layers() const { return cross_interval > 1 && n_layer > 1; }
    int n_cross() const { return (n_layer + cross_interval - 1) / cross_interval; } // layers of cross-attention
    int n_embd_kv() const { return n_embd_head * n_head_kv; }
};

// Reads the keys of one architecture: "<prefix>.<key>". What is missing or out of its range is ICF_ERROR_FORMAT.
class ParamReader {
public:
    ParamReader(const GgufFile & file, const std::string & prefix) : file_(file), prefix_(prefix + ".") {}

    std::string key(const char * name) const { return prefix_ + name; }
    const char * path() const { return file_.path().c_str(); }
    const GgufFile & file() const { return file_; }

    // A size that must be there, 1 to `largest`.
    int size(const char * name, long long largest) const;
    int size_or(const char * name, long long otherwise, long long largest) const;

    // 0 or more; above 0.
    float number_or(const char * name, double otherwise) const;
    float positive_or(const char * name, double otherwise) const;

    std::string string_or(const char * name, const char * otherwise) const;

private:
    int check(const char * name, long long value, long long largest) const;

    const GgufFile & file_;
    std::string prefix_;
};

void check_heads(const ParamReader & reader, int n_head, int n_head_kv);

// Scaling of positions as llama.cpp reads it: a factor without a type is linear, files of 2023 name it scale_linear, and a
// decoder's factor of attention belongs to every type. `rope.n_ctx_orig` is the trained context, which YaRN takes where no
// other is named.
void read_rope_scaling(const ParamReader & reader, bool yarn_is_known, RopeParams & rope);

} // namespace icf
