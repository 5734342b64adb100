// The tensors of a GGUF file on a device, by name and checked shape.
#pragma once

#include "backend.h"
#include "gguf_file.h"

#include <functional>
#include <map>
#include <memory>
#include <vector>

namespace icf {

// A read-only map of a file.
class FileMap {
public:
    explicit FileMap(const FileHandle & file);
    ~FileMap();
    FileMap(const FileMap &) = delete;
    FileMap & operator=(const FileMap &) = delete;

    const char * data() const { return static_cast<const char *>(data_); }
    size_t size() const { return size_; }

private:
    void * data_;
    size_t size_;
};

// How tensors that leave the CPU are laid down, where that is not as in the file.
struct DeviceLayout {
    bool widen_halves = false; // matrices in F16 become F32

    // Of a tensor's name, the rows of a head whose two halves are to be interleaved, 0: none. Heads that are rotated in pairs
    // (i, i + n/2) then are in pairs (2i, 2i + 1).
    std::function<long long(const std::string & name)> interleaved_rows;
};

// The tensors of a file on a device. On a CPU they are used in place in a map of the file, but for matrices that are asked to
// be repacked where that makes products faster; elsewhere they are copied.
class TensorStore {
public:
    // Says of a tensor's name that it stays on the CPU whatever the device.
    using OnHost = std::function<bool(const std::string & name)>;
    // Says of a tensor's name that it is the store's matter: the others are as if the file had none.
    using Wanted = std::function<bool(const std::string & name)>;

    TensorStore(std::shared_ptr<const GgufFile> file, int device, bool use_mmap, bool repack = false,
                const OnHost & on_host = nullptr, const Wanted & wanted = nullptr, DeviceLayout layout = {});

    // A second tensor with the data of one of the store's, on another device.
    ggml_tensor * copy(const ggml_tensor * tensor, int device);

    // The tensor of that name and shape. A missing one is ICF_ERROR_FORMAT, or NULL from `find`.
    ggml_tensor * matrix(const std::string & name, long long n_in, long long n_out);
    ggml_tensor * vector(const std::string & name, long long length);
    ggml_tensor * find_matrix(const std::string & name, long long n_in, long long n_out);
    ggml_tensor * find_vector(const std::string & name, long long length);

    // Gives back the memory of a mapped tensor that is not needed any more; a later look reads it from the file again.
    void release(const ggml_tensor * tensor) const;

    // A tensor that the architecture knows and does without.
    void ignore(const std::string & name);

    // ICF_ERROR_FORMAT if the tensor, which is F32, holds a NaN or an infinity. Vectors are checked when they are looked up.
    // Matrices are not: that would read the whole file, and what they do to a result is not a matter of safety.
    void check_finite(const ggml_tensor * tensor) const;

    // ICF_ERROR_IO if the file was written to since it was opened and its weights are used in place: what is computed from
    // them would be wrong, and touching a page beyond the end of a shortened file would end the process.
    void check_unchanged() const;

    // ICF_ERROR_UNSUPPORTED names a tensor that nobody has asked for: the file holds more than is implemented.
    void check_all_used() const;

    const GgufFile & file() const { return *file_; }
    long long bytes() const { return bytes_; }
    long long parameters() const { return parameters_; }
    ggml_type main_type() const { return file_->main_type(); }

private:
    ggml_tensor * find(const std::string & name, long long ne0, long long ne1);
    bool can_use_in_place() const;
    void place_in_map(ggml_backend_dev_t device);
    void copy_to(const Device & device, ggml_backend_buffer_type_t type, const std::vector<ggml_tensor *> & tensors);
    void place(const Device & device, ggml_backend_buffer_type_t type, ggml_tensor * const * tensors, size_t n, size_t bytes);
    void load(const Device & device, ggml_tensor * tensor, std::vector<char> & staging);
    size_t interleaved_bytes(const Device & device, const TensorEntry & entry) const;

    std::shared_ptr<const GgufFile> file_;
    DeviceLayout layout_;
    TensorContext context_;
    std::vector<ggml_tensor *> tensors_; // as in file_->tensors(); NULL where not wanted
    std::vector<std::unique_ptr<TensorContext>> copies_;
    std::vector<bool> used_;
    std::unique_ptr<FileMap> map_;
    std::vector<BufferPtr> buffers_;
    long long bytes_ = 0;
    long long parameters_ = 0;
};

} // namespace icf
