#include "model.h"

#include "error.h"
#include "fingerprint.h"
#include "utf8.h"
#include "work.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>

namespace icf {

// ---- Which layers go where ----

// Positions and rows that a session has unless it is told otherwise: their memory is counted when layers are placed.
static const int usual_n_ctx = 4096;
static const int usual_n_batch = 512;

// The layer a tensor belongs to; -1 where it belongs to none.
static long layer_of(const std::string & name) {
    return name.rfind("blk.", 0) == 0 ? strtol(name.c_str() + 4, nullptr, 10) : -1;
}

int layers_that_fit(long long free, long long other_bytes, const std::vector<long long> & layer_bytes) {
    if (free == 0) {
        return static_cast<int>(layer_bytes.size());
    }
    long long left = free - free / 10 - other_bytes;
    int count = 0;
    for (auto bytes = layer_bytes.rbegin(); bytes != layer_bytes.rend() && *bytes <= left; bytes++) {
        left -= *bytes;
        count++;
    }
    return count;
}

static int count_layers_that_fit(const GgufFile & file, const DecoderParams & p, const Device & device) {
    const long long n_ctx = std::min(p.n_ctx_train, usual_n_ctx);
    std::vector<long long> layer_bytes(static_cast<size_t>(p.n_layer), cache_bytes(p, n_ctx));
    long long other_bytes = batch_bytes(p, usual_n_batch, n_ctx);
    const bool tied = file.find_tensor("output.weight") < 0;
    for (const TensorEntry & entry : file.tensors()) {
        const long layer = layer_of(entry.name);
        if (layer >= 0 && layer < p.n_layer) {
            layer_bytes[static_cast<size_t>(layer)] += static_cast<long long>(entry.bytes);
        } else if (tied || entry.name != "token_embd.weight") {
            other_bytes += static_cast<long long>(entry.bytes);
        }
    }
    return layers_that_fit(static_cast<long long>(device_memory(device).free), other_bytes, layer_bytes);
}

static int count_host_layers(const GgufFile & file, const DecoderParams & p, int device, int n_gpu_layers) {
    if (n_gpu_layers < -1) {
        fail(ICF_ERROR_ARGUMENT, "%d layers on a device: -1 (as many as fit) or more are possible", n_gpu_layers);
    }
    if (device_at(device).kind == ICF_DEVICE_CPU) {
        return p.n_layer;
    }
    const int asked = n_gpu_layers == -1 ? count_layers_that_fit(file, p, device_at(device)) : n_gpu_layers;
    return p.n_layer - std::min(asked, p.n_layer);
}

// The embeddings stay where single rows are cheap to read. The output matrix and what stands beside it go with the last layer.
static bool stays_on_host(const std::string & name, int n_host_layers, int n_layer) {
    const long layer = layer_of(name);
    return name == "token_embd.weight" || (layer >= 0 ? layer < n_host_layers : n_host_layers == n_layer);
}

// ---- Rows ----

void check_rows(const float * rows, long long n_rows, int n_embd) {
    for (long long i = 0; i < n_rows * n_embd; i++) {
        if (!(std::fabs(rows[i]) <= max_element)) {
            fail(ICF_ERROR_ARGUMENT, "element %lld of row %lld is %g: numbers up to %g are possible", i % n_embd, i / n_embd,
                 static_cast<double>(rows[i]), static_cast<double>(max_element));
        }
    }
}

// ---- Opening ----

Model::Model(const std::string & path, int device, bool use_mmap, bool repack, int n_gpu_layers)
    : file_(std::make_shared<GgufFile>(path)), params_(read_decoder_params(*file_)), device_(resolve_device(device)),
      n_host_layers_(count_host_layers(*file_, params_, device_, n_gpu_layers)),
      store_(file_, device_, use_mmap, repack,
             [this](const std::string & name) { return stays_on_host(name, n_host_layers_, params_.n_layer); }),
      weights_(load_decoder_weights(store_, params_)), repacked_(repack), packed_(best_kernels()),
      vocab_hash_(hash_vocabulary(*file_)), fingerprint_(fingerprint_of(*file_, params_, vocab_hash_)),
      weights_fingerprint_(icf::weights_fingerprint(*file_, fingerprint_)) {
    copy_shared_tensors();
    if (repacked_ && n_host_layers_ > 0) {
        pack_matrices();
    }
}

// Tensors that are used on both sides.
void Model::copy_shared_tensors() {
    const bool on_device = n_host_layers_ < params_.n_layer;
    if (on_device && weights_.output == weights_.tok_embd) {
        weights_.output = store_.copy(weights_.tok_embd, device_);
    }
    if (on_device && n_host_layers_ > 0 && weights_.layers[0].rope_factors) {
        ggml_tensor * factors = store_.copy(weights_.layers[0].rope_factors, 0);
        for (int i = 0; i < n_host_layers_; i++) {
            weights_.layers[static_cast<size_t>(i)].rope_factors = factors;
        }
    }
}

std::vector<Model::Part> Model::parts() const {
    std::vector<Part> parts;
    if (n_host_layers_ > 0) {
        parts.push_back({0, {0, n_host_layers_}});
    }
    if (n_host_layers_ < params_.n_layer) {
        parts.push_back({device_, {n_host_layers_, params_.n_layer}});
    }
    return parts;
}

AdapterTarget Model::adapter_target() const {
    AdapterTarget target = {params_.architecture, {}, weights_.tok_embd, !repacked_, best_kernels()};
    for (const Part & part : parts()) {
        for (int i = part.layers.first; i < part.layers.end; i++) {
            for (ggml_tensor * weight : weights_.layers[static_cast<size_t>(i)].matrices()) {
                target.matrices.push_back({weight, part.device});
            }
        }
    }
    target.matrices.push_back({weights_.output, parts().back().device});
    return target;
}

void Model::pack_matrices() {
    std::vector<ggml_tensor *> matrices;
    if (n_host_layers_ == params_.n_layer) {
        matrices.push_back(weights_.output);
    }
    for (int i = 0; i < n_host_layers_; i++) {
        const auto of_layer = weights_.layers[static_cast<size_t>(i)].matrices();
        matrices.insert(matrices.end(), of_layer.begin(), of_layer.end());
    }
    for (ggml_tensor * matrix : matrices) { // one by one, so that no two forms of all weights are in memory
        packed_.pack({matrix}, physical_cores());
        if (packed_.find(matrix)) {
            store_.release(matrix);
        }
    }
}

void Model::describe(icf_model_info & info) const {
    info.n_vocab = params_.n_vocab;
    info.n_embd = params_.n_embd;
    info.n_layer = params_.n_layer;
    info.n_head = params_.n_head;
    info.n_head_kv = params_.n_head_kv;
    info.n_ff = params_.n_ff;
    info.n_ctx_train = params_.n_ctx_train;
    info.device = device_;
    info.n_gpu_layers = device_at(device_).kind == ICF_DEVICE_CPU ? 0 : params_.n_layer - n_host_layers_;
    info.n_params = store_.parameters();
    info.weight_bytes = store_.bytes();
    info.vocab_hash = vocab_hash_;
    info.fingerprint = fingerprint_;
    copy_field(info.architecture, sizeof(info.architecture), params_.architecture);
    copy_field(info.type, sizeof(info.type), ggml_type_name(store_.main_type()));
    copy_field(info.name, sizeof(info.name), file_->string("general.name").value_or(""));
}

void Model::check_tokens(const int32_t * tokens, long long n_tokens) const {
    for (long long i = 0; i < n_tokens; i++) {
        if (tokens[i] < 0 || tokens[i] >= params_.n_vocab) {
            fail(ICF_ERROR_ARGUMENT, "token %d at position %lld is not in the vocabulary of %d", tokens[i], i, params_.n_vocab);
        }
    }
}

// Reads the rows where the table lies and widens them here: one path for every type and device, and a token costs no more
// than its row.
void Model::embed(const int32_t * tokens, long long n_tokens, float * rows) const {
    check_unchanged();
    const ggml_tensor * table = weights_.tok_embd;
    const size_t row_bytes = table->nb[1];
    const bool on_host = ggml_backend_buffer_is_host(table->buffer);
    std::vector<char> staging(on_host ? 0 : row_bytes);
    for (long long i = 0; i < n_tokens; i++) {
        const size_t offset = static_cast<size_t>(tokens[i]) * row_bytes;
        const char * row = static_cast<const char *>(table->data) + offset;
        if (!on_host) {
            ggml_backend_tensor_get(table, staging.data(), offset, row_bytes);
            row = staging.data();
        }
        float * target = rows + i * params_.n_embd;
        if (table->type == GGML_TYPE_F32) {
            memcpy(target, row, row_bytes);
        } else {
            ggml_get_type_traits(table->type)->to_float(row, target, params_.n_embd);
        }
    }
}

} // namespace icf
