// Keys and values of every position of a session, layer by layer, for layers that one device computes.
#pragma once

#include "backend.h"
#include "hparams.h"

#include <vector>

namespace icf {

class KvCache {
public:
    // Graphs see the cache in steps of this many positions, so that one graph serves many steps of decoding.
    static const int granularity = 256;

    // `type` is one of icf.h: ICF_ERROR_UNSUPPORTED unless a cache can have it.
    KvCache(const Backend & backend, const DecoderParams & params, const LayerRange & layers, int n_ctx, int32_t type);

    ggml_type type() const { return type_; }
    int capacity() const { return capacity_; } // n_ctx, rounded up to the granularity
    long long bytes() const { return static_cast<long long>(ggml_backend_buffer_get_size(buffer_.get())); }

    // Positions a graph looks at when `length` are in use.
    static int visible(int length) { return (length + granularity - 1) / granularity * granularity; }

    // Makes sure that the first `length` positions hold numbers: what is masked is multiplied by zero, and must not be NaN.
    void prepare(int length);

    // Writes k and v [n_embd_kv, n] to the cells `slots` [n]; the result only orders the graph.
    ggml_tensor * store_keys(ggml_context * ctx, int layer, ggml_tensor * k, ggml_tensor * slots) const;
    ggml_tensor * store_values(ggml_context * ctx, int layer, ggml_tensor * v, ggml_tensor * slots) const;

    // The first n_kv positions [n_embd_head, n_kv, n_head_kv].
    ggml_tensor * keys(ggml_context * ctx, int layer, int n_kv) const;
    ggml_tensor * values(ggml_context * ctx, int layer, int n_kv) const;

    // Bytes of `length` positions of the layers, and their transfer in that form.
    size_t state_bytes(int length) const;
    void save(int length, char * target) const;
    void restore(int length, const char * source);

private:
    ggml_tensor * view(ggml_context * ctx, ggml_tensor * cells, int n_kv) const;
    size_t row_bytes() const { return ggml_row_size(type_, n_embd_head_ * n_head_kv_); }

    ggml_type type_;
    int first_layer_;
    int n_embd_head_;
    int n_head_kv_;
    int capacity_;
    int prepared_ = 0;
    TensorContext context_;
    std::vector<ggml_tensor *> k_; // per layer [n_embd_kv, capacity]
    std::vector<ggml_tensor *> v_;
    BufferPtr buffer_;
};

} // namespace icf
