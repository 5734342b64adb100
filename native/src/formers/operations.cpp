#include "formers/operations.h"

#include "graph_ops.h"
#include "work.h"

#include <algorithm>
#include <cmath>

namespace icf {

// ---- Opening ----

OperationsFormer::OperationsFormer(FormerParts parts)
    : parts_(std::move(parts)), p_(parts_.params), w_(parts_.weights), type_(parts_.is_f16 ? GGML_TYPE_F16 : GGML_TYPE_F32),
      memories_(w_.layers.size()), products_(none_), constants_(2 * static_cast<size_t>(p_.n_cross()) + 2),
      table_(2 * static_cast<size_t>(p_.n_cross())), fill_runner_(parts_.backend, former_graph_nodes(p_)),
      runner_(parts_.backend, 2 * former_graph_nodes(p_)), readback_(parts_.backend) {
    first_queries_ = ggml_new_tensor_2d(constants_.get(), GGML_TYPE_F32, p_.n_embd, p_.n_digest);
    for (int i = 0; i < p_.n_layer; i++) {
        if (p_.is_cross(i)) {
            memories_[i].digest_k = ggml_new_tensor_2d(constants_.get(), type_, p_.n_embd_kv(), p_.n_digest);
            memories_[i].digest_v = ggml_new_tensor_2d(constants_.get(), type_, p_.n_embd_kv(), p_.n_digest);
        }
    }
    key_frequencies_ = ggml_new_tensor_1d(constants_.get(), GGML_TYPE_F32, p_.n_embd_kv() / 2);
    constants_buffer_ = parts_.backend.place(constants_, "the constants of the digests");
    fill_key_frequencies();
    compute_constants();
    scratch_limit_ = device_memory(parts_.backend.device()).free / 2;
}

// base^(2i / n) for the pairs i of a head of n elements, for every head again.
void OperationsFormer::fill_key_frequencies() {
    std::vector<float> divisors(static_cast<size_t>(p_.n_embd_kv()) / 2);
    for (size_t i = 0; i < divisors.size(); i++) {
        const double pair = static_cast<double>(i % static_cast<size_t>(p_.n_embd_head / 2));
        divisors[i] = static_cast<float>(std::pow(static_cast<double>(p_.rope.base), 2 * pair / p_.n_embd_head));
    }
    ggml_backend_tensor_set(key_frequencies_, divisors.data(), 0, ggml_nbytes(key_frequencies_));
}

// Keys and values of the digest embeddings in every layer, and the first layer's queries, with the digests at 0 … k - 1.
void OperationsFormer::compute_constants() {
    ggml_context * ctx = runner_.begin();
    FormerLayers layers(runner_, p_, w_, products_, 1);
    ggml_tensor * positions = input(ctx, "positions", GGML_TYPE_I32, p_.n_digest);
    const auto keep = [&](ggml_tensor * x, ggml_tensor * where) {
        ggml_build_forward_expand(runner_.graph(), ggml_cpy(ctx, ggml_reshape_2d(ctx, x, where->ne[0], where->ne[1]), where));
    };
    ggml_tensor * unit = ggml_rms_norm(ctx, w_.digest_embd, p_.norm_eps);
    for (int i = 0; i < p_.n_layer; i++) {
        if (p_.is_cross(i)) {
            const KeysValues of_digests = layers.keys_values(w_.layers[i], unit);
            keep(of_digests.k, memories_[i].digest_k);
            keep(of_digests.v, memories_[i].digest_v);
        }
    }
    keep(layers.queries(w_.layers[0], nullptr, positions), first_queries_);
    runner_.allocate();
    fill_positions(positions, 0, p_.n_digest);
    runner_.compute();
}

// ---- The table ----

size_t OperationsFormer::table_bytes_for(size_t n_vocab) const {
    return static_cast<size_t>(p_.n_cross()) * 2 * ggml_row_size(type_, p_.n_embd_kv()) * n_vocab;
}

Former::Table OperationsFormer::table() const {
    return {static_cast<long long>(table_bytes_for(filled_.size())), static_cast<long long>(n_filled_)};
}

void OperationsFormer::open_table(int n_vocab, long long max_bytes) {
    const size_t n = static_cast<size_t>(n_vocab);
    const size_t free = device_memory(parts_.backend.device()).free;
    if (static_cast<long long>(table_bytes_for(n)) > (max_bytes < 0 ? static_cast<long long>(free / 2) : max_bytes)) {
        return;
    }
    for (int i = 0; i < p_.n_layer; i++) {
        if (p_.is_cross(i)) {
            memories_[i].table_k = ggml_new_tensor_2d(table_.get(), type_, p_.n_embd_kv(), n_vocab + p_.n_digest);
            memories_[i].table_v = ggml_new_tensor_2d(table_.get(), type_, p_.n_embd_kv(), n_vocab + p_.n_digest);
        }
    }
    table_buffer_ = parts_.backend.place(table_, "the table of keys and values");
    put_digests_into_table();
    filled_.assign(n, false);
    scratch_limit_ = device_memory(parts_.backend.device()).free / 2;
}

void OperationsFormer::put_digests_into_table() {
    ggml_context * ctx = runner_.begin();
    for (const Memory & m : memories_) {
        if (m.table_k) {
            ggml_build_forward_expand(runner_.graph(), ggml_cpy(ctx, m.digest_k, last_rows(ctx, m.table_k, p_.n_digest)));
            ggml_build_forward_expand(runner_.graph(), ggml_cpy(ctx, m.digest_v, last_rows(ctx, m.table_v, p_.n_digest)));
        }
    }
    runner_.allocate();
    runner_.compute();
}

OperationsFormer::FillGraph OperationsFormer::build_fill(int n) {
    FillGraph g;
    ggml_context * ctx = fill_runner_.begin();
    FormerLayers layers(fill_runner_, p_, w_, products_, 1);
    g.embeddings = input(ctx, "embeddings", GGML_TYPE_F32, p_.n_embd, n);
    g.rows = input(ctx, "rows", GGML_TYPE_I64, n);
    ggml_tensor * unit = ggml_rms_norm(ctx, g.embeddings, p_.norm_eps); // the same for every layer
    for (int i = 0; i < p_.n_layer; i++) {
        if (p_.is_cross(i)) {
            const KeysValues of_rows = layers.keys_values(w_.layers[i], unit);
            ggml_build_forward_expand(fill_runner_.graph(), ggml_set_rows(ctx, memories_[i].table_k, of_rows.k, g.rows));
            ggml_build_forward_expand(fill_runner_.graph(), ggml_set_rows(ctx, memories_[i].table_v, of_rows.v, g.rows));
        }
    }
    fill_runner_.allocate();
    g.n = n;
    return g;
}

void OperationsFormer::fill(const int32_t * tokens, int n) {
    if (n != fill_.n) {
        fill_ = FillGraph(); // if there is no room for the new one
        fill_ = build_fill(n);
    }
    embeddings_.resize(static_cast<size_t>(n) * p_.n_embd);
    parts_.embed(tokens, n, embeddings_.data());
    const std::vector<int64_t> rows(tokens, tokens + n);
    fill_runner_.set(fill_.embeddings, embeddings_.data());
    fill_runner_.set(fill_.rows, rows.data());
    fill_runner_.compute();
    for (int i = 0; i < n; i++) {
        n_filled_ += !filled_[static_cast<size_t>(tokens[i])];
        filled_[static_cast<size_t>(tokens[i])] = true;
    }
}

// Tokens whose contributions are computed together: enough to fill the device, few enough to bound the memory.
static const size_t most_rows_at_once = 256;

void OperationsFormer::prepare(const int32_t * tokens, size_t n) {
    if (filled_.empty()) {
        return;
    }
    std::vector<int32_t> missing;
    std::copy_if(tokens, tokens + n, std::back_inserter(missing),
                 [&](int32_t token) { return !filled_[static_cast<size_t>(token)]; });
    std::sort(missing.begin(), missing.end());
    missing.erase(std::unique(missing.begin(), missing.end()), missing.end());
    for (size_t at = 0; at < missing.size(); at += most_rows_at_once) {
        fill(missing.data() + at, static_cast<int>(std::min(most_rows_at_once, missing.size() - at)));
    }
}

// ---- Chunks ----

// Chunks that fill a large device; beyond that a call only takes longer.
static const size_t most_chunks = 64;

// What fits into half of the memory that was free after opening.
int OperationsFormer::max_chunks(int n) const {
    return static_cast<int>(std::clamp<size_t>(scratch_limit_ / chunk_bytes(p_, n), 1, most_chunks));
}

OperationsFormer::ChunkGraph OperationsFormer::chunk_inputs(const ChunkShape & shape) const {
    ggml_context * ctx = runner_.context();
    const int n_rows = shape.n * shape.n_chunks;
    const int k = p_.n_digest;
    const int n_keys = n_rows + k * shape.n_chunks;
    ChunkGraph g;
    g.table_rows = shape.from_table ? input(ctx, "table_rows", GGML_TYPE_I32, n_keys) : nullptr;
    g.context = !shape.from_table && n_rows > 0 ? input(ctx, "context", GGML_TYPE_F32, p_.n_embd, n_rows) : nullptr;
    g.key_positions = input(ctx, "key_positions", GGML_TYPE_I32, n_keys);
    g.query_positions = input(ctx, "query_positions", GGML_TYPE_I32, k * shape.n_chunks);
    g.mask = input(ctx, "mask", GGML_TYPE_F16, shape.n + k, k);
    g.self_mask = p_.has_self_layers() ? input(ctx, "self_mask", GGML_TYPE_F16, k, k) : nullptr;
    return g;
}

// The same bytes as a matrix of another type.
static ggml_tensor * reinterpreted(ggml_context * ctx, ggml_tensor * x, ggml_type type) {
    ggml_tensor * y = ggml_view_2d(ctx, x, x->ne[0], x->ne[1], x->nb[1], 0);
    y->type = type;
    y->nb[0] = ggml_type_size(type);
    y->ne[0] = static_cast<int64_t>(x->nb[1] / y->nb[0]);
    return y;
}

// Rows of the table as they lie there. ggml would widen halves to F32, so pairs of halves are looked up as whole numbers where
// the device can.
ggml_tensor * OperationsFormer::look_up(ggml_tensor * table, ggml_tensor * rows) const {
    ggml_context * ctx = runner_.context();
    if (type_ == GGML_TYPE_F32) {
        return ggml_get_rows(ctx, table, rows);
    }
    ggml_tensor * pairs = ggml_get_rows(ctx, reinterpreted(ctx, table, GGML_TYPE_I32), rows);
    if (parts_.backend.can_compute(pairs)) {
        return reinterpreted(ctx, pairs, type_);
    }
    return ggml_cast(ctx, ggml_get_rows(ctx, table, rows), type_);
}

// Keys or values of the contexts [n_embd_kv, n * n_chunks] with those of the digests [n_embd_kv, n_digest] behind each of them
// → [n_embd_kv, (n + n_digest) * n_chunks]
ggml_tensor * OperationsFormer::with_digests(const ChunkShape & shape, ggml_tensor * of_context,
                                             ggml_tensor * of_digests) const {
    ggml_context * ctx = runner_.context();
    ggml_tensor * all = ggml_repeat_4d(ctx, of_digests, p_.n_embd_kv(), p_.n_digest, shape.n_chunks, 1);
    if (of_context) {
        ggml_tensor * chunks = ggml_reshape_3d(ctx, of_context, p_.n_embd_kv(), shape.n, shape.n_chunks);
        all = ggml_concat(ctx, type_ == GGML_TYPE_F32 ? chunks : ggml_cast(ctx, chunks, type_), all, 1);
    }
    return ggml_reshape_2d(ctx, all, p_.n_embd_kv(), all->ne[1] * all->ne[2]);
}

// Keys, rotated, and values of the contexts and the digests in layer i, [n_embd_kv, (n + n_digest) * n_chunks] each.
KeysValues OperationsFormer::keys_values(FormerLayers & layers, const ChunkGraph & g, const ChunkShape & shape, int i,
                                         ggml_tensor * unit) const {
    const Memory & m = memories_[i];
    KeysValues all = {nullptr, nullptr};
    if (g.table_rows) {
        all = {look_up(m.table_k, g.table_rows), look_up(m.table_v, g.table_rows)};
    } else {
        const KeysValues of_context = g.context ? layers.keys_values(w_.layers[i], unit) : all;
        all = {with_digests(shape, of_context.k, m.digest_k), with_digests(shape, of_context.v, m.digest_v)};
    }
    return {rotated_keys(all.k, g.key_positions), all.v};
}

// Keys [n_embd_kv, n] rotated to their positions [n], all heads of a row as if they were one: a GPU has more of its lanes busy
// than with a row of one head.
ggml_tensor * OperationsFormer::rotated_keys(ggml_tensor * keys, ggml_tensor * positions) const {
    ggml_context * ctx = runner_.context();
    RopeParams rows = p_.rope;
    rows.n_dims = p_.n_embd_kv();
    rows.base = 1.0f; // frequencies are those of the divisors alone
    return rope(ctx, ggml_reshape_3d(ctx, keys, keys->ne[0], 1, keys->ne[1]), positions, key_frequencies_, rows);
}

OperationsFormer::ChunkGraph OperationsFormer::build(const ChunkShape & shape) {
    ggml_context * ctx = runner_.begin();
    FormerLayers layers(runner_, p_, w_, products_, shape.n_chunks);
    ChunkGraph g = chunk_inputs(shape);
    ggml_tensor * unit = g.context ? ggml_rms_norm(ctx, g.context, p_.norm_eps) : nullptr; // the same for every layer
    const auto cross = [&](int i, ggml_tensor * x) {
        const KeysValues all = keys_values(layers, g, shape, i, unit);
        ggml_tensor * q = x ? layers.queries(w_.layers[i], x, g.query_positions)
                            : ggml_repeat_4d(ctx, first_queries_, p_.n_embd, p_.n_digest, shape.n_chunks, 1);
        return layers.attend(q, all.k, all.v, g.mask);
    };
    g.digest = layers.build(cross, g.query_positions, g.self_mask);
    ggml_set_output(g.digest);
    ggml_build_forward_expand(runner_.graph(), g.digest);
    runner_.allocate();
    g.shape = shape;
    return g;
}

void OperationsFormer::prepare_graph(const ChunkShape & shape) {
    if (!(shape == graph_.shape)) {
        graph_ = ChunkGraph(); // if there is no room for the new one
        graph_ = build(shape);
    }
}

void OperationsFormer::compute(float * rows) {
    fill_positions(graph_.key_positions, -graph_.shape.n, graph_.shape.n + p_.n_digest);
    fill_positions(graph_.query_positions, 0, p_.n_digest);
    fill_digest_mask(graph_.mask, graph_.shape.n);
    fill_digest_mask(graph_.self_mask, 0);
    runner_.compute();
    readback_.read(graph_.digest, rows, ggml_nbytes(graph_.digest));
}

// Of each chunk its tokens, and behind them the digests.
void OperationsFormer::fill_table_rows(const int32_t * tokens, int n, int n_chunks) {
    table_rows_.clear();
    for (int chunk = 0; chunk < n_chunks; chunk++) {
        table_rows_.insert(table_rows_.end(), tokens + static_cast<size_t>(chunk) * n,
                           tokens + static_cast<size_t>(chunk + 1) * n);
        for (int i = 0; i < p_.n_digest; i++) {
            table_rows_.push_back(static_cast<int32_t>(filled_.size()) + i);
        }
    }
}

void OperationsFormer::run_tokens(const int32_t * tokens, int n, int n_chunks, float * rows) {
    const size_t n_tokens = static_cast<size_t>(n) * n_chunks;
    if (filled_.empty()) {
        embeddings_.resize(n_tokens * p_.n_embd);
        parts_.embed(tokens, static_cast<long long>(n_tokens), embeddings_.data());
        run_embeddings(embeddings_.data(), n, n_chunks, rows);
        return;
    }
    prepare(tokens, n_tokens);
    prepare_graph({n, n_chunks, true});
    fill_table_rows(tokens, n, n_chunks);
    runner_.set(graph_.table_rows, table_rows_.data());
    compute(rows);
}

void OperationsFormer::run_embeddings(const float * embeddings, int n, int n_chunks, float * rows) {
    prepare_graph({n, n_chunks, false});
    if (graph_.context) {
        runner_.set(graph_.context, embeddings);
    }
    compute(rows);
}

long long OperationsFormer::bytes() const {
    return static_cast<long long>(ggml_backend_buffer_get_size(constants_buffer_.get())) + fill_runner_.bytes() +
           runner_.bytes() + readback_.bytes();
}

} // namespace icf
