#include "gguf_file.h"

#include "error.h"
#include "utf8.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <map>
#include <sys/stat.h>
#include <unistd.h>

namespace icf {

// ---- The file ----

FileHandle::FileHandle(const std::string & path) : path_(path) {
    descriptor_ = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK); // a pipe would wait for a writer
    if (descriptor_ < 0) {
        fail(ICF_ERROR_IO, "%s: cannot open: %s", path.c_str(), strerror(errno));
    }
    struct stat status;
    if (fstat(descriptor_, &status) != 0 || !S_ISREG(status.st_mode)) {
        close(descriptor_);
        fail(ICF_ERROR_IO, "%s: not a regular file", path.c_str());
    }
    size_ = static_cast<uint64_t>(status.st_size);
    modified_ = status.st_mtim;
}

FileHandle::~FileHandle() {
    close(descriptor_);
}

void FileHandle::read(uint64_t offset, void * target, size_t count) const {
    char * bytes = static_cast<char *>(target);
    while (count > 0) {
        const ssize_t got = pread(descriptor_, bytes, std::min<size_t>(count, 1u << 30), static_cast<off_t>(offset));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            fail(ICF_ERROR_IO, "%s: cannot read: %s", path_.c_str(), strerror(errno));
        }
        if (got == 0) {
            fail(ICF_ERROR_IO, "%s: the file ends at byte %llu, more was expected", path_.c_str(),
                 static_cast<unsigned long long>(offset));
        }
        bytes += got;
        offset += static_cast<uint64_t>(got);
        count -= static_cast<size_t>(got);
    }
}

void FileHandle::check_unchanged() const {
    struct stat status;
    if (fstat(descriptor_, &status) != 0 || static_cast<uint64_t>(status.st_size) != size_ ||
        status.st_mtim.tv_sec != modified_.tv_sec || status.st_mtim.tv_nsec != modified_.tv_nsec) {
        fail(ICF_ERROR_IO, "%s: changed on disk while it is in use", path_.c_str());
    }
}

// ---- Parsing ----

// Value types of the GGUF specification.
enum : uint32_t {
    TYPE_UINT8,
    TYPE_INT8,
    TYPE_UINT16,
    TYPE_INT16,
    TYPE_UINT32,
    TYPE_INT32,
    TYPE_FLOAT32,
    TYPE_BOOL,
    TYPE_STRING,
    TYPE_ARRAY,
    TYPE_UINT64,
    TYPE_INT64,
    TYPE_FLOAT64,
    TYPE_COUNT
};

static const size_t type_bytes[TYPE_COUNT] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

static icf_value_kind kind_of(uint32_t type) {
    switch (type) {
        case TYPE_STRING: return ICF_VALUE_TEXT;
        case TYPE_BOOL: return ICF_VALUE_BOOL;
        case TYPE_FLOAT32:
        case TYPE_FLOAT64: return ICF_VALUE_FLOAT;
        default: return ICF_VALUE_INTEGER;
    }
}

// Beyond any model there is; what a file can make this library allocate stays in proportion to its size.
static const uint64_t max_metadata = 64 << 20;
static const uint64_t max_keys = 1 << 16;
static const uint64_t max_tensors = 1 << 16;

// Reads the file from its start, keeping what it has read in file.metadata_. It never asks for a byte beyond the file, so
// that a count or length that lies costs no more memory than the file is long.
class GgufFile::Parser {
public:
    explicit Parser(GgufFile & file) : file_(file) {}

    void parse() {
        read_header();
        for (uint64_t i = 0; i < n_keys_; i++) {
            read_key();
        }
        read_alignment();
        for (uint64_t i = 0; i < n_tensors_; i++) {
            read_tensor();
        }
        file_.metadata_.resize(position_);
        if (file_.metadata_.capacity() - position_ > position_ / 4) {
            file_.metadata_.shrink_to_fit();
        }
        file_.data_offset_ = (position_ + file_.alignment_ - 1) / file_.alignment_ * file_.alignment_;
    }

private:
    [[noreturn]] void refuse(const std::string & reason) const {
        fail(ICF_ERROR_FORMAT, "%s: not a valid GGUF file: %s", file_.path_.c_str(), reason.c_str());
    }

    // Makes `count` bytes from the current position available, and moves past them.
    const char * take(uint64_t count) {
        const uint64_t size = file_.handle_.size();
        if (count > size - position_) {
            refuse(text("it ends within its metadata, at byte %llu", static_cast<unsigned long long>(size)));
        }
        if (count > max_metadata - position_) {
            refuse("it has more than 64 MiB of metadata");
        }
        const size_t end = position_ + static_cast<size_t>(count);
        std::vector<char> & bytes = file_.metadata_;
        if (end > bytes.size()) {
            const size_t have = bytes.size();
            const size_t want = std::min<uint64_t>(size, std::max<uint64_t>({end, 2 * uint64_t(have), 64 * 1024}));
            bytes.resize(want);
            file_.handle_.read(have, bytes.data() + have, want - have);
        }
        const char * taken = bytes.data() + position_;
        position_ = end;
        return taken;
    }

    template <typename T> T take_value() {
        T value;
        memcpy(&value, take(sizeof(T)), sizeof(T));
        return value;
    }

    std::string_view take_string() {
        const uint64_t length = take_value<uint64_t>();
        const char * bytes = take(length);
        return {bytes, static_cast<size_t>(length)};
    }

    static bool is_proper_name(const std::string & name) { return name.find('\0') == std::string::npos && is_utf8(name); }

    void read_header() {
        if (file_.handle_.size() < 24 || memcmp(take(4), "GGUF", 4) != 0) {
            fail(ICF_ERROR_FORMAT, "%s: not a GGUF file", file_.path_.c_str());
        }
        file_.version_ = take_value<uint32_t>();
        if (file_.version_ < 2 || file_.version_ > 3) {
            const bool swapped = (file_.version_ & 0xFFFF) == 0;
            fail(ICF_ERROR_UNSUPPORTED, "%s: GGUF version %u is not supported (2 and 3 are)%s", file_.path_.c_str(),
                 file_.version_, swapped ? "; the file is for a machine of the other byte order" : "");
        }
        n_tensors_ = take_value<uint64_t>();
        n_keys_ = take_value<uint64_t>();
        if (n_keys_ > max_keys || n_tensors_ > max_tensors) {
            refuse(text("it claims %llu keys and %llu tensors", static_cast<unsigned long long>(n_keys_),
                        static_cast<unsigned long long>(n_tensors_)));
        }
    }

    void read_key() {
        Key key;
        key.name = std::string(take_string());
        if (key.name.empty() || !is_proper_name(key.name)) {
            refuse("a key without a proper name");
        }
        key.type = take_value<uint32_t>();
        key.value = position_;
        key.is_array = key.type == TYPE_ARRAY;
        key.count = 1;
        if (key.is_array) {
            key.type = take_value<uint32_t>();
            key.count = take_value<uint64_t>();
        }
        if (key.type >= TYPE_COUNT || key.type == TYPE_ARRAY) {
            refuse(text("key '%s' has a value of unknown type %u", key.name.c_str(), key.type));
        }
        key.begin = position_;
        const size_t least_bytes = key.type == TYPE_STRING ? sizeof(uint64_t) : type_bytes[key.type];
        if (key.count > (file_.handle_.size() - position_) / least_bytes) {
            refuse(text("key '%s' is longer than the file", key.name.c_str()));
        }
        if (key.type == TYPE_STRING) {
            read_texts(key);
        } else {
            take(key.count * type_bytes[key.type]);
        }
        key.end = position_;
        file_.keys_.push_back(std::move(key));
    }

    void read_texts(Key & key) {
        key.texts.reserve(std::min(key.count, max_metadata / sizeof(uint64_t)));
        for (uint64_t i = 0; i < key.count; i++) {
            key.texts.push_back(static_cast<uint32_t>(position_));
            take_string();
        }
    }

    void read_alignment() {
        for (const Key & key : file_.keys_) {
            if (key.name == "general.alignment") {
                if (key.type != TYPE_UINT32 || key.is_array) {
                    refuse("general.alignment is not a 32-bit unsigned integer");
                }
                uint32_t alignment;
                memcpy(&alignment, file_.metadata_.data() + key.begin, sizeof(alignment));
                if (alignment == 0 || (alignment & (alignment - 1)) != 0 || alignment > (1u << 20)) {
                    refuse(text("general.alignment %u is not a power of two up to 1048576", alignment));
                }
                file_.alignment_ = alignment;
            }
        }
    }

    void read_tensor() {
        TensorEntry tensor;
        tensor.name = std::string(take_string());
        const char * name = tensor.name.c_str();
        if (tensor.name.empty() || tensor.name.size() >= GGML_MAX_NAME) {
            refuse(text("a tensor's name has %zu bytes, 1 to %d are allowed", tensor.name.size(), GGML_MAX_NAME - 1));
        }
        if (!is_proper_name(tensor.name)) {
            refuse("a tensor without a proper name");
        }
        const uint32_t n_dims = take_value<uint32_t>();
        if (n_dims < 1 || n_dims > GGML_MAX_DIMS) {
            refuse(text("tensor '%s' has %u dimensions", name, n_dims));
        }
        tensor.n_dims = static_cast<int>(n_dims);
        for (uint32_t i = 0; i < GGML_MAX_DIMS; i++) {
            tensor.ne[i] = i < n_dims ? take_value<int64_t>() : 1;
        }
        const uint32_t type = take_value<uint32_t>();
        tensor.offset = take_value<uint64_t>();
        if (type >= GGML_TYPE_COUNT || ggml_type_size(static_cast<ggml_type>(type)) == 0 ||
            ggml_blck_size(static_cast<ggml_type>(type)) == 0) {
            refuse(text("tensor '%s' has unknown type %u", name, type));
        }
        tensor.type = static_cast<ggml_type>(type);
        tensor.bytes = tensor_bytes(tensor);
        file_.tensors_.push_back(std::move(tensor));
    }

    // Bytes of the tensor's data; a product that would wrap is refused.
    uint64_t tensor_bytes(const TensorEntry & tensor) const {
        const int64_t block = ggml_blck_size(tensor.type);
        if (tensor.ne[0] < 1 || tensor.ne[0] % block != 0) {
            refuse(text("tensor '%s' has rows of %lld elements, its type %s has blocks of %lld", tensor.name.c_str(),
                        static_cast<long long>(tensor.ne[0]), ggml_type_name(tensor.type), static_cast<long long>(block)));
        }
        uint64_t bytes = static_cast<uint64_t>(tensor.ne[0] / block);
        const uint64_t factors[] = {ggml_type_size(tensor.type), uint64_t(tensor.ne[1]), uint64_t(tensor.ne[2]),
                                    uint64_t(tensor.ne[3])};
        for (uint64_t factor : factors) {
            // More than 2^62 bytes, or a dimension that is zero or negative.
            if (factor == 0 || factor > (uint64_t(1) << 62) / bytes) {
                refuse(text("tensor '%s' has an impossible shape", tensor.name.c_str()));
            }
            bytes *= factor;
        }
        return bytes;
    }

    GgufFile & file_;
    size_t position_ = 0;
    uint64_t n_keys_ = 0;
    uint64_t n_tensors_ = 0;
};

GgufFile::GgufFile(const std::string & path) : path_(path), handle_(path) {
    Parser(*this).parse();
    index_names();
    check_tensors();
}

void GgufFile::index_names() {
    for (size_t i = 0; i < keys_.size(); i++) {
        if (!key_index_.emplace(keys_[i].name, i).second) {
            fail(ICF_ERROR_FORMAT, "%s: not a valid GGUF file: key '%s' is there twice", path_.c_str(), keys_[i].name.c_str());
        }
    }
    for (size_t i = 0; i < tensors_.size(); i++) {
        if (!tensor_index_.emplace(tensors_[i].name, i).second) {
            fail(ICF_ERROR_FORMAT, "%s: not a valid GGUF file: tensor '%s' is there twice", path_.c_str(),
                 tensors_[i].name.c_str());
        }
    }
}

// Every tensor lies aligned and whole within the file, and none overlaps another or leaves a hole before it.
void GgufFile::check_tensors() const {
    std::vector<const TensorEntry *> by_offset;
    for (const TensorEntry & tensor : tensors_) {
        by_offset.push_back(&tensor);
    }
    std::sort(by_offset.begin(), by_offset.end(),
              [](const TensorEntry * a, const TensorEntry * b) { return a->offset < b->offset; });
    const uint64_t available = handle_.size() > data_offset_ ? handle_.size() - data_offset_ : 0;
    uint64_t end = 0; // of the tensor before
    for (const TensorEntry * tensor : by_offset) {
        const char * name = tensor->name.c_str();
        if (tensor->offset % alignment_ != 0) {
            fail(ICF_ERROR_FORMAT, "%s: not a valid GGUF file: tensor '%s' is not aligned to %llu bytes", path_.c_str(), name,
                 static_cast<unsigned long long>(alignment_));
        }
        if (tensor->offset < end || tensor->offset - end >= alignment_) {
            fail(ICF_ERROR_FORMAT, "%s: not a valid GGUF file: tensor '%s' %s", path_.c_str(), name,
                 tensor->offset < end ? "overlaps another" : "leaves a hole before it");
        }
        if (tensor->offset > available || tensor->bytes > available - tensor->offset) {
            fail(ICF_ERROR_FORMAT, "%s: truncated: the data of tensor '%s' ends beyond the file", path_.c_str(), name);
        }
        end = tensor->offset + tensor->bytes;
    }
}

// ---- Keys ----

const GgufFile::Key & GgufFile::key_at(long long key) const {
    if (key < 0 || key >= key_count()) {
        fail(ICF_ERROR_ARGUMENT, "key index %lld is not in 0 … %lld", key, key_count() - 1);
    }
    return keys_[static_cast<size_t>(key)];
}

long long GgufFile::find_key(std::string_view name) const {
    const auto found = key_index_.find(name);
    return found == key_index_.end() ? -1 : static_cast<long long>(found->second);
}

const char * GgufFile::key_name(long long key) const {
    return key_at(key).name.c_str();
}

icf_value_kind GgufFile::key_kind(long long key) const {
    return kind_of(key_at(key).type);
}

bool GgufFile::key_is_array(long long key) const {
    return key_at(key).is_array;
}

long long GgufFile::key_length(long long key) const {
    return static_cast<long long>(key_at(key).count);
}

uint32_t GgufFile::key_file_type(long long key) const {
    return key_at(key).is_array ? static_cast<uint32_t>(TYPE_ARRAY) : key_at(key).type;
}

std::string_view GgufFile::key_bytes(long long key) const {
    return {metadata_.data() + key_at(key).value, key_at(key).end - key_at(key).value};
}

template <typename T> static T load(const char * bytes) {
    T value;
    memcpy(&value, bytes, sizeof(T));
    return value;
}

static void check_element(const std::string & name, long long element, uint64_t count) {
    if (element < 0 || static_cast<uint64_t>(element) >= count) {
        fail(ICF_ERROR_ARGUMENT, "key '%s' has no element %lld", name.c_str(), element);
    }
}

long long GgufFile::integer_at(long long index, long long element) const {
    const Key & key = key_at(index);
    check_element(key.name, element, key.count);
    const char * at = metadata_.data() + key.begin + static_cast<size_t>(element) * type_bytes[key.type];
    switch (key.type) {
        case TYPE_BOOL: return load<uint8_t>(at) != 0;
        case TYPE_UINT8: return load<uint8_t>(at);
        case TYPE_INT8: return load<int8_t>(at);
        case TYPE_UINT16: return load<uint16_t>(at);
        case TYPE_INT16: return load<int16_t>(at);
        case TYPE_UINT32: return load<uint32_t>(at);
        case TYPE_INT32: return load<int32_t>(at);
        case TYPE_INT64: return load<int64_t>(at);
        case TYPE_UINT64: return static_cast<long long>(load<uint64_t>(at));
        default: fail(ICF_ERROR_ARGUMENT, "key '%s' does not hold integers", key.name.c_str());
    }
}

double GgufFile::number_at(long long index, long long element) const {
    const Key & key = key_at(index);
    if (key.type != TYPE_FLOAT32 && key.type != TYPE_FLOAT64) {
        return static_cast<double>(integer_at(index, element));
    }
    check_element(key.name, element, key.count);
    const char * at = metadata_.data() + key.begin + static_cast<size_t>(element) * type_bytes[key.type];
    return key.type == TYPE_FLOAT32 ? static_cast<double>(load<float>(at)) : load<double>(at);
}

std::string_view GgufFile::text_at(long long index, long long element) const {
    const Key & key = key_at(index);
    if (key.type != TYPE_STRING) {
        fail(ICF_ERROR_ARGUMENT, "key '%s' does not hold texts", key.name.c_str());
    }
    check_element(key.name, element, key.count);
    const char * at = metadata_.data() + key.texts[static_cast<size_t>(element)];
    return {at + sizeof(uint64_t), static_cast<size_t>(load<uint64_t>(at))};
}

const GgufFile::Key * GgufFile::scalar(const std::string & name, bool (*accepts)(icf_value_kind)) const {
    const long long index = find_key(name);
    if (index < 0) {
        return nullptr;
    }
    const Key & key = key_at(index);
    if (key.is_array || !accepts(kind_of(key.type))) {
        fail(ICF_ERROR_FORMAT, "%s: key '%s' has a value of the wrong type", path_.c_str(), name.c_str());
    }
    return &key;
}

std::optional<long long> GgufFile::integer(const std::string & name) const {
    const auto accepts = [](icf_value_kind kind) { return kind == ICF_VALUE_INTEGER || kind == ICF_VALUE_BOOL; };
    return scalar(name, accepts) ? std::optional(integer_at(find_key(name), 0)) : std::nullopt;
}

std::optional<double> GgufFile::number(const std::string & name) const {
    const auto accepts = [](icf_value_kind kind) { return kind == ICF_VALUE_INTEGER || kind == ICF_VALUE_FLOAT; };
    return scalar(name, accepts) ? std::optional(number_at(find_key(name), 0)) : std::nullopt;
}

std::optional<std::string> GgufFile::string(const std::string & name) const {
    const auto accepts = [](icf_value_kind kind) { return kind == ICF_VALUE_TEXT; };
    return scalar(name, accepts) ? std::optional(std::string(text_at(find_key(name), 0))) : std::nullopt;
}

long long GgufFile::find_tensor(std::string_view name) const {
    const auto found = tensor_index_.find(name);
    return found == tensor_index_.end() ? -1 : static_cast<long long>(found->second);
}

bool is_adapter_tensor(std::string_view name) {
    const auto ends_with = [&](std::string_view suffix) {
        return name.size() > suffix.size() && name.substr(name.size() - suffix.size()) == suffix;
    };
    return ends_with(adapter_suffix_a) || ends_with(adapter_suffix_b);
}

ggml_type GgufFile::main_type() const {
    std::map<ggml_type, uint64_t> bytes;
    ggml_type most = GGML_TYPE_F32;
    for (const TensorEntry & entry : tensors_) {
        if (is_adapter_tensor(entry.name)) {
            continue;
        }
        bytes[entry.type] += entry.bytes;
        if (bytes[entry.type] >= bytes[most]) {
            most = entry.type;
        }
    }
    return most;
}

void GgufFile::read_tensor(const TensorEntry & tensor, uint64_t first, void * target, size_t count) const {
    handle_.check_unchanged();
    handle_.read(data_offset_ + tensor.offset + first, target, count);
}

} // namespace icf
