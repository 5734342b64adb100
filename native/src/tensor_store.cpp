#include "tensor_store.h"

#include "error.h"
#include "memory.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <sys/mman.h>
#include <unistd.h>

namespace icf {

// ---- Storage ----

// What ggml's CPU backend asks of a tensor's address.
static const uint64_t tensor_alignment = 32;

FileMap::FileMap(const FileHandle & file) : size_(static_cast<size_t>(file.size())) {
    data_ = mmap(nullptr, size_, PROT_READ, MAP_SHARED, file.descriptor(), 0);
    if (data_ == MAP_FAILED) {
        fail(ICF_ERROR_IO, "cannot map %zu bytes: %s", size_, strerror(errno));
    }
}

FileMap::~FileMap() {
    munmap(data_, size_);
}

// Whether the tensor serves products alone; embeddings are read row by row as well.
static bool is_product_matrix(const TensorEntry & entry) {
    return entry.n_dims == 2 && entry.ne[1] > 1 && entry.name.find("_embd.") == std::string::npos;
}

TensorStore::TensorStore(std::shared_ptr<const GgufFile> file, int device, bool use_mmap, bool repack, const OnHost & on_host,
                         const Wanted & wanted, DeviceLayout layout)
    : file_(std::move(file)), layout_(std::move(layout)), context_(file_->tensors().size()),
      used_(file_->tensors().size(), false) {
    const Device & host = device_at(0);
    const Device & target = device_at(device);
    std::map<ggml_backend_buffer_type_t, std::vector<ggml_tensor *>> repacked;
    std::vector<ggml_tensor *> on_cpu;
    std::vector<ggml_tensor *> on_device;
    for (const TensorEntry & entry : file_->tensors()) {
        if (wanted && !wanted(entry.name)) {
            tensors_.push_back(nullptr);
            continue;
        }
        const bool stays = target.kind == ICF_DEVICE_CPU || (on_host && on_host(entry.name));
        const bool widened = layout_.widen_halves && !stays && entry.type == GGML_TYPE_F16 && is_product_matrix(entry);
        ggml_tensor * tensor = ggml_new_tensor(context_.get(), widened ? GGML_TYPE_F32 : entry.type, entry.n_dims, entry.ne);
        ggml_set_name(tensor, entry.name.c_str());
        ggml_backend_buffer_type_t type = repack && stays && is_product_matrix(entry) ? repacking_type(host, tensor) : nullptr;
        (type ? repacked[type] : stays ? on_cpu : on_device).push_back(tensor);
        tensors_.push_back(tensor);
        bytes_ += static_cast<long long>(entry.bytes);
        parameters_ += ggml_nelements(tensor);
    }
    if (parameters_ == 0) {
        fail(ICF_ERROR_FORMAT, "%s: it holds no tensors", file_->path().c_str());
    }
    for (const auto & group : repacked) {
        copy_to(host, group.first, group.second);
    }
    copy_to(target, ggml_backend_dev_buffer_type(target.handle), on_device);
    if (!on_cpu.empty() && use_mmap && can_use_in_place()) {
        place_in_map(host.handle);
    } else {
        copy_to(host, ggml_backend_dev_buffer_type(host.handle), on_cpu);
    }
}

ggml_tensor * TensorStore::copy(const ggml_tensor * tensor, int device) {
    copies_.push_back(std::make_unique<TensorContext>(1));
    ggml_tensor * twin = ggml_new_tensor(copies_.back()->get(), tensor->type, GGML_MAX_DIMS, tensor->ne);
    ggml_set_name(twin, tensor->name);
    const Device & target = device_at(device);
    copy_to(target, ggml_backend_dev_buffer_type(target.handle), {twin});
    return twin;
}

bool TensorStore::can_use_in_place() const {
    for (const TensorEntry & entry : file_->tensors()) {
        if ((file_->data_offset() + entry.offset) % tensor_alignment != 0) {
            return false;
        }
    }
    return true;
}

// All tensors that do not lie elsewhere already.
void TensorStore::place_in_map(ggml_backend_dev_t device) {
    map_ = std::make_unique<FileMap>(file_->handle());
    char * base = const_cast<char *>(map_->data()); // weights are never written to
    BufferPtr buffer(ggml_backend_dev_buffer_from_host_ptr(device, base, map_->size(), map_->size()));
    if (!buffer) {
        fail(ICF_ERROR_MEMORY, "%s: cannot be used in place", file_->path().c_str());
    }
    ggml_backend_buffer_set_usage(buffer.get(), GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
    for (size_t i = 0; i < tensors_.size(); i++) {
        char * address = base + file_->data_offset() + file_->tensors()[i].offset;
        if (tensors_[i] && !tensors_[i]->buffer &&
            ggml_backend_tensor_alloc(buffer.get(), tensors_[i], address) != GGML_STATUS_SUCCESS) {
            fail(ICF_ERROR_INTERNAL, "%s: tensor '%s' cannot be placed", file_->path().c_str(), tensors_[i]->name);
        }
    }
    buffers_.push_back(std::move(buffer));
}

// In as many buffers as the device's limit on one of them asks for.
void TensorStore::copy_to(const Device & device, ggml_backend_buffer_type_t type, const std::vector<ggml_tensor *> & tensors) {
    const size_t alignment = ggml_backend_buft_get_alignment(type);
    const size_t limit = ggml_backend_buft_get_max_size(type);
    size_t first = 0;
    size_t bytes = 0;
    for (size_t i = 0; i < tensors.size(); i++) {
        const size_t size = (ggml_backend_buft_get_alloc_size(type, tensors[i]) + alignment - 1) / alignment * alignment;
        if (i > first && size > limit - std::min(limit, bytes)) {
            place(device, type, tensors.data() + first, i - first, bytes);
            first = i;
            bytes = 0;
        }
        bytes += size;
    }
    if (first < tensors.size()) {
        place(device, type, tensors.data() + first, tensors.size() - first, bytes);
    }
}

// CUDA's products of quantised matrices read whole groups of rows: up to this many behind the last one, without using them.
static const size_t rows_read_beyond = 7;

static size_t bytes_read_beyond(const Device & device, ggml_tensor * const * tensors, size_t n) {
    size_t longest = 0;
    for (size_t i = 0; i < n && device.kind != ICF_DEVICE_CPU; i++) {
        longest = std::max(longest, ggml_is_quantized(tensors[i]->type) ? tensors[i]->nb[1] : 0);
    }
    return rows_read_beyond * longest;
}

void TensorStore::place(const Device & device, ggml_backend_buffer_type_t type, ggml_tensor * const * tensors, size_t n,
                        size_t bytes) {
    bytes += bytes_read_beyond(device, tensors, n);
    BufferPtr buffer(ggml_backend_buft_alloc_buffer(type, bytes));
    if (!buffer) {
        fail_out_of_memory(device, text("the weights of %s", file_->path().c_str()).c_str(), bytes);
    }
    if (device.kind == ICF_DEVICE_CPU) {
        advise_large_pages(ggml_backend_buffer_get_base(buffer.get()), bytes);
    }
    ggml_backend_buffer_set_usage(buffer.get(), GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
    place_tensors(buffer.get(), tensors, n);
    std::vector<char> staging;
    for (size_t i = 0; i < n; i++) {
        load(device, tensors[i], staging);
    }
    buffers_.push_back(std::move(buffer));
}

// Most bytes of a file that are on their way to another device at once.
static const size_t staging_bytes = 64 << 20;

// Bytes of a head whose rows are to be interleaved; 0: none. A tensor that has no whole heads is refused when it is looked up.
size_t TensorStore::interleaved_bytes(const Device & device, const TensorEntry & entry) const {
    const long long rows =
        device.kind == ICF_DEVICE_CPU || !layout_.interleaved_rows ? 0 : layout_.interleaved_rows(entry.name);
    const long long all_rows = static_cast<long long>(entry.n_dims == 1 ? entry.ne[0] : entry.ne[1]);
    return rows == 0 || all_rows % rows != 0 ? 0 : static_cast<size_t>(entry.bytes) / static_cast<size_t>(all_rows / rows);
}

// Rows 0 … n - 1 of each head, in the order 0, n/2, 1, n/2 + 1, …
static void interleave_heads(char * heads, size_t n_bytes, size_t head_bytes, size_t n_rows) {
    const size_t row_bytes = head_bytes / n_rows;
    std::vector<char> head(head_bytes);
    for (size_t at = 0; at < n_bytes; at += head_bytes) {
        memcpy(head.data(), heads + at, head_bytes);
        for (size_t i = 0; i < n_rows; i++) {
            memcpy(heads + at + i * row_bytes, head.data() + (i / 2 + i % 2 * (n_rows / 2)) * row_bytes, row_bytes);
        }
    }
}

static void set_widened(ggml_tensor * tensor, const char * halves, size_t at, size_t n_bytes) {
    std::vector<float> wide(n_bytes / sizeof(ggml_fp16_t));
    ggml_fp16_to_fp32_row(reinterpret_cast<const ggml_fp16_t *>(halves), wide.data(), static_cast<int64_t>(wide.size()));
    ggml_backend_tensor_set(tensor, wide.data(), at / sizeof(ggml_fp16_t) * sizeof(float), wide.size() * sizeof(float));
}

// From the file to where the tensor has been placed.
void TensorStore::load(const Device & device, ggml_tensor * tensor, std::vector<char> & staging) {
    const TensorEntry & entry = file_->tensors()[static_cast<size_t>(file_->find_tensor(tensor->name))];
    const uint64_t offset = file_->data_offset() + entry.offset;
    const size_t count = static_cast<size_t>(entry.bytes);
    const bool widened = tensor->type != entry.type;
    const size_t head = interleaved_bytes(device, entry);
    if (ggml_backend_buffer_is_host(tensor->buffer) && !widened && head == 0) {
        file_->handle().read(offset, tensor->data, count);
        return;
    }
    // A layout of the CPU's own takes a tensor whole.
    size_t step = device.kind == ICF_DEVICE_CPU ? count : std::min(count, staging_bytes);
    step = head == 0 ? step : std::max(head, step / head * head);
    staging.resize(std::max(staging.size(), step));
    for (size_t at = 0; at < count; at += step) {
        const size_t part = std::min(step, count - at);
        file_->handle().read(offset + at, staging.data(), part);
        if (head > 0) {
            interleave_heads(staging.data(), part, head, static_cast<size_t>(layout_.interleaved_rows(entry.name)));
        }
        if (widened) {
            set_widened(tensor, staging.data(), at, part);
        } else {
            ggml_backend_tensor_set(tensor, staging.data(), at, part);
        }
    }
}

void TensorStore::release(const ggml_tensor * tensor) const {
    if (!map_) {
        return;
    }
    // Whole pages within the tensor.
    const uintptr_t page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
    const uintptr_t begin = (reinterpret_cast<uintptr_t>(tensor->data) + page - 1) / page * page;
    const uintptr_t end = (reinterpret_cast<uintptr_t>(tensor->data) + ggml_nbytes(tensor)) / page * page;
    if (begin < end) {
        madvise(reinterpret_cast<void *>(begin), end - begin, MADV_DONTNEED);
    }
}

// ---- Look-up ----

ggml_tensor * TensorStore::find(const std::string & name, long long ne0, long long ne1) {
    const long long index = file_->find_tensor(name);
    ggml_tensor * tensor = index < 0 ? nullptr : tensors_[static_cast<size_t>(index)];
    if (!tensor) {
        return nullptr;
    }
    if (tensor->ne[0] != ne0 || tensor->ne[1] != ne1 || tensor->ne[2] != 1 || tensor->ne[3] != 1) {
        fail(ICF_ERROR_FORMAT, "%s: tensor '%s' has shape [%lld, %lld, %lld], expected [%lld, %lld]", file_->path().c_str(),
             name.c_str(), static_cast<long long>(tensor->ne[0]), static_cast<long long>(tensor->ne[1]),
             static_cast<long long>(tensor->ne[2]), ne0, ne1);
    }
    used_[static_cast<size_t>(index)] = true;
    return tensor;
}

// A matrix may have any type that products are made of.
ggml_tensor * TensorStore::find_matrix(const std::string & name, long long n_in, long long n_out) {
    ggml_tensor * tensor = find(name, n_in, n_out);
    if (tensor) {
        const ggml_type type = tensor->type;
        const bool known = type == GGML_TYPE_F32 || type == GGML_TYPE_F16 || type == GGML_TYPE_BF16 || ggml_is_quantized(type);
        if (!known || !(type == GGML_TYPE_F32 || ggml_get_type_traits(type)->to_float)) {
            fail(ICF_ERROR_UNSUPPORTED, "%s: tensor '%s' has type %s, which is not one for weights", file_->path().c_str(),
                 name.c_str(), ggml_type_name(type));
        }
    }
    return tensor;
}

void TensorStore::check_finite(const ggml_tensor * tensor) const {
    std::vector<float> values(static_cast<size_t>(ggml_nelements(tensor)));
    ggml_backend_tensor_get(tensor, values.data(), 0, ggml_nbytes(tensor));
    for (float value : values) {
        if (!std::isfinite(value)) {
            fail(ICF_ERROR_FORMAT, "%s: tensor '%s' holds %g", file_->path().c_str(), tensor->name, static_cast<double>(value));
        }
    }
}

void TensorStore::check_unchanged() const {
    if (map_) {
        file_->handle().check_unchanged();
    }
}

// A vector (norm, bias) is always F32.
ggml_tensor * TensorStore::find_vector(const std::string & name, long long length) {
    ggml_tensor * tensor = find(name, length, 1);
    if (tensor && tensor->type != GGML_TYPE_F32) {
        fail(ICF_ERROR_UNSUPPORTED, "%s: tensor '%s' has type %s, only f32 is supported there", file_->path().c_str(),
             name.c_str(), ggml_type_name(tensor->type));
    }
    if (tensor) {
        check_finite(tensor);
    }
    return tensor;
}

static ggml_tensor * required(ggml_tensor * tensor, const GgufFile & file, const std::string & name) {
    if (!tensor) {
        fail(ICF_ERROR_FORMAT, "%s: tensor '%s' is missing", file.path().c_str(), name.c_str());
    }
    return tensor;
}

ggml_tensor * TensorStore::matrix(const std::string & name, long long n_in, long long n_out) {
    return required(find_matrix(name, n_in, n_out), *file_, name);
}

ggml_tensor * TensorStore::vector(const std::string & name, long long length) {
    return required(find_vector(name, length), *file_, name);
}

void TensorStore::ignore(const std::string & name) {
    const long long index = file_->find_tensor(name);
    if (index >= 0) {
        used_[static_cast<size_t>(index)] = true;
    }
}

void TensorStore::check_all_used() const {
    for (size_t i = 0; i < used_.size(); i++) {
        if (tensors_[i] && !used_[i]) {
            fail(ICF_ERROR_UNSUPPORTED, "%s: tensor '%s' is not known for architecture '%s'", file_->path().c_str(),
                 tensors_[i]->name, file_->string("general.architecture").value_or("").c_str());
        }
    }
}

} // namespace icf
