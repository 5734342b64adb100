#include "adapter.h"

#include "error.h"
#include "fingerprint.h"

#include <algorithm>
#include <cmath>

namespace icf {

// ---- Names ----

static bool is_half_a(const std::string & name) {
    return is_adapter_tensor(name) && name.substr(name.size() - adapter_suffix_a.size()) == adapter_suffix_a;
}

static std::string weight_of(const std::string & name) {
    return name.substr(0, name.size() - adapter_suffix_a.size());
}

// ---- Opening ----

// Whether the file is a former that brings a reader, and not an adapter alone.
static bool check_kind(const GgufFile & file, const AdapterTarget & target) {
    const std::string architecture = file.string("general.architecture").value_or("");
    const bool is_reader = architecture == "icformer";
    if (!is_reader && file.string("general.type").value_or("") != "adapter") {
        fail(ICF_ERROR_FORMAT, "%s: not an adapter (its general.type is '%s')", file.path().c_str(),
             file.string("general.type").value_or("").c_str());
    }
    const std::string type = file.string("adapter.type").value_or("");
    if (type.empty() && is_reader) {
        fail(ICF_ERROR_UNSUPPORTED, "%s: this IC-Former brings no reader", file.path().c_str());
    }
    if (type != "lora" || file.find_key("adapter.alora.invocation_tokens") >= 0) {
        fail(ICF_ERROR_UNSUPPORTED, "%s: an adapter of type '%s'%s is not supported, only 'lora'", file.path().c_str(),
             type.c_str(), type == "lora" ? " with invocation tokens" : "");
    }
    const std::string made_for =
        is_reader ? file.string("icformer.target.architecture").value_or(target.architecture) : architecture;
    if (made_for != target.architecture) {
        fail(ICF_ERROR_MISMATCH, "%s: made for architecture '%s', the LLM has '%s'", file.path().c_str(), made_for.c_str(),
             target.architecture.c_str());
    }
    return is_reader;
}

static double read_alpha(const GgufFile & file) {
    const double alpha = file.number("adapter.lora.alpha").value_or(0);
    if (!std::isfinite(alpha)) {
        fail(ICF_ERROR_FORMAT, "%s: key 'adapter.lora.alpha' is %g", file.path().c_str(), alpha);
    }
    return alpha;
}

// Of all that the adapter adds: two that share it change an LLM alike.
static long long fingerprint_of_pairs(const GgufFile & file, double alpha) {
    Hash hash;
    hash.add(&alpha, sizeof(alpha));
    std::vector<char> bytes;
    for (const TensorEntry & entry : file.tensors()) {
        if (is_adapter_tensor(entry.name)) {
            bytes.resize(static_cast<size_t>(entry.bytes));
            file.read_tensor(entry, 0, bytes.data(), bytes.size());
            hash.add(entry.name.data(), entry.name.size());
            hash.add(static_cast<long long>(entry.type));
            hash.add(static_cast<long long>(checksum(bytes.data(), bytes.size())));
        }
    }
    return hash.value();
}

Adapter::Adapter(const std::string & path, const AdapterTarget & target)
    : file_(std::make_shared<GgufFile>(path)), is_reader_(check_kind(*file_, target)), alpha_(read_alpha(*file_)),
      store_(open_store(target)), fingerprint_(fingerprint_of_pairs(*file_, alpha_)) {
    for (const TensorEntry & entry : file_->tensors()) {
        if (is_half_a(entry.name)) {
            read_pair(weight_of(entry.name), target);
        }
    }
    store_.check_all_used();
    if (n_pairs_ == 0) {
        fail(ICF_ERROR_FORMAT, "%s: the adapter holds no pair of matrices", path.c_str());
    }
}

static const AdapterTarget::Matrix * find_matrix(const AdapterTarget & target, const std::string & name) {
    const auto found = std::find_if(target.matrices.begin(), target.matrices.end(),
                                    [&](const AdapterTarget::Matrix & m) { return name == m.weight->name; });
    return found == target.matrices.end() ? nullptr : &*found;
}

// Each pair beside the weight that it belongs to; a reader leaves the former's own tensors where they are.
TensorStore Adapter::open_store(const AdapterTarget & target) const {
    int device = 0;
    for (const AdapterTarget::Matrix & m : target.matrices) {
        device = std::max(device, m.device);
    }
    const auto on_host = [&](const std::string & name) {
        const AdapterTarget::Matrix * matrix = is_adapter_tensor(name) ? find_matrix(target, weight_of(name)) : nullptr;
        return !matrix || matrix->device == 0 || matrix->weight->name == std::string(target.tok_embd->name);
    };
    const auto wanted = [this](const std::string & name) { return !is_reader_ || is_adapter_tensor(name); };
    return TensorStore(file_, device, false, false, on_host, wanted);
}

float Adapter::scale_of(int rank) const {
    return alpha_ == 0 ? 1.0f : static_cast<float>(alpha_ / rank);
}

// ---- Pairs ----

static std::vector<float> to_floats(const GgufFile & file, const ggml_tensor * tensor) {
    std::vector<char> bytes(ggml_nbytes(tensor));
    ggml_backend_tensor_get(tensor, bytes.data(), 0, bytes.size());
    std::vector<float> values(static_cast<size_t>(ggml_nelements(tensor)));
    if (tensor->type == GGML_TYPE_F32) {
        std::copy_n(reinterpret_cast<const float *>(bytes.data()), values.size(), values.begin());
    } else {
        ggml_get_type_traits(tensor->type)->to_float(bytes.data(), values.data(), ggml_nelements(tensor));
    }
    for (float value : values) {
        if (!std::isfinite(value)) {
            fail(ICF_ERROR_FORMAT, "%s: tensor '%s' holds %g", file.path().c_str(), tensor->name, static_cast<double>(value));
        }
    }
    return values;
}

static const TensorEntry & entry_of(const GgufFile & file, const std::string & name) {
    const long long index = file.find_tensor(name);
    if (index < 0) {
        fail(ICF_ERROR_FORMAT, "%s: tensor '%s' is missing", file.path().c_str(), name.c_str());
    }
    return file.tensors()[static_cast<size_t>(index)];
}

void Adapter::read_pair(const std::string & name, const AdapterTarget & target) {
    const bool is_embeddings = name == target.tok_embd->name;
    const AdapterTarget::Matrix * matrix = find_matrix(target, name);
    if (!matrix && !is_embeddings) {
        fail(ICF_ERROR_MISMATCH, "%s: the LLM has no matrix '%s'", file_->path().c_str(), name.c_str());
    }
    const ggml_tensor * weight = is_embeddings ? target.tok_embd : matrix->weight;
    // Rows of embeddings are looked up and not multiplied: there A is [rank, n_vocab] and B [rank, n_embd].
    const long long rank = entry_of(*file_, name + std::string(adapter_suffix_b)).ne[0];
    const TensorEntry & a_entry = entry_of(*file_, name + std::string(adapter_suffix_a));
    if ((is_embeddings ? a_entry.ne[0] : a_entry.n_dims > 1 ? a_entry.ne[1] : 1) != rank) {
        fail(ICF_ERROR_FORMAT, "%s: the two matrices for '%s' have different ranks", file_->path().c_str(), name.c_str());
    }
    ggml_tensor * a =
        is_embeddings ? store_.matrix(a_entry.name, rank, weight->ne[1]) : store_.matrix(a_entry.name, weight->ne[0], rank);
    ggml_tensor * b = store_.matrix(name + std::string(adapter_suffix_b), rank, is_embeddings ? weight->ne[0] : weight->ne[1]);
    const float scale = scale_of(static_cast<int>(rank));
    if (is_embeddings) {
        read_embeddings(a, b, scale, target);
    } else {
        add_pair(target, *matrix, a, b, scale);
    }
    n_pairs_++;
    max_rank_ = std::max(max_rank_, static_cast<int>(rank));
}

// A tensor of these values, in memory of the device.
ggml_tensor * Adapter::make_tensor(const char * name, int device, ggml_type type, long long ne0, long long ne1,
                                   const std::vector<float> & values) {
    contexts_.push_back(std::make_unique<TensorContext>(1));
    ggml_tensor * tensor = ggml_new_tensor_2d(contexts_.back()->get(), type, ne0, ne1);
    ggml_set_name(tensor, name);
    buffers_.push_back(Backend(device, 1).place(*contexts_.back(), "an adapter"));
    if (type == GGML_TYPE_F32) {
        ggml_backend_tensor_set(tensor, values.data(), 0, ggml_nbytes(tensor));
    } else {
        std::vector<ggml_fp16_t> narrow(values.size());
        ggml_fp32_to_fp16_row(values.data(), narrow.data(), static_cast<int64_t>(values.size()));
        ggml_backend_tensor_set(tensor, narrow.data(), 0, ggml_nbytes(tensor));
    }
    return tensor;
}

// Rows [n_rows, n] as [n, n_rows].
static std::vector<float> turned(const std::vector<float> & rows, size_t n_rows, size_t n) {
    std::vector<float> columns(rows.size());
    for (size_t i = 0; i < n_rows; i++) {
        for (size_t k = 0; k < n; k++) {
            columns[k * n_rows + i] = rows[i * n + k];
        }
    }
    return columns;
}

// On another device in the file's own types.
void Adapter::add_pair(const AdapterTarget & target, const AdapterTarget::Matrix & matrix, ggml_tensor * a, ggml_tensor * b,
                       float scale) {
    const std::vector<float> a_values = to_floats(*file_, a);
    const std::vector<float> b_values = to_floats(*file_, b);
    Pair pair = {a, b, scale, nullptr, nullptr};
    if (matrix.device == 0 && !target.as_in_file) {
        const auto fits_half = [](const ggml_tensor * t) { return t->type == GGML_TYPE_F16; };
        const bool half = target.kernels && fits_half(a) && fits_half(b);
        const ggml_type type = half ? GGML_TYPE_F16 : GGML_TYPE_F32;
        pair.kernels = target.kernels;
        pair.a = make_tensor(a->name, 0, type, a->ne[0], a->ne[1], a_values);
        if (target.kernels) {
            pair.b_turned = make_tensor(b->name, 0, type, b->ne[1], b->ne[0],
                                        turned(b_values, static_cast<size_t>(b->ne[1]), static_cast<size_t>(b->ne[0])));
        } else {
            pair.b = make_tensor(b->name, 0, type, b->ne[0], b->ne[1], b_values);
        }
    }
    pairs_[matrix.weight->name] = pair;
}

// Where the embeddings are the output matrix as well, the same change of the same weights makes W x: x → a (bᵀ x).
void Adapter::read_embeddings(ggml_tensor * a, ggml_tensor * b, float scale, const AdapterTarget & target) {
    embeddings_ = std::make_unique<Embeddings>();
    Embeddings & e = *embeddings_;
    e.rank = static_cast<int>(b->ne[0]);
    e.n_embd = static_cast<int>(b->ne[1]);
    e.scale = scale;
    e.a = to_floats(*file_, a);
    e.b = to_floats(*file_, b);
    const AdapterTarget::Matrix * output = find_matrix(target, target.tok_embd->name);
    if (output) {
        ggml_tensor * down = make_tensor(b->name, output->device, GGML_TYPE_F32, e.n_embd, e.rank,
                                         turned(e.b, static_cast<size_t>(e.n_embd), static_cast<size_t>(e.rank)));
        ggml_tensor * up = make_tensor(a->name, output->device, GGML_TYPE_F32, e.rank, a->ne[1], e.a);
        pairs_[target.tok_embd->name] = {down, up, scale, nullptr, nullptr};
    }
}

const Adapter::Pair * Adapter::find(const ggml_tensor * weight) const {
    const auto found = pairs_.find(weight->name);
    return found == pairs_.end() ? nullptr : &found->second;
}

void Adapter::add_embeddings(const int32_t * tokens, long long n_tokens, float factor, float * rows) const {
    if (!embeddings_) {
        return;
    }
    const Embeddings & e = *embeddings_;
    for (long long t = 0; t < n_tokens; t++) {
        const float * a = e.a.data() + static_cast<size_t>(tokens[t]) * e.rank;
        float * row = rows + t * e.n_embd;
        for (int i = 0; i < e.n_embd; i++) {
            const float * b = e.b.data() + static_cast<size_t>(i) * e.rank;
            float sum = 0;
            for (int r = 0; r < e.rank; r++) {
                sum += a[r] * b[r];
            }
            row[i] += factor * e.scale * sum;
        }
    }
}

} // namespace icf
