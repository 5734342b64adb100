#include "model.h"

#include "error.h"

#include <algorithm>
#include <cstring>

namespace icf {

Model::Model(const std::string & path, int device, bool use_mmap, bool repack)
    : file_(std::make_shared<GgufFile>(path)), params_(read_decoder_params(*file_)), device_(resolve_device(device)),
      store_(file_, device_, use_mmap, repack), weights_(load_decoder_weights(store_, params_)), repacked_(repack),
      vocab_hash_(hash_vocabulary(*file_)), fingerprint_(compute_fingerprint()) {
    if (repacked_ && device_at(device_).kind == ICF_DEVICE_CPU) {
        pack_matrices();
    }
}

void Model::pack_matrices() {
    std::vector<ggml_tensor *> matrices = {weights_.output};
    for (const DecoderLayer & l : weights_.layers) {
        matrices.insert(matrices.end(), {l.wq, l.wk, l.wv, l.wo, l.gate, l.up, l.down});
    }
    packed_.pack(matrices, physical_cores());
    for (const ggml_tensor * matrix : matrices) {
        if (packed_.find(matrix)) {
            store_.release(matrix);
        }
    }
}

void hash_tensor(Hash & hash, const GgufFile & file, const char * name) {
    const TensorEntry & entry = file.tensors()[static_cast<size_t>(file.find_tensor(name))];
    std::vector<char> bytes(static_cast<size_t>(entry.bytes));
    file.handle().read(file.data_offset() + entry.offset, bytes.data(), bytes.size());
    hash.add(bytes.data(), bytes.size());
}

// Norms stay F32 whatever the matrices are quantised to, so that all quantisations of a model share its fingerprint.
long long Model::compute_fingerprint() const {
    Hash hash;
    hash.add(params_.architecture.data(), params_.architecture.size());
    for (long long size : {params_.n_vocab, params_.n_embd, params_.n_layer, params_.n_head, params_.n_head_kv, params_.n_ff}) {
        hash.add(size);
    }
    hash.add(vocab_hash_);
    hash_tensor(hash, *file_, "output_norm.weight");
    return hash.value();
}

void copy_field(char * target, size_t capacity, const std::string & source) {
    size_t count = std::min(source.size(), capacity - 1);
    while (count > 0 && count < source.size() && (static_cast<unsigned char>(source[count]) & 0xC0) == 0x80) {
        count--;
    }
    memcpy(target, source.data(), count);
    memset(target + count, 0, capacity - count);
}

long long Model::product_bytes() const {
    const bool tied = weights_.output == weights_.tok_embd;
    return store_.bytes() - (tied ? 0 : static_cast<long long>(ggml_nbytes(weights_.tok_embd)));
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
