#include "digester.h"

#include "error.h"
#include "fingerprint.h"
#include "former_file.h"
#include "formers/operations.h"
#include "formers/packed.h"
#include "formers/plain.h"
#include "utf8.h"

#include <algorithm>
#include <cmath>

namespace icf {

// Longest chunk of one call: attention's mask and scores grow with it.
static const long long max_chunk = 1 << 20;

static int choose_device(int device, const Model * model) {
    return resolve_device(device == -1 && model ? model->device() : device);
}

// A row that is looked at without a computation, in memory of our own: in a map of the file it could be gone.
static std::vector<float> copy_row(const ggml_tensor * tensor) {
    std::vector<float> row(tensor ? static_cast<size_t>(ggml_nelements(tensor)) : 0);
    if (tensor) {
        ggml_backend_tensor_get(tensor, row.data(), 0, ggml_nbytes(tensor));
    }
    return row;
}

Digester::Digester(const std::string & path, std::shared_ptr<const Model> model, const icf_digester_options & options)
    : file_(std::make_shared<GgufFile>(path)), params_(read_former_params(*file_)), model_(std::move(model)),
      device_(choose_device(options.device, model_.get())),
      store_(
          file_, device_, options.use_mmap == 1, false, nullptr,
          [](const std::string & name) { return !is_adapter_tensor(name); }, former_layout(params_, device_at(device_))),
      weights_(load_former_weights(store_, params_)), marker_ft_(copy_row(weights_.marker_ft)),
      marker_ae_(copy_row(weights_.marker_ae)), backend_(device_, options.n_threads),
      fingerprint_(fingerprint_of(*file_, params_)) {
    if (model_) {
        check_target(*file_, params_, *model_);
    }
    params_.rope.halves = backend_.is_cpu(); // as former_layout has it
    former_ = choose_former(options.method);
    for (const ggml_tensor * matrix : former_->replaced_weights()) {
        store_.release(matrix);
    }
    if (model_) {
        former_->open_table(model_->params().n_vocab, options.max_table_bytes);
    }
}

// Whether a bias alone takes keys or values out of the range of F16, with room for what it is added to.
static bool has_large_bias(const FormerWeights & weights) {
    for (const FormerLayer & layer : weights.layers) {
        for (const ggml_tensor * bias : {layer.bk, layer.bv}) {
            const std::vector<float> values = copy_row(bias);
            if (std::any_of(values.begin(), values.end(), [](float x) { return std::fabs(x) > 16384; })) {
                return true;
            }
        }
    }
    return false;
}

// What is kept of a context is as precise as the former's weights: F32 beside F32, else F16 where that can hold it.
std::unique_ptr<Former> Digester::choose_former(int32_t method) const {
    if (method != ICF_METHOD_FAST && method != ICF_METHOD_PLAIN) {
        fail(ICF_ERROR_ARGUMENT, "there is no method %d", method);
    }
    FormerParts parts = {params_, weights_, backend_, store_.main_type() != GGML_TYPE_F32 && !has_large_bias(weights_),
                         nullptr};
    if (model_) {
        parts.embed = [model = model_.get()](const int32_t * tokens, long long n, float * rows) {
            model->embed(tokens, n, rows);
            check_rows(rows, n, model->params().n_embd);
        };
    }
    const Kernels * kernels = PackedFormer::kernels_for(backend_);
    if (method == ICF_METHOD_FAST && kernels) {
        return std::make_unique<PackedFormer>(std::move(parts), *kernels);
    }
    if (method == ICF_METHOD_FAST && !backend_.is_cpu()) {
        return std::make_unique<OperationsFormer>(std::move(parts));
    }
    return std::make_unique<PlainFormer>(std::move(parts));
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
    info.method = former_->method();
    info.scratch_bytes = former_->bytes();
    info.table_bytes = former_->table().bytes;
    info.table_tokens = former_->table().n_filled;
    info.fingerprint = fingerprint_;
    info.target_vocab_hash = params_.target_vocab_hash;
    copy_field(info.type, sizeof(info.type), ggml_type_name(store_.main_type()));
    copy_field(info.name, sizeof(info.name), file_->string("general.name").value_or(""));
}

static void check_length(long long n) {
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
    former_->prepare(tokens, static_cast<size_t>(n));
}

void Digester::run_batch(const int32_t * tokens, const long long * ends, long long n_chunks, float * rows) {
    check_tokens(tokens, ends[n_chunks - 1]);
    store_.check_unchanged();
    long long begin = 0;
    for (long long i = 0; i < n_chunks;) {
        const long long n = ends[i] - begin;
        check_length(n);
        // Together with those of the same length that follow, as many as the former takes.
        const int most = former_->max_chunks(static_cast<int>(n));
        int count = 1;
        while (count < most && i + count < n_chunks && ends[i + count] - ends[i + count - 1] == n) {
            count++;
        }
        former_->run_tokens(tokens + begin, static_cast<int>(n), count, rows);
        rows += static_cast<size_t>(count) * params_.n_digest * params_.n_embd;
        begin += count * n;
        i += count;
    }
}

void Digester::run_rows(const float * embeddings, long long n, float * rows) {
    check_length(n);
    check_rows(embeddings, n, params_.n_embd);
    store_.check_unchanged();
    former_->run_rows(embeddings, static_cast<int>(n), rows);
}

void Digester::marker(int32_t marker, float * row) const {
    if (marker != ICF_MARKER_FT && marker != ICF_MARKER_AE) {
        fail(ICF_ERROR_ARGUMENT, "there is no marker %d", marker);
    }
    const std::vector<float> & values = marker == ICF_MARKER_FT ? marker_ft_ : marker_ae_;
    if (values.empty()) {
        fail(ICF_ERROR_UNSUPPORTED, "%s: it has no marker %s", file_->path().c_str(), marker == ICF_MARKER_FT ? "FT" : "AE");
    }
    std::copy(values.begin(), values.end(), row);
}

} // namespace icf
