// A GGUF file: its metadata and list of tensors, read strictly. Everything in the file is untrusted: each length, count,
// type, shape and offset is checked against the file's size before it is used, so that no later stage has to.
#pragma once

#include "ggml.h"
#include "icf.h"

#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace icf {

// An open file descriptor, closed with its owner.
class FileHandle {
public:
    explicit FileHandle(const std::string & path);
    ~FileHandle();
    FileHandle(const FileHandle &) = delete;
    FileHandle & operator=(const FileHandle &) = delete;

    int descriptor() const { return descriptor_; }
    uint64_t size() const { return size_; }

    // Reads exactly `count` bytes; a file that has become shorter is ICF_ERROR_IO.
    void read(uint64_t offset, void * target, size_t count) const;

    // ICF_ERROR_IO if the file has another size or time of modification than when it was opened.
    void check_unchanged() const;

private:
    std::string path_;
    int descriptor_;
    uint64_t size_;
    timespec modified_;
};

struct TensorEntry {
    std::string name;
    ggml_type type;
    int n_dims;
    int64_t ne[GGML_MAX_DIMS];
    uint64_t offset; // from the start of the data
    uint64_t bytes;
};

// Whether a tensor of that name is half of a low-rank adapter's pair: the weight's name with one of these behind it.
constexpr std::string_view adapter_suffix_a = ".lora_a";
constexpr std::string_view adapter_suffix_b = ".lora_b";
bool is_adapter_tensor(std::string_view name);

class GgufFile {
public:
    explicit GgufFile(const std::string & path);

    const std::string & path() const { return path_; }
    const FileHandle & handle() const { return handle_; }
    uint32_t version() const { return version_; }
    uint64_t data_offset() const { return data_offset_; }
    uint64_t alignment() const { return alignment_; }

    // Keys, by index. A wrong index or kind is ICF_ERROR_ARGUMENT.
    long long key_count() const { return static_cast<long long>(keys_.size()); }
    long long find_key(std::string_view name) const; // -1: none
    const char * key_name(long long key) const;
    icf_value_kind key_kind(long long key) const;
    bool key_is_array(long long key) const;
    long long key_length(long long key) const;
    long long integer_at(long long key, long long element) const;
    double number_at(long long key, long long element) const;
    std::string_view text_at(long long key, long long element) const;

    // A key's value as it lies in the file, and the number of its type there.
    uint32_t key_file_type(long long key) const;
    std::string_view key_bytes(long long key) const;

    // Keys, by name: nothing where the file has none; another kind than asked for is ICF_ERROR_FORMAT.
    std::optional<long long> integer(const std::string & name) const;
    std::optional<double> number(const std::string & name) const;
    std::optional<std::string> string(const std::string & name) const;

    const std::vector<TensorEntry> & tensors() const { return tensors_; }
    long long find_tensor(std::string_view name) const; // -1: none
    ggml_type main_type() const;                        // that of most bytes, adapters left out

    // Bytes first … first + count - 1 of a tensor's data. ICF_ERROR_IO if the file was written to since it was opened.
    void read_tensor(const TensorEntry & tensor, uint64_t first, void * target, size_t count) const;

private:
    struct Key {
        std::string name;
        uint32_t type; // of the elements
        bool is_array;
        uint64_t count;
        size_t value;                // where its value begins in metadata_
        size_t begin;                // of the first element
        size_t end;                  // of the value
        std::vector<uint32_t> texts; // where each text's length stands in metadata_
    };

    class Parser;

    const Key & key_at(long long key) const;
    const Key * scalar(const std::string & name, bool (*accepts)(icf_value_kind)) const;
    void index_names();
    void check_tensors() const;

    std::string path_;
    FileHandle handle_;
    std::vector<char> metadata_; // the file up to the end of the tensor list
    uint32_t version_ = 0;
    uint64_t alignment_ = 32;
    uint64_t data_offset_ = 0;
    std::vector<Key> keys_;
    std::vector<TensorEntry> tensors_;
    std::unordered_map<std::string_view, size_t> key_index_;
    std::unordered_map<std::string_view, size_t> tensor_index_;
};

} // namespace icf
