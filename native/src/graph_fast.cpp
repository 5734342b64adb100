#include "graph_fast.h"

#include "error.h"
#include "graph_digest.h"
#include "graph_ops.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <deque>
#include <thread>

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

struct FastFormer::Tasks {
    std::deque<PackTask> packs;
    std::deque<ProductTask> products;
    std::deque<AttentionTask> attentions;
    GatherTask gather;
};

// The part of `count` items that thread ith of nth works on.
static int part(int count, int ith, int nth) {
    return static_cast<int>(static_cast<long long>(count) * ith / nth);
}

// ---- Opening ----

static FastMatrix make_matrix(ggml_tensor * weight, ggml_tensor * bias) {
    FastMatrix matrix;
    matrix.weight = weight;
    matrix.bias = bias;
    if (PackedMatrix::can_pack(weight)) {
        matrix.packed = std::make_unique<PackedMatrix>(weight);
    }
    return matrix;
}

FastFormer::FastFormer(const FormerParams & params, const FormerWeights & weights, const Backend & backend)
    : p_(params), w_(weights), backend_(backend), runner_(backend, digest_graph_nodes(params)), tasks_(std::make_unique<Tasks>()),
      contribution_runner_(backend, digest_graph_nodes(params)), contribution_tasks_(std::make_unique<Tasks>()) {
    for (int i = 0; i < p_.n_layer; i++) {
        const FormerLayer & l = w_.layers[i];
        FastLayer layer;
        layer.weights = &l;
        layer.q = make_matrix(l.wq, l.bq);
        layer.k = make_matrix(l.wk, l.bk);
        layer.v = make_matrix(l.wv, l.bv);
        layer.o = make_matrix(l.wo, l.bo);
        layer.gate = make_matrix(l.gate, nullptr);
        layer.up = make_matrix(l.up, nullptr);
        layer.down = make_matrix(l.down, nullptr);
        n_cross_ += p_.is_cross(i);
        layers_.push_back(std::move(layer));
    }
    pack_matrices();
    compute_constants();
}

FastFormer::~FastFormer() = default;

void FastFormer::pack_matrices() {
    std::vector<FastMatrix *> matrices;
    for (FastLayer & layer : layers_) {
        for (FastMatrix * m : {&layer.q, &layer.k, &layer.v, &layer.o, &layer.gate, &layer.up, &layer.down}) {
            if (m->packed) {
                matrices.push_back(m);
            }
        }
    }
    const int n_threads = backend_.n_threads();
    const auto work = [&](int ith) {
        for (FastMatrix * m : matrices) {
            const int tiles = m->packed->n_tiles();
            m->packed->pack(m->weight, part(tiles, ith, n_threads), part(tiles, ith + 1, n_threads));
        }
    };
    std::vector<std::thread> threads;
    int started = 1;
    try {
        for (; started < n_threads && !matrices.empty(); started++) {
            threads.emplace_back(work, started);
        }
    } catch (const std::exception &) {
        // Out of threads or memory: what has not been started is done here.
    }
    work(0);
    for (int ith = started; ith < n_threads; ith++) {
        work(ith);
    }
    for (std::thread & thread : threads) {
        thread.join();
    }
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

    Tasks tasks;
    GraphRunner runner(backend_, 64);
    ggml_context * ctx = runner.begin();
    ggml_tensor * positions = input(ctx, "positions", GGML_TYPE_I32, k);
    ggml_tensor * x = rms_norm(ctx, w_.digest_embd, w_.layers[0].attn_norm, p_.norm_eps);
    ggml_tensor * q = split_heads(ctx, product(ctx, tasks, layers_[0].q, x), p_.n_embd_head);
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
        layers_[i].memory = std::move(memory);
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
    for (const FastLayer & layer : layers_) {
        for (const FastMatrix * m : {&layer.q, &layer.k, &layer.v, &layer.o, &layer.gate, &layer.up, &layer.down}) {
            bytes += m->packed ? m->packed->bytes() : 0;
        }
        if (layer.memory) {
            bytes += 2 * sizeof(float) * layer.memory->n_head_kv * layer.memory->n_embd_head * layer.memory->capacity;
        }
    }
    return static_cast<long long>(bytes) + runner_.bytes() + contribution_runner_.bytes();
}

// ---- Custom operations ----

void FastFormer::run_pack(ggml_tensor * dst, int ith, int nth, void * task) {
    const PackedRows & layout = static_cast<const PackTask *>(task)->layout;
    const int groups = layout.n_groups();
    pack_rows(layout, static_cast<const float *>(dst->src[0]->data), static_cast<char *>(dst->data), part(groups, ith, nth),
              part(groups, ith + 1, nth));
}

void FastFormer::run_product(ggml_tensor * dst, int ith, int nth, void * task) {
    const ProductTask & t = *static_cast<const ProductTask *>(task);
    const int tiles = t.matrix->n_tiles();
    t.matrix->multiply(t.layout, static_cast<const char *>(dst->src[0]->data), static_cast<float *>(dst->data),
                       part(tiles, ith, nth), part(tiles, ith + 1, nth));
}

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
        for (const FastLayer & layer : f.layers_) {
            if (layer.memory) {
                place_key(*layer.memory, f.p_.n_digest + i, row, t.is_f16, f.cosines_.data() + angle, f.sines_.data() + angle);
                place_value(*layer.memory, f.p_.n_digest + i, row + n_embd_kv * element, t.is_f16);
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

// x as 8-bit integers, for the packed products that read it; NULL where the matrix is not packed.
ggml_tensor * FastFormer::packed_rows(ggml_context * ctx, Tasks & tasks, const FastMatrix & matrix, ggml_tensor * x) {
    if (!matrix.packed) {
        return nullptr;
    }
    tasks.packs.push_back({{static_cast<int>(x->ne[0]), static_cast<int>(x->ne[1])}});
    PackTask & task = tasks.packs.back();
    return ggml_custom_4d(ctx, GGML_TYPE_I8, static_cast<int64_t>(task.layout.bytes()), 1, 1, 1, &x, 1, run_pack,
                          GGML_N_TASKS_MAX, &task);
}

ggml_tensor * FastFormer::product(ggml_context * ctx, Tasks & tasks, const FastMatrix & matrix, ggml_tensor * x,
                                  ggml_tensor * packed) {
    if (!matrix.packed) {
        return linear(ctx, matrix.weight, matrix.bias, x);
    }
    tasks.products.push_back({{static_cast<int>(x->ne[0]), static_cast<int>(x->ne[1])}, matrix.packed.get()});
    ggml_tensor * y = ggml_custom_4d(ctx, GGML_TYPE_F32, matrix.packed->n_out(), x->ne[1], 1, 1, &packed, 1, run_product,
                                     GGML_N_TASKS_MAX, &tasks.products.back());
    return matrix.bias ? ggml_add(ctx, y, matrix.bias) : y;
}

ggml_tensor * FastFormer::product(ggml_context * ctx, Tasks & tasks, const FastMatrix & matrix, ggml_tensor * x) {
    return product(ctx, tasks, matrix, x, packed_rows(ctx, tasks, matrix, x));
}

void FastFormer::build_contributions(int n) {
    if (n == contributions_built_for_) {
        return;
    }
    contributions_built_for_ = -1;
    contribution_tasks_ = std::make_unique<Tasks>();
    contributions_.clear();
    ggml_context * ctx = contribution_runner_.begin();
    Tasks & tasks = *contribution_tasks_;
    embeddings_ = input(ctx, "embeddings", GGML_TYPE_F32, p_.n_embd, n);
    ggml_tensor * unit = ggml_rms_norm(ctx, embeddings_, p_.norm_eps); // the same for every layer
    for (int i = 0; i < p_.n_layer; i++) {
        if (!p_.is_cross(i)) {
            continue;
        }
        ggml_tensor * normed = ggml_mul(ctx, unit, w_.layers[i].context_norm);
        ggml_tensor * packed = packed_rows(ctx, tasks, layers_[i].k, normed);
        for (const FastMatrix * matrix : {&layers_[i].k, &layers_[i].v}) {
            const bool share = packed && matrix->packed;
            ggml_tensor * y = share ? product(ctx, tasks, *matrix, normed, packed) : product(ctx, tasks, *matrix, normed);
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
    tasks_ = std::make_unique<Tasks>();
    ggml_context * ctx = runner_.begin();
    queries_ = input(ctx, "first_queries", GGML_TYPE_F32, p_.n_embd, p_.n_digest);
    positions_ = nullptr;
    self_mask_ = nullptr;
    tasks_->gather.former = this;
    ggml_tensor * gathered = ggml_custom_4d(ctx, GGML_TYPE_F32, 1, 1, 1, 1, nullptr, 0, run_gather, GGML_N_TASKS_MAX,
                                            &tasks_->gather);
    ggml_tensor * x = w_.digest_embd;
    for (int i = 0; i < p_.n_layer; i++) {
        x = build_layer(ctx, *tasks_, i, x, gathered);
    }
    digest_ = rms_norm(ctx, x, w_.output_norm, p_.norm_eps);
    ggml_set_output(digest_);
    ggml_build_forward_expand(runner_.graph(), digest_);
    for (AttentionTask & task : tasks_->attentions) {
        task.n = n;
        task.scratch_floats = attend_scratch(p_.n_digest + n);
        task.scratch = make_aligned<float>(task.scratch_floats * static_cast<size_t>(backend_.n_threads()));
    }
    runner_.allocate();
    built_for_ = n;
}

ggml_tensor * FastFormer::build_layer(ggml_context * ctx, Tasks & tasks, int i, ggml_tensor * x, ggml_tensor * gathered) {
    const FastLayer & l = layers_[i];
    ggml_tensor * attended = l.memory ? cross_attention(ctx, tasks, i, x, gathered) : self_attention(ctx, tasks, i, x);
    x = ggml_add(ctx, x, product(ctx, tasks, l.o, attended));
    ggml_tensor * normed = rms_norm(ctx, x, l.weights->ffn_norm, p_.norm_eps);
    ggml_tensor * packed = l.up.packed ? packed_rows(ctx, tasks, l.gate, normed) : nullptr;
    ggml_tensor * gate = packed ? product(ctx, tasks, l.gate, normed, packed) : product(ctx, tasks, l.gate, normed);
    ggml_tensor * up = packed ? product(ctx, tasks, l.up, normed, packed) : product(ctx, tasks, l.up, normed);
    return ggml_add(ctx, x, product(ctx, tasks, l.down, ggml_swiglu_split(ctx, gate, up)));
}

ggml_tensor * FastFormer::cross_attention(ggml_context * ctx, Tasks & tasks, int i, ggml_tensor * x, ggml_tensor * gathered) {
    ggml_tensor * q = queries_;
    if (i > 0) {
        ggml_tensor * normed = rms_norm(ctx, x, w_.layers[i].attn_norm, p_.norm_eps);
        if (!positions_) {
            positions_ = input(ctx, "positions", GGML_TYPE_I32, p_.n_digest);
        }
        q = rope(ctx, split_heads(ctx, product(ctx, tasks, layers_[i].q, normed), p_.n_embd_head), positions_, nullptr, p_.rope);
    }
    tasks.attentions.push_back({layers_[i].memory.get(), p_.n_head, p_.n_head_kv, p_.n_digest, 0, 0, nullptr});
    ggml_tensor * args[] = {q, gathered};
    return ggml_custom_4d(ctx, GGML_TYPE_F32, p_.n_embd, p_.n_digest, 1, 1, args, 2, run_attention, GGML_N_TASKS_MAX,
                          &tasks.attentions.back());
}

// Causal over the digests' own rows, as in the plain graph.
ggml_tensor * FastFormer::self_attention(ggml_context * ctx, Tasks & tasks, int i, ggml_tensor * x) {
    const FastLayer & l = layers_[i];
    ggml_tensor * normed = rms_norm(ctx, x, l.weights->attn_norm, p_.norm_eps);
    if (!positions_) {
        positions_ = input(ctx, "positions", GGML_TYPE_I32, p_.n_digest);
    }
    if (!self_mask_) {
        self_mask_ = input(ctx, "self_mask", GGML_TYPE_F16, p_.n_digest, p_.n_digest);
    }
    const auto rotated = [&](const FastMatrix & matrix) {
        ggml_tensor * y = split_heads(ctx, product(ctx, tasks, matrix, normed), p_.n_embd_head);
        return heads_last(ctx, rope(ctx, y, positions_, nullptr, p_.rope));
    };
    ggml_tensor * q = rotated(l.q);
    ggml_tensor * k = rotated(l.k);
    ggml_tensor * v = heads_last(ctx, split_heads(ctx, product(ctx, tasks, l.v, normed), p_.n_embd_head));
    return attention(ctx, q, k, v, self_mask_);
}

void FastFormer::run(const void * const * rows, bool rows_are_f16, int n, float * digest) {
    reserve(n);
    build(n);
    tasks_->gather.rows = rows;
    tasks_->gather.is_f16 = rows_are_f16;
    tasks_->gather.n = n;
    ggml_backend_tensor_set(queries_, first_queries_.data(), 0, ggml_nbytes(queries_));
    fill_positions(positions_, 0);
    fill_digest_mask(self_mask_, 0);
    runner_.compute();
    ggml_backend_tensor_get(digest_, digest, 0, ggml_nbytes(digest_));
}

} // namespace icf
