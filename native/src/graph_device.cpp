#include "graph_device.h"

#include "error.h"
#include "graph_digest.h"
#include "graph_ops.h"

#include <algorithm>
#include <numeric>

namespace icf {

static size_t count_cross(const FormerParams & p) {
    size_t count = 0;
    for (int i = 0; i < p.n_layer; i++) {
        count += p.is_cross(i);
    }
    return count;
}

static BufferPtr place_all(const TensorContext & context, const Backend & backend, const char * purpose) {
    BufferPtr buffer = backend.allocate(ggml_backend_alloc_ctx_tensors_from_buft_size(context.get(), backend.buffer_type()), purpose);
    ggml_tallocr allocator = ggml_tallocr_new(buffer.get());
    for (ggml_tensor * t = ggml_get_first_tensor(context.get()); t; t = ggml_get_next_tensor(context.get(), t)) {
        if (ggml_tallocr_alloc(&allocator, t) != GGML_STATUS_SUCCESS) {
            fail(ICF_ERROR_INTERNAL, "%s cannot be placed", purpose);
        }
    }
    return buffer;
}

// ---- Opening ----

DeviceFormer::DeviceFormer(const FormerParams & params, const FormerWeights & weights, const Backend & backend, bool is_f16)
    : p_(params), w_(weights), backend_(backend), type_(is_f16 ? GGML_TYPE_F16 : GGML_TYPE_F32), memories_(weights.layers.size()),
      constants_(2 * count_cross(params) + 1), table_(2 * count_cross(params)),
      fill_runner_(backend, digest_graph_nodes(params)), runner_(backend, 2 * digest_graph_nodes(params)) {
    first_queries_ = ggml_new_tensor_2d(constants_.get(), GGML_TYPE_F32, p_.n_embd, p_.n_digest);
    for (int i = 0; i < p_.n_layer; i++) {
        if (p_.is_cross(i)) {
            memories_[i].digest_k = ggml_new_tensor_2d(constants_.get(), type_, p_.n_embd_kv(), p_.n_digest);
            memories_[i].digest_v = ggml_new_tensor_2d(constants_.get(), type_, p_.n_embd_kv(), p_.n_digest);
        }
    }
    constants_buffer_ = place_all(constants_, backend, "the constants of the digests");
    compute_constants();
    scratch_limit_ = device_memory(backend.device()).free / 2;
}

// Keys and values of the digest embeddings in every layer, and the first layer's queries, with the digests at 0 … k - 1.
void DeviceFormer::compute_constants() {
    ggml_context * ctx = runner_.begin();
    ggml_tensor * positions = input(ctx, "positions", GGML_TYPE_I32, p_.n_digest);
    const auto rotated = [&](ggml_tensor * x) { return rope(ctx, split_heads(ctx, x, p_.n_embd_head), positions, nullptr, p_.rope); };
    const auto keep = [&](ggml_tensor * x, ggml_tensor * where) {
        ggml_build_forward_expand(runner_.graph(), ggml_cpy(ctx, ggml_reshape_2d(ctx, x, where->ne[0], where->ne[1]), where));
    };
    ggml_tensor * unit = ggml_rms_norm(ctx, w_.digest_embd, p_.norm_eps);
    for (int i = 0; i < p_.n_layer; i++) {
        if (p_.is_cross(i)) {
            const FormerLayer & l = w_.layers[i];
            ggml_tensor * normed = ggml_mul(ctx, unit, l.context_norm);
            keep(rotated(linear(ctx, l.wk, l.bk, normed)), memories_[i].digest_k);
            keep(linear(ctx, l.wv, l.bv, normed), memories_[i].digest_v);
        }
    }
    const FormerLayer & first = w_.layers[0];
    keep(rotated(linear(ctx, first.wq, first.bq, ggml_mul(ctx, unit, first.attn_norm))), first_queries_);
    runner_.allocate();
    fill_positions(positions, 0);
    runner_.compute();
}

// ---- The table ----

size_t DeviceFormer::table_bytes_for(int n_vocab) const {
    return count_cross(p_) * 2 * ggml_row_size(type_, p_.n_embd_kv()) * static_cast<size_t>(n_vocab);
}

void DeviceFormer::open_table(int n_vocab) {
    for (int i = 0; i < p_.n_layer; i++) {
        if (p_.is_cross(i)) {
            memories_[i].table_k = ggml_new_tensor_2d(table_.get(), type_, p_.n_embd_kv(), n_vocab);
            memories_[i].table_v = ggml_new_tensor_2d(table_.get(), type_, p_.n_embd_kv(), n_vocab);
        }
    }
    table_buffer_ = place_all(table_, backend_, "the table of keys and values");
    filled_.assign(static_cast<size_t>(n_vocab), false);
    scratch_limit_ = device_memory(backend_.device()).free / 2;
}

void DeviceFormer::build_fill(int n) {
    if (n == fill_built_for_) {
        return;
    }
    fill_built_for_ = -1;
    ggml_context * ctx = fill_runner_.begin();
    fill_embeddings_ = input(ctx, "embeddings", GGML_TYPE_F32, p_.n_embd, n);
    fill_rows_ = input(ctx, "rows", GGML_TYPE_I64, n);
    ggml_tensor * unit = ggml_rms_norm(ctx, fill_embeddings_, p_.norm_eps); // the same for every layer
    for (int i = 0; i < p_.n_layer; i++) {
        if (p_.is_cross(i)) {
            const FormerLayer & l = w_.layers[i];
            ggml_tensor * normed = ggml_mul(ctx, unit, l.context_norm);
            ggml_tensor * k = linear(ctx, l.wk, l.bk, normed);
            ggml_tensor * v = linear(ctx, l.wv, l.bv, normed);
            ggml_build_forward_expand(fill_runner_.graph(), ggml_set_rows(ctx, memories_[i].table_k, k, fill_rows_));
            ggml_build_forward_expand(fill_runner_.graph(), ggml_set_rows(ctx, memories_[i].table_v, v, fill_rows_));
        }
    }
    fill_runner_.allocate();
    fill_built_for_ = n;
}

void DeviceFormer::fill(const int32_t * tokens, const float * embeddings, int n) {
    build_fill(n);
    const std::vector<int64_t> rows(tokens, tokens + n);
    fill_runner_.set(fill_embeddings_, embeddings);
    fill_runner_.set(fill_rows_, rows.data());
    fill_runner_.compute();
    for (int i = 0; i < n; i++) {
        n_filled_ += !filled_[static_cast<size_t>(tokens[i])];
        filled_[static_cast<size_t>(tokens[i])] = true;
    }
}

// ---- Chunks ----

// Chunks that fill a large device; beyond that a call only takes longer.
static const int most_chunks = 64;

int DeviceFormer::max_chunks(int n) const {
    const size_t rows = static_cast<size_t>(n + p_.n_digest) * p_.n_embd * 6 + static_cast<size_t>(p_.n_digest) * p_.n_ff * 4;
    return static_cast<int>(std::clamp<size_t>(scratch_limit_ / (rows * sizeof(float)), 1, most_chunks));
}

// Keys or values of the contexts [n_embd_kv, n * n_chunks] with those of the digests [n_embd_kv, n_digest] behind each of them
// → [n_embd_kv, n + n_digest, n_chunks]
ggml_tensor * DeviceFormer::with_digests(ggml_context * ctx, ggml_tensor * of_context, ggml_tensor * of_digests) const {
    ggml_tensor * repeated = ggml_repeat_4d(ctx, of_digests, p_.n_embd_kv(), p_.n_digest, built_chunks_, 1);
    if (!of_context) {
        return repeated;
    }
    ggml_tensor * chunks = ggml_reshape_3d(ctx, of_context, p_.n_embd_kv(), built_n_, built_chunks_);
    return ggml_concat(ctx, type_ == GGML_TYPE_F32 ? chunks : ggml_cast(ctx, chunks, type_), repeated, 1);
}

// q [n_embd, n_digest * n_chunks], k and v [n_embd_kv, n_keys, n_chunks] → [n_embd, n_digest * n_chunks]
ggml_tensor * DeviceFormer::attend(ggml_context * ctx, ggml_tensor * q, ggml_tensor * k, ggml_tensor * v, ggml_tensor * mask) const {
    const auto heads = [&](ggml_tensor * x, int n_head, int64_t n) {
        return heads_last(ctx, ggml_reshape_4d(ctx, x, p_.n_embd_head, n_head, n, built_chunks_));
    };
    return attention(ctx, backend_, heads(q, p_.n_head, p_.n_digest), heads(k, p_.n_head_kv, k->ne[1]),
                     heads(v, p_.n_head_kv, v->ne[1]), mask);
}

ggml_tensor * DeviceFormer::cross_attention(ggml_context * ctx, int i, ggml_tensor * x) {
    const FormerLayer & l = w_.layers[i];
    const Memory & m = memories_[i];
    ggml_tensor * k = nullptr;
    ggml_tensor * v = nullptr;
    if (tokens_) {
        k = ggml_get_rows(ctx, m.table_k, tokens_);
        v = ggml_get_rows(ctx, m.table_v, tokens_);
    } else if (context_) {
        ggml_tensor * normed = ggml_mul(ctx, unit_, l.context_norm);
        k = linear(ctx, l.wk, l.bk, normed);
        v = linear(ctx, l.wv, l.bv, normed);
    }
    if (k) {
        k = rope(ctx, split_heads(ctx, k, p_.n_embd_head), key_positions_, nullptr, p_.rope);
    }
    ggml_tensor * q = nullptr;
    if (i == 0) {
        q = ggml_repeat_4d(ctx, first_queries_, p_.n_embd, p_.n_digest, built_chunks_, 1);
    } else {
        q = linear(ctx, l.wq, l.bq, rms_norm(ctx, x, l.attn_norm, p_.norm_eps));
        q = rope(ctx, split_heads(ctx, q, p_.n_embd_head), query_positions_, nullptr, p_.rope);
    }
    return attend(ctx, q, with_digests(ctx, k, m.digest_k), with_digests(ctx, v, m.digest_v), mask_);
}

// Causal over the digests' own rows, as in the plain graph.
ggml_tensor * DeviceFormer::self_attention(ggml_context * ctx, int i, ggml_tensor * x) {
    const FormerLayer & l = w_.layers[i];
    ggml_tensor * normed = rms_norm(ctx, x, l.attn_norm, p_.norm_eps);
    const auto rotated = [&](ggml_tensor * weight, ggml_tensor * bias) {
        return rope(ctx, split_heads(ctx, linear(ctx, weight, bias, normed), p_.n_embd_head), query_positions_, nullptr, p_.rope);
    };
    const auto chunks = [&](ggml_tensor * y) { return ggml_reshape_3d(ctx, y, p_.n_embd_kv(), p_.n_digest, built_chunks_); };
    return attend(ctx, rotated(l.wq, l.bq), chunks(rotated(l.wk, l.bk)), chunks(linear(ctx, l.wv, l.bv, normed)), self_mask_);
}

// x [n_embd, n_digest * n_chunks]; NULL for the first layer, where it is the digest embeddings, the same for each chunk
ggml_tensor * DeviceFormer::build_layer(ggml_context * ctx, int i, ggml_tensor * x) {
    const FormerLayer & l = w_.layers[i];
    ggml_tensor * attended = linear(ctx, l.wo, l.bo, p_.is_cross(i) ? cross_attention(ctx, i, x) : self_attention(ctx, i, x));
    if (x) {
        x = ggml_add(ctx, attended, x);
    } else {
        ggml_tensor * chunks = ggml_reshape_3d(ctx, attended, p_.n_embd, p_.n_digest, built_chunks_);
        x = ggml_reshape_2d(ctx, ggml_add(ctx, chunks, w_.digest_embd), p_.n_embd, p_.n_digest * built_chunks_);
    }
    return ggml_add(ctx, x, swiglu(ctx, l.gate, l.up, l.down, rms_norm(ctx, x, l.ffn_norm, p_.norm_eps)));
}

// The same positions for each chunk.
static void fill_repeated(const GraphRunner & runner, ggml_tensor * positions, int first, int n, std::vector<int32_t> & values) {
    if (!positions || !positions->buffer) {
        return;
    }
    values.resize(static_cast<size_t>(positions->ne[0]));
    for (size_t i = 0; i < values.size(); i++) {
        values[i] = first + static_cast<int>(i % static_cast<size_t>(n));
    }
    runner.set(positions, values.data());
}

void DeviceFormer::build(int n, int n_chunks, bool from_table) {
    if (n == built_n_ && n_chunks == built_chunks_ && from_table == built_from_table_) {
        return;
    }
    built_n_ = n;
    built_chunks_ = n_chunks;
    ggml_context * ctx = runner_.begin();
    tokens_ = from_table && n > 0 ? input(ctx, "tokens", GGML_TYPE_I32, n * n_chunks) : nullptr;
    context_ = !from_table && n > 0 ? input(ctx, "context", GGML_TYPE_F32, p_.n_embd, n * n_chunks) : nullptr;
    unit_ = context_ ? ggml_rms_norm(ctx, context_, p_.norm_eps) : nullptr;
    key_positions_ = n > 0 ? input(ctx, "key_positions", GGML_TYPE_I32, n * n_chunks) : nullptr;
    query_positions_ = input(ctx, "query_positions", GGML_TYPE_I32, p_.n_digest * n_chunks);
    mask_ = input(ctx, "mask", GGML_TYPE_F16, n + p_.n_digest, p_.n_digest);
    self_mask_ = p_.cross_interval > 1 && p_.n_layer > 1 ? input(ctx, "self_mask", GGML_TYPE_F16, p_.n_digest, p_.n_digest) : nullptr;
    ggml_tensor * x = nullptr;
    for (int i = 0; i < p_.n_layer; i++) {
        x = build_layer(ctx, i, x);
    }
    digest_ = rms_norm(ctx, x, w_.output_norm, p_.norm_eps);
    ggml_set_output(digest_);
    ggml_build_forward_expand(runner_.graph(), digest_);
    built_n_ = -1; // if there is no room for it
    runner_.allocate();
    built_n_ = n;
    built_from_table_ = from_table;
}

void DeviceFormer::run(int n, int n_chunks, float * rows) {
    std::vector<int32_t> keys;
    std::vector<int32_t> queries;
    fill_repeated(runner_, key_positions_, -n, n, keys);
    fill_repeated(runner_, query_positions_, 0, p_.n_digest, queries);
    fill_digest_mask(mask_, n);
    fill_digest_mask(self_mask_, 0);
    runner_.compute();
    ggml_backend_tensor_get(digest_, rows, 0, sizeof(float) * p_.n_embd * p_.n_digest * static_cast<size_t>(n_chunks));
}

void DeviceFormer::run_tokens(const int32_t * tokens, int n, int n_chunks, float * rows) {
    build(n, n_chunks, true);
    if (tokens_) {
        runner_.set(tokens_, tokens);
    }
    run(n, n_chunks, rows);
}

void DeviceFormer::run_rows(const float * embeddings, int n, int n_chunks, float * rows) {
    build(n, n_chunks, false);
    if (context_) {
        runner_.set(context_, embeddings);
    }
    run(n, n_chunks, rows);
}

long long DeviceFormer::bytes() const {
    return static_cast<long long>(ggml_backend_buffer_get_size(constants_buffer_.get())) + fill_runner_.bytes() + runner_.bytes();
}

} // namespace icf
