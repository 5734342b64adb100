#include "graph_fast.h"

#include "error.h"
#include "graph_digest.h"
#include "graph_ops.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace icf {

struct FastFormer::GatherTask {
    const void * const * rows = nullptr;
    bool is_f16 = false;
    int n = 0;
    const FastFormer * former;
};

struct FastFormer::AttentionTask {
    const AttentionMemory * memory;
    int n_head;
    int n_head_kv;
    int n_digest;
    int n;
    size_t scratch_floats; // of a thread
    AlignedPtr<float> scratch;
};

// ---- Opening ----

FastFormer::FastFormer(const FormerParams & params, const FormerWeights & weights, const Backend & backend)
    : p_(params), w_(weights), backend_(backend), memories_(weights.layers.size()), runner_(backend, digest_graph_nodes(params)),
      products_(packed_), gather_(std::make_unique<GatherTask>()), contribution_runner_(backend, digest_graph_nodes(params)),
      contribution_products_(packed_) {
    for (int i = 0; i < p_.n_layer; i++) {
        n_cross_ += p_.is_cross(i);
    }
    pack_matrices();
    compute_constants();
}

FastFormer::~FastFormer() = default;

void FastFormer::pack_matrices() {
    std::vector<ggml_tensor *> matrices;
    for (const FormerLayer & l : w_.layers) {
        matrices.insert(matrices.end(), {l.wq, l.wk, l.wv, l.wo, l.gate, l.up, l.down});
    }
    packed_.pack(matrices, backend_.n_threads());
}

static std::vector<float> rotation(const RopeParams & rope, int n_embd_head, int position, bool sine) {
    std::vector<float> values(static_cast<size_t>(n_embd_head) / 2);
    for (int i = 0; i < n_embd_head / 2; i++) {
        const double frequency = std::pow(static_cast<double>(rope.base), -2.0 * i / n_embd_head);
        const double angle = position * static_cast<double>(rope.scale) * frequency;
        values[i] = static_cast<float>(sine ? std::sin(angle) : std::cos(angle));
    }
    return values;
}

// Contributions of the digest embeddings, and the first layer's queries.
void FastFormer::compute_constants() {
    const int k = p_.n_digest;
    std::vector<float> digest_embd(static_cast<size_t>(k) * p_.n_embd);
    ggml_backend_tensor_get(w_.digest_embd, digest_embd.data(), 0, ggml_nbytes(w_.digest_embd));
    constant_rows_.resize(k * row_length());
    contributions(digest_embd.data(), k, constant_rows_.data());

    ProductGraph products(packed_);
    GraphRunner runner(backend_, 64);
    ggml_context * ctx = runner.begin();
    ggml_tensor * positions = input(ctx, "positions", GGML_TYPE_I32, k);
    ggml_tensor * x = rms_norm(ctx, w_.digest_embd, w_.layers[0].attn_norm, p_.norm_eps);
    ggml_tensor * q = split_heads(ctx, products.linear(ctx, w_.layers[0].wq, w_.layers[0].bq, x), p_.n_embd_head);
    q = rope(ctx, q, positions, nullptr, p_.rope);
    ggml_set_output(q);
    ggml_build_forward_expand(runner.graph(), q);
    runner.allocate();
    fill_positions(positions, 0);
    runner.compute();
    first_queries_.resize(static_cast<size_t>(k) * p_.n_embd);
    ggml_backend_tensor_get(q, first_queries_.data(), 0, ggml_nbytes(q));
}

// Room is made ahead for chunks up to this length, where the file says that they are that long.
static const int usual_chunk = 2048;

// Makes room for a context of n rows behind the digests.
void FastFormer::reserve(int n) {
    extend_angles(n);
    if (n <= capacity_) {
        return;
    }
    const int room = std::max(n, std::min(p_.chunk_length, usual_chunk));
    built_for_ = -1; // its graph points at the memory that is replaced here
    int cross = 0;
    for (int i = 0; i < p_.n_layer; i++) {
        if (!p_.is_cross(i)) {
            continue;
        }
        auto memory = std::make_unique<AttentionMemory>(p_.n_embd_head, p_.n_head_kv, p_.n_digest + room);
        for (int position = 0; position < p_.n_digest; position++) {
            const float * row = constant_rows_.data() + position * row_length() + static_cast<size_t>(cross) * 2 * p_.n_embd_kv();
            const std::vector<float> c = rotation(p_.rope, p_.n_embd_head, position, false);
            const std::vector<float> s = rotation(p_.rope, p_.n_embd_head, position, true);
            place_key(*memory, position, row, false, c.data(), s.data());
            place_value(*memory, position, row + p_.n_embd_kv(), false);
        }
        memories_[i] = std::move(memory);
        cross++;
    }
    capacity_ = room;
}

void FastFormer::extend_angles(int n) {
    const int half = p_.n_embd_head / 2;
    sines_.resize(cosines_.size()); // the two differ where memory ran out between them
    for (int distance = static_cast<int>(cosines_.size()) / half; distance <= n; distance++) {
        const std::vector<float> c = rotation(p_.rope, p_.n_embd_head, -distance, false);
        const std::vector<float> s = rotation(p_.rope, p_.n_embd_head, -distance, true);
        sines_.insert(sines_.end(), s.begin(), s.end());
        cosines_.insert(cosines_.end(), c.begin(), c.end());
    }
}

long long FastFormer::bytes() const {
    size_t bytes = (cosines_.size() + sines_.size() + constant_rows_.size() + first_queries_.size()) * sizeof(float);
    for (const auto & memory : memories_) {
        bytes += memory ? 2 * sizeof(float) * memory->n_head_kv * memory->n_embd_head * memory->capacity : 0;
    }
    return static_cast<long long>(bytes + packed_.bytes()) + runner_.bytes() + contribution_runner_.bytes();
}

// ---- Custom operations ----

// Context row i stands at position i - n, right behind the digests in memory.
void FastFormer::run_gather(ggml_tensor *, int ith, int nth, void * task) {
    const GatherTask & t = *static_cast<const GatherTask *>(task);
    const FastFormer & f = *t.former;
    const size_t n_embd_kv = static_cast<size_t>(f.p_.n_embd_kv());
    const size_t element = t.is_f16 ? sizeof(uint16_t) : sizeof(float);
    const int half = f.p_.n_embd_head / 2;
    for (int i = part(t.n, ith, nth); i < part(t.n, ith + 1, nth); i++) {
        const char * row = static_cast<const char *>(t.rows[i]);
        const size_t angle = static_cast<size_t>(t.n - i) * half;
        for (const auto & memory : f.memories_) {
            if (memory) {
                place_key(*memory, f.p_.n_digest + i, row, t.is_f16, f.cosines_.data() + angle, f.sines_.data() + angle);
                place_value(*memory, f.p_.n_digest + i, row + n_embd_kv * element, t.is_f16);
                row += 2 * n_embd_kv * element;
            }
        }
    }
}

void FastFormer::run_attention(ggml_tensor * dst, int ith, int nth, void * task) {
    const AttentionTask & t = *static_cast<const AttentionTask *>(task);
    const int groups = (t.n_digest + attend_group - 1) / attend_group; // of queries, per head
    const size_t stride = static_cast<size_t>(t.n_head) * t.memory->n_embd_head;
    float * scratch = t.scratch.get() + ith * t.scratch_floats;
    for (int unit = part(t.n_head * groups, ith, nth); unit < part(t.n_head * groups, ith + 1, nth); unit++) {
        const int head = unit / groups;
        const int first = unit % groups * attend_group;
        const size_t offset = static_cast<size_t>(head) * t.memory->n_embd_head;
        const AttendTask attend_task = {t.memory, head / (t.n_head / t.n_head_kv), t.n_digest, t.n,
                                        static_cast<const float *>(dst->src[0]->data) + offset,
                                        static_cast<float *>(dst->data) + offset, stride};
        attend(attend_task, first, std::min(first + attend_group, t.n_digest), scratch);
    }
}

// ---- Graphs ----

void FastFormer::build_contributions(int n) {
    if (n == contributions_built_for_) {
        return;
    }
    contributions_built_for_ = -1;
    contribution_products_.reset();
    contributions_.clear();
    ggml_context * ctx = contribution_runner_.begin();
    embeddings_ = input(ctx, "embeddings", GGML_TYPE_F32, p_.n_embd, n);
    ggml_tensor * unit = ggml_rms_norm(ctx, embeddings_, p_.norm_eps); // the same for every layer
    for (int i = 0; i < p_.n_layer; i++) {
        if (!p_.is_cross(i)) {
            continue;
        }
        const FormerLayer & l = w_.layers[i];
        ggml_tensor * normed = ggml_mul(ctx, unit, l.context_norm);
        for (ggml_tensor * y : {contribution_products_.linear(ctx, l.wk, l.bk, normed),
                                contribution_products_.linear(ctx, l.wv, l.bv, normed)}) {
            ggml_set_output(y);
            ggml_build_forward_expand(contribution_runner_.graph(), y);
            contributions_.push_back(y);
        }
    }
    contribution_runner_.allocate();
    contributions_built_for_ = n;
}

void FastFormer::contributions(const float * embeddings, int n, float * rows) {
    build_contributions(n);
    ggml_backend_tensor_set(embeddings_, embeddings, 0, ggml_nbytes(embeddings_));
    contribution_runner_.compute();
    const size_t part_length = static_cast<size_t>(p_.n_embd_kv());
    for (size_t i = 0; i < contributions_.size(); i++) {
        const float * source = static_cast<const float *>(contributions_[i]->data);
        for (int row = 0; row < n; row++) {
            memcpy(rows + row * row_length() + i * part_length, source + row * part_length, part_length * sizeof(float));
        }
    }
}

void FastFormer::build(int n) {
    if (n == built_for_) {
        return;
    }
    built_for_ = -1;
    products_.reset();
    attentions_.clear();
    ggml_context * ctx = runner_.begin();
    queries_ = input(ctx, "first_queries", GGML_TYPE_F32, p_.n_embd, p_.n_digest);
    positions_ = nullptr;
    self_mask_ = nullptr;
    gather_->former = this;
    ggml_tensor * gathered = ggml_custom_4d(ctx, GGML_TYPE_F32, 1, 1, 1, 1, nullptr, 0, run_gather, GGML_N_TASKS_MAX,
                                            gather_.get());
    ggml_tensor * x = w_.digest_embd;
    for (int i = 0; i < p_.n_layer; i++) {
        x = build_layer(ctx, i, x, gathered);
    }
    digest_ = rms_norm(ctx, x, w_.output_norm, p_.norm_eps);
    ggml_set_output(digest_);
    ggml_build_forward_expand(runner_.graph(), digest_);
    for (AttentionTask & task : attentions_) {
        task.n = n;
        task.scratch_floats = attend_scratch(p_.n_digest + n);
        task.scratch = make_aligned<float>(task.scratch_floats * static_cast<size_t>(backend_.n_threads()));
    }
    runner_.allocate();
    built_for_ = n;
}

ggml_tensor * FastFormer::build_layer(ggml_context * ctx, int i, ggml_tensor * x, ggml_tensor * gathered) {
    const FormerLayer & l = w_.layers[i];
    ggml_tensor * attended = p_.is_cross(i) ? cross_attention(ctx, i, x, gathered) : self_attention(ctx, i, x);
    x = ggml_add(ctx, x, products_.linear(ctx, l.wo, l.bo, attended));
    return ggml_add(ctx, x, products_.swiglu(ctx, l.gate, l.up, l.down, rms_norm(ctx, x, l.ffn_norm, p_.norm_eps)));
}

ggml_tensor * FastFormer::digest_positions(ggml_context * ctx) {
    if (!positions_) {
        positions_ = input(ctx, "positions", GGML_TYPE_I32, p_.n_digest);
    }
    return positions_;
}

ggml_tensor * FastFormer::cross_attention(ggml_context * ctx, int i, ggml_tensor * x, ggml_tensor * gathered) {
    const FormerLayer & l = w_.layers[i];
    ggml_tensor * q = queries_;
    if (i > 0) {
        q = products_.linear(ctx, l.wq, l.bq, rms_norm(ctx, x, l.attn_norm, p_.norm_eps));
        q = rope(ctx, split_heads(ctx, q, p_.n_embd_head), digest_positions(ctx), nullptr, p_.rope);
    }
    attentions_.push_back({memories_[i].get(), p_.n_head, p_.n_head_kv, p_.n_digest, 0, 0, nullptr});
    ggml_tensor * args[] = {q, gathered};
    return ggml_custom_4d(ctx, GGML_TYPE_F32, p_.n_embd, p_.n_digest, 1, 1, args, 2, run_attention, GGML_N_TASKS_MAX,
                          &attentions_.back());
}

// Causal over the digests' own rows, as in the plain graph.
ggml_tensor * FastFormer::self_attention(ggml_context * ctx, int i, ggml_tensor * x) {
    const FormerLayer & l = w_.layers[i];
    ggml_tensor * normed = rms_norm(ctx, x, l.attn_norm, p_.norm_eps);
    if (!self_mask_) {
        self_mask_ = input(ctx, "self_mask", GGML_TYPE_F16, p_.n_digest, p_.n_digest);
    }
    const auto heads = [&](ggml_tensor * weight, ggml_tensor * bias) {
        return split_heads(ctx, products_.linear(ctx, weight, bias, normed), p_.n_embd_head);
    };
    ggml_tensor * q = rope(ctx, heads(l.wq, l.bq), digest_positions(ctx), nullptr, p_.rope);
    ggml_tensor * k = rope(ctx, heads(l.wk, l.bk), digest_positions(ctx), nullptr, p_.rope);
    return attention(ctx, backend_, heads_last(ctx, q), heads_last(ctx, k), heads_last(ctx, heads(l.wv, l.bv)), self_mask_);
}

ggml_cgraph * FastFormer::graph(int n) {
    reserve(n);
    build(n);
    return runner_.graph();
}

void FastFormer::run(const void * const * rows, bool rows_are_f16, int n, float * digest) {
    graph(n);
    gather_->rows = rows;
    gather_->is_f16 = rows_are_f16;
    gather_->n = n;
    ggml_backend_tensor_set(queries_, first_queries_.data(), 0, ggml_nbytes(queries_));
    fill_positions(positions_, 0);
    fill_digest_mask(self_mask_, 0);
    runner_.compute();
    ggml_backend_tensor_get(digest_, digest, 0, ggml_nbytes(digest_));
}

} // namespace icf
