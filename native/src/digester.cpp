#include "digester.h"

#include "error.h"
#include "utf8.h"

#include <algorithm>
#include <cstdio>
#include <unordered_map>

namespace icf {

// Longest chunk of one call: attention's mask and scores grow with it.
static const long long max_chunk = 1 << 20;

static int choose_device(int device, const Model * model) {
    return resolve_device(device == -1 && model ? model->device() : device);
}

static int check_method(int32_t method) {
    if (method != ICF_METHOD_FAST && method != ICF_METHOD_PLAIN) {
        fail(ICF_ERROR_ARGUMENT, "there is no method %d", method);
    }
    return method;
}

static long long former_fingerprint(const GgufFile & file, const FormerParams & p) {
    Hash hash;
    for (long long size : {p.n_embd, p.n_layer, p.n_head, p.n_head_kv, p.n_ff, p.n_digest, p.cross_interval}) {
        hash.add(size);
    }
    hash_tensor(hash, file, "digest_embd.weight");
    hash_tensor(hash, file, "output_norm.weight");
    return hash.value();
}

Digester::Digester(const std::string & path, std::shared_ptr<const Model> model, const icf_digester_options & options)
    : file_(std::make_shared<GgufFile>(path)), params_(read_former_params(*file_)), model_(std::move(model)),
      device_(choose_device(options.device, model_.get())), store_(file_, device_, options.use_mmap == 1),
      weights_(load_former_weights(store_, params_)), backend_(device_, options.n_threads),
      fingerprint_(former_fingerprint(*file_, params_)), plain_runner_(backend_, digest_graph_nodes(params_)) {
    if (model_) {
        check_target();
    }
    if (check_method(options.method) == ICF_METHOD_FAST && FastFormer::supported(backend_)) {
        fast_ = std::make_unique<FastFormer>(params_, weights_, backend_);
        for (const ggml_tensor * matrix : fast_->packed_weights()) {
            store_.release(matrix);
        }
        open_table(options.max_table_bytes);
    } else if (options.method == ICF_METHOD_FAST && !backend_.is_cpu()) {
        device_former_ = std::make_unique<DeviceFormer>(params_, weights_, backend_, store_.main_type() != GGML_TYPE_F32);
        open_device_table(options.max_table_bytes);
    }
}

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

// The table is as precise as the former's weights: F32 beside F32, else F16.
void Digester::open_table(long long max_bytes) {
    if (!model_) {
        return;
    }
    const size_t n_vocab = static_cast<size_t>(model_->params().n_vocab);
    const bool is_f16 = store_.main_type() != GGML_TYPE_F32;
    const long long bytes = static_cast<long long>(ContextTable::bytes_for(n_vocab, fast_->row_length(), is_f16));
    if (bytes <= (max_bytes < 0 ? available_memory() / 2 : max_bytes)) {
        table_ = std::make_unique<ContextTable>(n_vocab, fast_->row_length(), is_f16);
    }
}

void Digester::open_device_table(long long max_bytes) {
    if (!model_) {
        return;
    }
    const int n_vocab = model_->params().n_vocab;
    const long long bytes = static_cast<long long>(device_former_->table_bytes_for(n_vocab));
    if (bytes <= (max_bytes < 0 ? static_cast<long long>(device_memory(backend_.device()).free / 2) : max_bytes)) {
        device_former_->open_table(n_vocab);
    }
}

void Digester::check_target() const {
    const DecoderParams & target = model_->params();
    const char * path = file_->path().c_str();
    const char * target_path = model_->file()->path().c_str();
    if (params_.n_embd != target.n_embd) {
        fail(ICF_ERROR_MISMATCH, "%s: made for an LLM of width %d, %s has width %d", path, params_.n_embd, target_path,
             target.n_embd);
    }
    if (!params_.target_architecture.empty() && params_.target_architecture != target.architecture) {
        fail(ICF_ERROR_MISMATCH, "%s: made for an LLM of architecture '%s', %s is '%s'", path,
             params_.target_architecture.c_str(), target_path, target.architecture.c_str());
    }
    if (params_.target_n_vocab != 0 && params_.target_n_vocab != target.n_vocab) {
        fail(ICF_ERROR_MISMATCH, "%s: made for a vocabulary of %lld tokens, %s has %d", path, params_.target_n_vocab,
             target_path, target.n_vocab);
    }
    if (params_.target_vocab_hash != 0 && params_.target_vocab_hash != model_->vocab_hash()) {
        fail(ICF_ERROR_MISMATCH, "%s: made for another vocabulary than that of %s", path, target_path);
    }
}

void Digester::describe(icf_digester_info & info) const {
    info.n_embd = params_.n_embd;
    info.n_layer = params_.n_layer;
    info.n_head = params_.n_head;
    info.n_head_kv = params_.n_head_kv;
    info.n_ff = params_.n_ff;
    info.n_digest = params_.n_digest;
    info.chunk_length = params_.chunk_length;
    info.cross_interval = params_.cross_interval;
    info.has_marker_ft = weights_.marker_ft != nullptr;
    info.has_marker_ae = weights_.marker_ae != nullptr;
    info.n_threads = backend_.n_threads();
    info.device = device_;
    info.n_params = store_.parameters();
    info.weight_bytes = store_.bytes();
    info.method = fast_ || device_former_ ? ICF_METHOD_FAST : ICF_METHOD_PLAIN;
    info.scratch_bytes = plain_runner_.bytes() + (fast_ ? fast_->bytes() : 0) + (device_former_ ? device_former_->bytes() : 0);
    info.table_bytes = static_cast<long long>(table_ ? table_->bytes() : device_former_ ? device_former_->table_bytes() : 0);
    info.table_tokens = static_cast<long long>(table_ ? table_->n_filled() : device_former_ ? device_former_->n_filled() : 0);
    info.fingerprint = fingerprint_;
    info.target_vocab_hash = params_.target_vocab_hash;
    copy_field(info.type, sizeof(info.type), ggml_type_name(store_.main_type()));
    copy_field(info.name, sizeof(info.name), file_->string("general.name").value_or(""));
}

// ---- Step by step ----

void Digester::build_plain(int n) {
    if (n == plain_built_for_) {
        return;
    }
    plain_built_for_ = -1;
    plain_ = build_digest_graph(plain_runner_, params_, weights_, n);
    plain_runner_.allocate();
    plain_built_for_ = n;
}

void Digester::run_plain(const float * embeddings, int n, float * rows) {
    build_plain(n);
    fill_digest_inputs(plain_, n);
    if (n > 0) {
        ggml_backend_tensor_set(plain_.context, embeddings, 0, ggml_nbytes(plain_.context));
    }
    plain_runner_.compute();
    ggml_backend_tensor_get(plain_.rows, rows, 0, ggml_nbytes(plain_.rows));
}

// ---- With the exact savings ----

// Rows whose contributions are computed together: enough to fill the machine, few enough to bound the memory.
static const size_t contribution_batch = 256;

template <typename RowOf>
void Digester::fill_table(ContextTable & table, const int32_t * tokens, size_t n, const RowOf & row_of) {
    std::vector<int32_t> missing;
    const auto compute = [&] {
        const int count = static_cast<int>(missing.size());
        embeddings_.resize(static_cast<size_t>(count) * params_.n_embd);
        contributions_.resize(count * fast_->row_length());
        model_->embed(missing.data(), count, embeddings_.data());
        fast_->contributions(embeddings_.data(), count, contributions_.data());
        for (int i = 0; i < count; i++) {
            table.fill(row_of(missing[i]), contributions_.data() + i * fast_->row_length());
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

void Digester::run_with_table(const int32_t * tokens, int n, float * rows) {
    const auto row_of = [](int32_t token) { return static_cast<size_t>(token); };
    fill_table(*table_, tokens, static_cast<size_t>(n), row_of);
    context_.resize(static_cast<size_t>(n));
    std::transform(tokens, tokens + n, context_.begin(), [&](int32_t token) { return table_->row(row_of(token)); });
    fast_->run(context_.data(), table_->is_f16(), n, rows);
}

// A table of the chunk's own tokens, each computed once.
void Digester::run_without_table(const int32_t * tokens, int n, float * rows) {
    std::unordered_map<int32_t, size_t> index;
    for (int i = 0; i < n; i++) {
        index.emplace(tokens[i], index.size());
    }
    ContextTable own(std::max<size_t>(index.size(), 1), fast_->row_length(), false);
    const auto row_of = [&](int32_t token) { return index.at(token); };
    fill_table(own, tokens, static_cast<size_t>(n), row_of);
    context_.resize(static_cast<size_t>(n));
    std::transform(tokens, tokens + n, context_.begin(), [&](int32_t token) { return own.row(row_of(token)); });
    fast_->run(context_.data(), false, n, rows);
}

void Digester::run_fast_rows(const float * embeddings, int n, float * rows) {
    contributions_.resize(static_cast<size_t>(n) * fast_->row_length());
    for (int i = 0; i < n; i += static_cast<int>(contribution_batch)) {
        const int count = std::min(static_cast<int>(contribution_batch), n - i);
        fast_->contributions(embeddings + static_cast<size_t>(i) * params_.n_embd, count,
                             contributions_.data() + static_cast<size_t>(i) * fast_->row_length());
    }
    context_.resize(static_cast<size_t>(n));
    for (int i = 0; i < n; i++) {
        context_[static_cast<size_t>(i)] = contributions_.data() + static_cast<size_t>(i) * fast_->row_length();
    }
    fast_->run(context_.data(), false, n, rows);
}

// ---- The same on another device ----

void Digester::fill_device_table(const int32_t * tokens, size_t n) {
    std::vector<int32_t> missing;
    for (size_t i = 0; i < n; i++) {
        if (!device_former_->has(tokens[i])) {
            missing.push_back(tokens[i]);
        }
    }
    std::sort(missing.begin(), missing.end());
    missing.erase(std::unique(missing.begin(), missing.end()), missing.end());
    for (size_t at = 0; at < missing.size(); at += contribution_batch) {
        const int count = static_cast<int>(std::min(contribution_batch, missing.size() - at));
        embeddings_.resize(static_cast<size_t>(count) * params_.n_embd);
        model_->embed(missing.data() + at, count, embeddings_.data());
        device_former_->fill(missing.data() + at, embeddings_.data(), count);
    }
}

// Chunks of n tokens each.
void Digester::run_on_device(const int32_t * tokens, int n, int n_chunks, float * rows) {
    const size_t n_tokens = static_cast<size_t>(n) * n_chunks;
    if (device_former_->table_bytes() > 0) {
        fill_device_table(tokens, n_tokens);
        device_former_->run_tokens(tokens, n, n_chunks, rows);
    } else {
        embeddings_.resize(n_tokens * params_.n_embd);
        model_->embed(tokens, static_cast<long long>(n_tokens), embeddings_.data());
        device_former_->run_rows(embeddings_.data(), n, n_chunks, rows);
    }
}

// ---- Entries ----

void Digester::check_length(long long n) const {
    if (n < 0 || n > max_chunk) {
        fail(ICF_ERROR_ARGUMENT, "a chunk of %lld tokens: 0 to %lld are possible", n, max_chunk);
    }
}

void Digester::check_tokens(const int32_t * tokens, long long n) const {
    if (!model_) {
        fail(ICF_ERROR_STATE, "%s: opened without an LLM, so that tokens have no embeddings", file_->path().c_str());
    }
    model_->check_tokens(tokens, n);
}

void Digester::prepare(const int32_t * tokens, long long n) {
    check_tokens(tokens, n);
    store_.check_unchanged();
    if (table_) {
        fill_table(*table_, tokens, static_cast<size_t>(n), [](int32_t token) { return static_cast<size_t>(token); });
    } else if (device_former_ && device_former_->table_bytes() > 0) {
        fill_device_table(tokens, static_cast<size_t>(n));
    }
}

void Digester::run_batch(const int32_t * tokens, const long long * ends, long long n_chunks, float * rows) {
    check_tokens(tokens, ends[n_chunks - 1]);
    store_.check_unchanged();
    long long begin = 0;
    for (long long i = 0; i < n_chunks; i++) {
        const int n = static_cast<int>(ends[i] - begin);
        check_length(ends[i] - begin);
        if (device_former_) { // together with those of the same length that follow
            const int most = device_former_->max_chunks(n);
            int count = 1;
            while (count < most && i + 1 < n_chunks && ends[i + 1] - ends[i] == n) {
                count++;
                i++;
            }
            run_on_device(tokens + begin, n, count, rows);
            rows += static_cast<size_t>(count - 1) * params_.n_digest * params_.n_embd;
        } else if (table_) {
            run_with_table(tokens + begin, n, rows);
        } else if (fast_) {
            run_without_table(tokens + begin, n, rows);
        } else {
            embeddings_.resize(static_cast<size_t>(n) * params_.n_embd);
            model_->embed(tokens + begin, n, embeddings_.data());
            run_plain(embeddings_.data(), n, rows);
        }
        rows += static_cast<size_t>(params_.n_digest) * params_.n_embd;
        begin = ends[i];
    }
}

void Digester::run_rows(const float * embeddings, long long n, float * rows) {
    check_length(n);
    store_.check_unchanged();
    if (device_former_) {
        device_former_->run_rows(embeddings, static_cast<int>(n), 1, rows);
    } else if (fast_) {
        run_fast_rows(embeddings, static_cast<int>(n), rows);
    } else {
        run_plain(embeddings, static_cast<int>(n), rows);
    }
}

void Digester::marker(int32_t marker, float * row) const {
    if (marker != ICF_MARKER_FT && marker != ICF_MARKER_AE) {
        fail(ICF_ERROR_ARGUMENT, "there is no marker %d", marker);
    }
    const ggml_tensor * tensor = marker == ICF_MARKER_FT ? weights_.marker_ft : weights_.marker_ae;
    if (!tensor) {
        fail(ICF_ERROR_UNSUPPORTED, "%s: it has no marker %s", file_->path().c_str(), marker == ICF_MARKER_FT ? "FT" : "AE");
    }
    ggml_backend_tensor_get(tensor, row, 0, ggml_nbytes(tensor));
}

} // namespace icf
