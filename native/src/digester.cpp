#include "digester.h"

#include "error.h"

namespace icf {

// Longest chunk of one call: attention's mask and scores grow with it.
static const long long max_chunk = 1 << 20;

static int choose_device(int device, const Model * model) {
    return resolve_device(device == -1 && model ? model->device() : device);
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

Digester::Digester(const std::string & path, std::shared_ptr<const Model> model, int device, int n_threads, bool use_mmap)
    : file_(std::make_shared<GgufFile>(path)), params_(read_former_params(*file_)), model_(std::move(model)),
      device_(choose_device(device, model_.get())), store_(file_, device_, use_mmap),
      weights_(load_former_weights(store_, params_)), backend_(device_, n_threads),
      runner_(backend_, digest_graph_nodes(params_)), fingerprint_(former_fingerprint(*file_, params_)) {
    if (model_) {
        check_target();
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
    info.scratch_bytes = runner_.bytes();
    info.fingerprint = fingerprint_;
    info.target_vocab_hash = params_.target_vocab_hash;
    copy_field(info.type, sizeof(info.type), ggml_type_name(store_.main_type()));
    copy_field(info.name, sizeof(info.name), file_->string("general.name").value_or(""));
}

void Digester::build(int n) {
    if (n == built_for_) {
        return;
    }
    built_for_ = -1;
    ggml_context * ctx = runner_.begin();
    graph_ = build_digest_graph(ctx, runner_.graph(), params_, weights_, n);
    runner_.allocate();
    built_for_ = n;
}

void Digester::check_length(long long n) const {
    if (n < 0 || n > max_chunk) {
        fail(ICF_ERROR_ARGUMENT, "a chunk of %lld tokens: 0 to %lld are possible", n, max_chunk);
    }
}

void Digester::compute(const float * embeddings, int n, float * rows) {
    build(n);
    fill_digest_inputs(graph_, n);
    if (n > 0) {
        ggml_backend_tensor_set(graph_.context, embeddings, 0, ggml_nbytes(graph_.context));
    }
    runner_.compute();
    ggml_backend_tensor_get(graph_.rows, rows, 0, ggml_nbytes(graph_.rows));
}

void Digester::run_batch(const int32_t * tokens, const long long * ends, long long n_chunks, float * rows) {
    if (!model_) {
        fail(ICF_ERROR_STATE, "%s: opened without an LLM, so that tokens have no embeddings", file_->path().c_str());
    }
    model_->check_tokens(tokens, ends[n_chunks - 1]);
    long long begin = 0;
    for (long long i = 0; i < n_chunks; i++) {
        const long long n = ends[i] - begin;
        check_length(n);
        embeddings_.resize(static_cast<size_t>(n) * params_.n_embd);
        model_->embed(tokens + begin, n, embeddings_.data());
        compute(embeddings_.data(), static_cast<int>(n), rows);
        rows += static_cast<size_t>(params_.n_digest) * params_.n_embd;
        begin = ends[i];
    }
}

void Digester::run_rows(const float * embeddings, long long n, float * rows) {
    check_length(n);
    compute(embeddings, static_cast<int>(n), rows);
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
