#include "formers/packed.h"

#include "graph_ops.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <unordered_map>

namespace icf {

struct PackedFormer::GatherTask {
    const void * const * rows = nullptr;
    bool is_f16 = false;
    int n = 0;
    const PackedFormer * former = nullptr;
};

struct PackedFormer::AttentionTask {
    const Kernels * kernels;
    const AttentionMemory * memory;
    int n_head;
    int n_head_kv;
    int n_digest;
    int n;
    size_t scratch_floats; // of a thread
    AlignedPtr<float> scratch;
};

// ---- Opening ----

PackedFormer::PackedFormer(FormerParts parts, const Kernels & kernels)
    : parts_(std::move(parts)), p_(parts_.params), w_(parts_.weights), kernels_(kernels), packed_(&kernels),
      memories_(w_.layers.size()), runner_(parts_.backend, former_graph_nodes(p_)), products_(packed_),
      gather_(std::make_unique<GatherTask>()), contribution_runner_(parts_.backend, former_graph_nodes(p_)),
      contribution_products_(packed_) {
    gather_->former = this;
    pack_matrices();
    compute_constants();
}

PackedFormer::~PackedFormer() = default;

void PackedFormer::pack_matrices() {
    std::vector<ggml_tensor *> matrices;
    for (const FormerLayer & l : w_.layers) {
        const auto of_layer = l.matrices();
        matrices.insert(matrices.end(), of_layer.begin(), of_layer.end());
    }
    packed_.pack(matrices, parts_.backend.n_threads());
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
void PackedFormer::compute_constants() {
    const int k = p_.n_digest;
    std::vector<float> digest_embd(static_cast<size_t>(k) * p_.n_embd);
    ggml_backend_tensor_get(w_.digest_embd, digest_embd.data(), 0, ggml_nbytes(w_.digest_embd));
    constant_rows_.resize(k * row_length());
    contributions(digest_embd.data(), k, constant_rows_.data());

    ProductGraph products(packed_);
    GraphRunner runner(parts_.backend, 64);
    ggml_context * ctx = runner.begin();
    FormerLayers layers(runner, p_, w_, products, 1);
    ggml_tensor * positions = input(ctx, "positions", GGML_TYPE_I32, k);
    ggml_tensor * q = layers.queries(w_.layers[0], nullptr, positions);
    ggml_set_output(q);
    ggml_build_forward_expand(runner.graph(), q);
    runner.allocate();
    fill_positions(positions, 0, k);
    runner.compute();
    first_queries_.resize(static_cast<size_t>(k) * p_.n_embd);
    ggml_backend_tensor_get(q, first_queries_.data(), 0, ggml_nbytes(q));
}

// Room is made ahead for chunks up to this length, where the file says that they are that long.
static const int usual_chunk = 2048;

// Makes room for a context of n rows behind the digests.
void PackedFormer::reserve(int n) {
    extend_angles(n);
    if (n <= capacity_) {
        return;
    }
    const int room = std::max(n, std::min(p_.chunk_length, usual_chunk));
    graph_ = ChunkGraph(); // it points at the memory that is replaced here
    int cross = 0;
    for (int i = 0; i < p_.n_layer; i++) {
        if (!p_.is_cross(i)) {
            continue;
        }
        auto memory = std::make_unique<AttentionMemory>(kernels_, p_.n_embd_head, p_.n_head_kv, p_.n_digest + room);
        for (int position = 0; position < p_.n_digest; position++) {
            const float * row =
                constant_rows_.data() + position * row_length() + static_cast<size_t>(cross) * 2 * p_.n_embd_kv();
            const std::vector<float> c = rotation(p_.rope, p_.n_embd_head, position, false);
            const std::vector<float> s = rotation(p_.rope, p_.n_embd_head, position, true);
            kernels_.place_key(*memory, position, row, false, c.data(), s.data());
            kernels_.place_value(*memory, position, row + p_.n_embd_kv(), false);
        }
        memories_[i] = std::move(memory);
        cross++;
    }
    capacity_ = room;
}

void PackedFormer::extend_angles(int n) {
    const int half = p_.n_embd_head / 2;
    sines_.resize(cosines_.size()); // the two differ where memory ran out between them
    for (int distance = static_cast<int>(cosines_.size()) / half; distance <= n; distance++) {
        const std::vector<float> c = rotation(p_.rope, p_.n_embd_head, -distance, false);
        const std::vector<float> s = rotation(p_.rope, p_.n_embd_head, -distance, true);
        sines_.insert(sines_.end(), s.begin(), s.end());
        cosines_.insert(cosines_.end(), c.begin(), c.end());
    }
}

long long PackedFormer::bytes() const {
    size_t bytes = (cosines_.size() + sines_.size() + constant_rows_.size() + first_queries_.size()) * sizeof(float);
    for (const auto & memory : memories_) {
        bytes += memory ? 2 * sizeof(float) * memory->n_head_kv * memory->n_embd_head * memory->capacity : 0;
    }
    return static_cast<long long>(bytes + packed_.bytes()) + runner_.bytes() + contribution_runner_.bytes();
}

// ---- The table ----

// Memory that is free or can be made free, in bytes.
static long long available_memory() {
    long long kilobytes = 0;
    if (FILE * file = fopen("/proc/meminfo", "r")) {
        char line[128];
        while (fgets(line, sizeof(line), file) && sscanf(line, "MemAvailable: %lld kB", &kilobytes) != 1) {
        }
        fclose(file);
    }
    return kilobytes * 1024;
}

void PackedFormer::open_table(int n_vocab, long long max_bytes) {
    const size_t n = static_cast<size_t>(n_vocab);
    const long long bytes = static_cast<long long>(ContextTable::bytes_for(n, row_length(), parts_.is_f16));
    if (bytes <= (max_bytes < 0 ? available_memory() / 2 : max_bytes)) {
        table_ = std::make_unique<ContextTable>(n, row_length(), parts_.is_f16);
    }
}

Former::Table PackedFormer::table() const {
    return table_ ? Table{static_cast<long long>(table_->bytes()), static_cast<long long>(table_->n_filled())} : Table{};
}

// Rows whose contributions are computed together: enough to fill the machine, few enough to bound the memory.
static const size_t contribution_batch = 256;

template <typename RowOf>
void PackedFormer::fill(ContextTable & table, const int32_t * tokens, size_t n, const RowOf & row_of) {
    std::vector<int32_t> missing;
    const auto compute = [&] {
        const int count = static_cast<int>(missing.size());
        embeddings_.resize(static_cast<size_t>(count) * p_.n_embd);
        contributions_.resize(count * row_length());
        parts_.embed(missing.data(), count, embeddings_.data());
        contributions(embeddings_.data(), count, contributions_.data());
        for (int i = 0; i < count; i++) {
            table.fill(row_of(missing[i]), contributions_.data() + i * row_length());
        }
        missing.clear();
    };
    std::unordered_map<int32_t, bool> seen;
    for (size_t i = 0; i < n; i++) {
        if (!table.has(row_of(tokens[i])) && seen.emplace(tokens[i], true).second) {
            missing.push_back(tokens[i]);
            if (missing.size() == contribution_batch) {
                compute();
            }
        }
    }
    if (!missing.empty()) {
        compute();
    }
}

void PackedFormer::prepare(const int32_t * tokens, size_t n) {
    if (table_) {
        fill(*table_, tokens, n, [](int32_t token) { return static_cast<size_t>(token); });
    }
}

PackedFormer::ContributionGraph PackedFormer::build_contributions(int n) {
    ContributionGraph g;
    contribution_products_.reset();
    ggml_context * ctx = contribution_runner_.begin();
    FormerLayers layers(contribution_runner_, p_, w_, contribution_products_, 1);
    g.embeddings = input(ctx, "embeddings", GGML_TYPE_F32, p_.n_embd, n);
    ggml_tensor * unit = ggml_rms_norm(ctx, g.embeddings, p_.norm_eps); // the same for every layer
    for (int i = 0; i < p_.n_layer; i++) {
        if (p_.is_cross(i)) {
            const KeysValues of_rows = layers.keys_values(w_.layers[i], unit);
            g.outputs.insert(g.outputs.end(), {of_rows.k, of_rows.v});
        }
    }
    for (ggml_tensor * output : g.outputs) {
        ggml_set_output(output);
        ggml_build_forward_expand(contribution_runner_.graph(), output);
    }
    contribution_runner_.allocate();
    g.n = n;
    return g;
}

void PackedFormer::contributions(const float * embeddings, int n, float * rows) {
    ContributionGraph & g = contribution_graph_;
    if (n != g.n) {
        g = ContributionGraph(); // if there is no room for the new one
        g = build_contributions(n);
    }
    ggml_backend_tensor_set(g.embeddings, embeddings, 0, ggml_nbytes(g.embeddings));
    contribution_runner_.compute();
    const size_t part_length = static_cast<size_t>(p_.n_embd_kv());
    for (size_t i = 0; i < g.outputs.size(); i++) {
        const float * source = static_cast<const float *>(g.outputs[i]->data);
        for (int row = 0; row < n; row++) {
            memcpy(rows + row * row_length() + i * part_length, source + row * part_length, part_length * sizeof(float));
        }
    }
}

// ---- Chunks ----

void PackedFormer::run_tokens(const int32_t * tokens, int n, int n_chunks, float * rows) {
    for (int chunk = 0; chunk < n_chunks; chunk++) {
        run_chunk(tokens + static_cast<size_t>(chunk) * n, n, rows + static_cast<size_t>(chunk) * p_.n_digest * p_.n_embd);
    }
}

// By the table of the vocabulary, or one of the chunk's own tokens, each computed once.
void PackedFormer::run_chunk(const int32_t * tokens, int n, float * rows) {
    context_.resize(static_cast<size_t>(n));
    const auto run_by = [&](ContextTable & table, const auto & row_of) {
        fill(table, tokens, static_cast<size_t>(n), row_of);
        std::transform(tokens, tokens + n, context_.begin(), [&](int32_t token) { return table.row(row_of(token)); });
        run(context_.data(), table.is_f16(), n, rows);
    };
    if (table_) {
        run_by(*table_, [](int32_t token) { return static_cast<size_t>(token); });
        return;
    }
    std::unordered_map<int32_t, size_t> index;
    for (int i = 0; i < n; i++) {
        index.emplace(tokens[i], index.size());
    }
    ContextTable own(std::max<size_t>(index.size(), 1), row_length(), false);
    run_by(own, [&](int32_t token) { return index.at(token); });
}

void PackedFormer::run_rows(const float * embeddings, int n, float * rows) {
    contributions_.resize(static_cast<size_t>(n) * row_length());
    for (int i = 0; i < n; i += static_cast<int>(contribution_batch)) {
        const int count = std::min(static_cast<int>(contribution_batch), n - i);
        contributions(embeddings + static_cast<size_t>(i) * p_.n_embd, count,
                      contributions_.data() + static_cast<size_t>(i) * row_length());
    }
    context_.resize(static_cast<size_t>(n));
    for (int i = 0; i < n; i++) {
        context_[static_cast<size_t>(i)] = contributions_.data() + static_cast<size_t>(i) * row_length();
    }
    run(context_.data(), false, n, rows);
}

// ---- Custom operations ----

// Context row i stands at position i - n, right behind the digests in memory.
void PackedFormer::run_gather(ggml_tensor *, int ith, int nth, void * task) {
    const GatherTask & t = *static_cast<const GatherTask *>(task);
    const PackedFormer & f = *t.former;
    const size_t n_embd_kv = static_cast<size_t>(f.p_.n_embd_kv());
    const size_t element = t.is_f16 ? sizeof(uint16_t) : sizeof(float);
    const int half = f.p_.n_embd_head / 2;
    for (int i = part(t.n, ith, nth); i < part(t.n, ith + 1, nth); i++) {
        const char * row = static_cast<const char *>(t.rows[i]);
        const size_t angle = static_cast<size_t>(t.n - i) * half;
        for (const auto & memory : f.memories_) {
            if (memory) {
                f.kernels_.place_key(*memory, f.p_.n_digest + i, row, t.is_f16, f.cosines_.data() + angle,
                                     f.sines_.data() + angle);
                f.kernels_.place_value(*memory, f.p_.n_digest + i, row + n_embd_kv * element, t.is_f16);
                row += 2 * n_embd_kv * element;
            }
        }
    }
}

void PackedFormer::run_attention(ggml_tensor * dst, int ith, int nth, void * task) {
    const AttentionTask & t = *static_cast<const AttentionTask *>(task);
    const int group = t.kernels->query_group;
    const int groups = (t.n_digest + group - 1) / group; // of queries, per head
    const size_t stride = static_cast<size_t>(t.n_head) * t.memory->n_embd_head;
    float * scratch = t.scratch.get() + ith * t.scratch_floats;
    for (int unit = part(t.n_head * groups, ith, nth); unit < part(t.n_head * groups, ith + 1, nth); unit++) {
        const int head = unit / groups;
        const int first = unit % groups * group;
        const size_t offset = static_cast<size_t>(head) * t.memory->n_embd_head;
        const AttendTask attend_task = {t.memory,
                                        head / (t.n_head / t.n_head_kv),
                                        t.n_digest,
                                        t.n,
                                        static_cast<const float *>(dst->src[0]->data) + offset,
                                        static_cast<float *>(dst->data) + offset,
                                        stride};
        t.kernels->attend(attend_task, first, std::min(first + group, t.n_digest), scratch);
    }
}

// ---- The graph ----

// Attention of q to the memory of layer i, once the context is there.
ggml_tensor * PackedFormer::attend_to(ggml_context * ctx, int i, ggml_tensor * q, ggml_tensor * gathered, int n) {
    const size_t scratch_floats = kernels_.attend_scratch(p_.n_digest + n);
    attentions_.push_back({&kernels_, memories_[i].get(), p_.n_head, p_.n_head_kv, p_.n_digest, n, scratch_floats,
                           make_aligned<float>(scratch_floats * static_cast<size_t>(parts_.backend.n_threads()))});
    ggml_tensor * args[] = {q, gathered};
    return ggml_custom_4d(ctx, GGML_TYPE_F32, p_.n_embd, p_.n_digest, 1, 1, args, 2, run_attention, GGML_N_TASKS_MAX,
                          &attentions_.back());
}

PackedFormer::ChunkGraph PackedFormer::build(int n) {
    products_.reset();
    attentions_.clear();
    ggml_context * ctx = runner_.begin();
    FormerLayers layers(runner_, p_, w_, products_, 1);
    ChunkGraph g;
    g.queries = input(ctx, "first_queries", GGML_TYPE_F32, p_.n_embd, p_.n_digest);
    g.positions = input(ctx, "positions", GGML_TYPE_I32, p_.n_digest);
    g.self_mask = p_.has_self_layers() ? input(ctx, "self_mask", GGML_TYPE_F16, p_.n_digest, p_.n_digest) : nullptr;
    ggml_tensor * gathered =
        ggml_custom_4d(ctx, GGML_TYPE_F32, 1, 1, 1, 1, nullptr, 0, run_gather, GGML_N_TASKS_MAX, gather_.get());
    const auto cross = [&](int i, ggml_tensor * x) {
        return attend_to(ctx, i, x ? layers.queries(w_.layers[i], x, g.positions) : g.queries, gathered, n);
    };
    g.digest = layers.build(cross, g.positions, g.self_mask);
    ggml_set_output(g.digest);
    ggml_build_forward_expand(runner_.graph(), g.digest);
    runner_.allocate();
    g.n = n;
    return g;
}

ggml_cgraph * PackedFormer::graph(int n) {
    reserve(n);
    if (n != graph_.n) {
        graph_ = ChunkGraph(); // if there is no room for the new one
        graph_ = build(n);
    }
    return runner_.graph();
}

void PackedFormer::run(const void * const * rows, bool rows_are_f16, int n, float * digest) {
    graph(n);
    gather_->rows = rows;
    gather_->is_f16 = rows_are_f16;
    gather_->n = n;
    ggml_backend_tensor_set(graph_.queries, first_queries_.data(), 0, ggml_nbytes(graph_.queries));
    fill_positions(graph_.positions, 0, p_.n_digest);
    fill_digest_mask(graph_.self_mask, 0);
    runner_.compute();
    ggml_backend_tensor_get(graph_.digest, digest, 0, ggml_nbytes(graph_.digest));
}

} // namespace icf
