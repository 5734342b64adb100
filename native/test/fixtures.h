// What the tests work on: files of models/fixtures, handles that close themselves, temporary folders, and comparisons.
#pragma once

#include "check.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <stdlib.h>

#if defined(__has_feature)
#define ICF_TEST_HAS_FEATURE(feature) __has_feature(feature)
#else
#define ICF_TEST_HAS_FEATURE(feature) 0
#endif

namespace test {

// Sanitizers change memory use and speed: what is measured is then not checked, and long loops are shorter.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || ICF_TEST_HAS_FEATURE(address_sanitizer) ||                \
    ICF_TEST_HAS_FEATURE(thread_sanitizer)
const bool sanitized = true;
#else
const bool sanitized = false;
#endif

// ---- Files ----

inline std::string fixture(const std::string & name) {
    return std::string(ICF_PROJECT_DIR) + "/models/fixtures/" + name;
}

// Names of the fixtures of a kind, "former" or "decoder", without folder and ending: "former-gqa".
inline std::vector<std::string> fixtures(const std::string & kind) {
    std::vector<std::string> names;
    for (const auto & entry : std::filesystem::directory_iterator(fixture(""))) {
        const std::string name = entry.path().stem().string();
        if (entry.path().extension() == ".gguf" && name.rfind(kind + "-", 0) == 0) {
            names.push_back(name);
        }
    }
    std::sort(names.begin(), names.end());
    REQUIRE(!names.empty());
    return names;
}

inline std::string read_file(const std::string & path) {
    std::ifstream file(path, std::ios::binary);
    REQUIRE(file.good());
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

inline void write_file(const std::string & path, const std::string & bytes) {
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    file.close();
    REQUIRE(!file.fail());
}

// A folder that is removed with its owner.
class TempFolder {
public:
    TempFolder() {
        std::string pattern = (std::filesystem::temp_directory_path() / "icf-test-XXXXXX").string();
        REQUIRE(mkdtemp(pattern.data()));
        path_ = pattern;
    }
    ~TempFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    TempFolder(const TempFolder &) = delete;
    TempFolder & operator=(const TempFolder &) = delete;

    std::string file(const std::string & name) const { return path_ + "/" + name; }

    // A new file, so that what maps the one that had this name keeps it.
    std::string write(const std::string & name, const std::string & bytes) const {
        std::filesystem::remove(file(name));
        write_file(file(name), bytes);
        return file(name);
    }

private:
    std::string path_;
};

// ---- Tensors of a safetensors file ----

struct Array {
    std::vector<long long> shape;
    std::vector<float> floats;     // of F32
    std::vector<int32_t> integers; // of I32 and I64
};

// Reads what numpy's writer writes: {"name":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}, …} and the data.
class Safetensors {
public:
    explicit Safetensors(const std::string & path) : bytes_(read_file(path)) {
        uint64_t length = 0;
        REQUIRE(bytes_.size() > 8);
        memcpy(&length, bytes_.data(), 8);
        REQUIRE(length <= bytes_.size() - 8);
        data_ = 8 + static_cast<size_t>(length);
        at_ = 8;
        read_header();
    }

    bool has(const std::string & name) const { return arrays_.count(name) > 0; }

    const Array & operator[](const std::string & name) const {
        const auto found = arrays_.find(name);
        CHECK_SAYING(found != arrays_.end(), "there is no tensor '%s'", name.c_str());
        REQUIRE(found != arrays_.end());
        return found->second;
    }

    const std::map<std::string, Array> & arrays() const { return arrays_; }

private:
    char peek() {
        while (at_ < data_ && (bytes_[at_] == ' ' || bytes_[at_] == '\n')) {
            at_++;
        }
        REQUIRE(at_ < data_);
        return bytes_[at_];
    }

    void expect(char c) {
        REQUIRE(peek() == c);
        at_++;
    }

    bool accept(char c) {
        const bool there = peek() == c;
        at_ += there;
        return there;
    }

    std::string text() {
        expect('"');
        const size_t end = bytes_.find('"', at_);
        REQUIRE(end < data_);
        const std::string value = bytes_.substr(at_, end - at_);
        at_ = end + 1;
        return value;
    }

    std::vector<long long> integers() {
        std::vector<long long> values;
        expect('[');
        while (!accept(']')) {
            values.push_back(std::stoll(bytes_.substr(at_, 20)));
            at_ = bytes_.find_first_of(",]", at_);
            accept(',');
        }
        return values;
    }

    void read_header() {
        expect('{');
        while (!accept('}')) {
            const std::string name = text();
            expect(':');
            read_entry(name);
            accept(',');
        }
    }

    void read_entry(const std::string & name) {
        std::string type;
        Array array;
        std::vector<long long> range;
        expect('{');
        while (!accept('}')) {
            const std::string field = text();
            expect(':');
            if (field == "shape") {
                array.shape = integers();
            } else if (field == "data_offsets") {
                range = integers();
            } else {
                type = text();
            }
            accept(',');
        }
        if (name != "__metadata__") {
            REQUIRE(range.size() == 2 && data_ + static_cast<size_t>(range[1]) <= bytes_.size());
            read_data(array, type, bytes_.data() + data_ + range[0], static_cast<size_t>(range[1] - range[0]));
            arrays_[name] = std::move(array);
        }
    }

    static void read_data(Array & array, const std::string & type, const char * source, size_t count) {
        if (type == "F32") {
            array.floats.resize(count / 4);
            memcpy(array.floats.data(), source, count);
        } else if (type == "I32") {
            array.integers.resize(count / 4);
            memcpy(array.integers.data(), source, count);
        } else {
            REQUIRE(type == "I64");
            for (size_t i = 0; i < count; i += 8) {
                long long value;
                memcpy(&value, source + i, 8);
                array.integers.push_back(static_cast<int32_t>(value));
            }
        }
    }

    std::string bytes_;
    size_t data_ = 0;
    size_t at_ = 0;
    std::map<std::string, Array> arrays_;
};

// ---- Comparisons ----

// Relative L2 that a device may cost beside the CPU in F32: CUDA multiplies in F16, Vulkan adds in F16, too.
inline double device_rounding(int device) {
    icf_device_info info;
    info.struct_size = sizeof(info);
    REQUIRE_OK(icf_device_describe(device, &info, &check_error));
    return std::string(info.name).rfind("Vulkan", 0) == 0 ? 2e-2 : 5e-3;
}

// What a result may be off by where the CPU's may be off by `on_cpu`. Other devices round more, and where the CPU gives the
// same bits again, they need not.
inline double tolerance(double on_cpu) {
    return check_device() == 0 ? on_cpu : std::max(on_cpu, device_rounding(check_device()));
}

// What rounding rows to 8 bits may cost a product with quantised weights, where the CPU's may cost `on_cpu`. CUDA pairs the
// minima of blocks (…_1, K types) with sums of the rows before rounding: what was rounded is then weighed by the weights'
// distance from their minimum, not from zero, which doubles its share.
inline double quantised_tolerance(int device, const std::string & type, double on_cpu) {
    static const char * const with_minima[] = {"q4_1", "q5_1", "q2_K", "q4_K", "q5_K"};
    const bool has_minima = std::find(std::begin(with_minima), std::end(with_minima), type) != std::end(with_minima);
    return device == 0 ? on_cpu : has_minima ? 0.2 : std::max(on_cpu, 0.1);
}

// |a - b| / |b| over all elements; NaN where one holds a NaN, infinite where the sizes differ.
inline double relative_l2(const std::vector<float> & a, const std::vector<float> & b) {
    if (a.size() != b.size()) {
        return INFINITY;
    }
    double difference = 0;
    double norm = 0;
    for (size_t i = 0; i < a.size(); i++) {
        difference += (double(a[i]) - b[i]) * (double(a[i]) - b[i]);
        norm += double(b[i]) * b[i];
    }
    return difference == 0 ? 0 : std::sqrt(difference / norm);
}

inline bool same_bits(const std::vector<float> & a, const std::vector<float> & b) {
    return a.size() == b.size() && memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// The same bits on the CPU; elsewhere, the same up to rounding.
inline bool same_result(const std::vector<float> & a, const std::vector<float> & b) {
    return same_bits(a, b) || (check_device() != 0 && relative_l2(a, b) <= tolerance(0));
}

// A reproducible number in [0, 1).
class Random {
public:
    explicit Random(uint64_t seed) : state_(seed) {}

    uint64_t bits() {
        state_ += 0x9e3779b97f4a7c15u;
        uint64_t x = state_;
        x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
        x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
        return x ^ (x >> 31);
    }
    double uniform() { return static_cast<double>(bits() >> 11) * 0x1.0p-53; }
    int below(int n) { return static_cast<int>(bits() % static_cast<uint64_t>(n)); }

    std::vector<float> floats(size_t count, double scale = 1.0) {
        std::vector<float> values(count);
        for (float & value : values) {
            value = static_cast<float>((2 * uniform() - 1) * scale);
        }
        return values;
    }

    std::vector<int32_t> tokens(size_t count, int n_vocab) {
        std::vector<int32_t> values(count);
        for (int32_t & value : values) {
            value = below(n_vocab);
        }
        return values;
    }

private:
    uint64_t state_;
};

// ---- Handles ----

struct Closer {
    void operator()(icf_gguf * file) const { icf_gguf_close(file); }
    void operator()(icf_model * model) const { icf_model_close(model); }
    void operator()(icf_digester * digester) const { icf_digester_close(digester); }
    void operator()(icf_session * session) const { icf_session_close(session); }
};
using GgufPtr = std::unique_ptr<icf_gguf, Closer>;
using ModelPtr = std::unique_ptr<icf_model, Closer>;
using DigesterPtr = std::unique_ptr<icf_digester, Closer>;
using SessionPtr = std::unique_ptr<icf_session, Closer>;

inline ModelPtr open_model(const std::string & path, int use_mmap = 1) {
    icf_model_options options;
    icf_model_options_init(&options);
    options.device = check_device();
    options.use_mmap = use_mmap;
    icf_model * model = nullptr;
    REQUIRE_OK(icf_model_open(path.c_str(), &options, &model, &check_error));
    return ModelPtr(model);
}

inline DigesterPtr open_digester(const std::string & path, icf_model * model = nullptr, int n_threads = 1, int use_mmap = 1) {
    icf_digester_options options;
    icf_digester_options_init(&options);
    options.device = check_device();
    options.n_threads = n_threads;
    options.use_mmap = use_mmap;
    icf_digester * digester = nullptr;
    REQUIRE_OK(icf_digester_open(path.c_str(), model, &options, &digester, &check_error));
    return DigesterPtr(digester);
}

struct SessionSetup {
    int n_ctx = 128;
    int n_batch = 0;
    int kv_type = ICF_TYPE_F32;
    int n_threads = 1;
};

inline SessionPtr open_session(icf_model * model, const SessionSetup & setup = {}) {
    icf_session_options options;
    icf_session_options_init(&options);
    options.n_threads = setup.n_threads;
    options.n_ctx = setup.n_ctx;
    options.n_batch = setup.n_batch;
    options.kv_type = setup.kv_type;
    icf_session * session = nullptr;
    REQUIRE_OK(icf_session_open(model, &options, &session, &check_error));
    return SessionPtr(session);
}

inline icf_model_info describe(const icf_model * model) {
    icf_model_info info;
    info.struct_size = sizeof(info);
    REQUIRE_OK(icf_model_describe(model, &info, &check_error));
    return info;
}

inline icf_digester_info describe(const icf_digester * digester) {
    icf_digester_info info;
    info.struct_size = sizeof(info);
    REQUIRE_OK(icf_digester_describe(digester, &info, &check_error));
    return info;
}

inline icf_session_info describe(const icf_session * session) {
    icf_session_info info;
    info.struct_size = sizeof(info);
    REQUIRE_OK(icf_session_describe(session, &info, &check_error));
    return info;
}

// ---- Work ----

// Logits [n, n_vocab] of all tokens, appended in batches of at most `step`.
inline std::vector<float> append_all(icf_session * session, int n_vocab, const std::vector<int32_t> & tokens,
                                     size_t step = 512) {
    std::vector<float> logits;
    for (size_t at = 0; at < tokens.size(); at += step) {
        const long long n = static_cast<long long>(std::min(step, tokens.size() - at));
        std::vector<float> part(static_cast<size_t>(n * n_vocab));
        CHECK_OK(icf_session_append_tokens(session, tokens.data() + at, n, n, ICF_OUTPUT_LOGITS, &check_error));
        CHECK_OK(icf_session_get_logits(session, 0, n, part.data(), static_cast<long long>(part.size()), &check_error));
        logits.insert(logits.end(), part.begin(), part.end());
    }
    return logits;
}

// The most likely continuation after what the session holds, whose last logits are there.
inline std::vector<int32_t> continue_greedily(icf_session * session, int count) {
    std::vector<int32_t> tokens;
    for (int i = 0; i < count; i++) {
        int32_t token = -1;
        CHECK_OK(icf_session_sample(session, nullptr, &token, &check_error));
        tokens.push_back(token);
        if (i + 1 < count) {
            CHECK_OK(icf_session_append_tokens(session, &token, 1, 1, ICF_OUTPUT_LOGITS, &check_error));
        }
    }
    return tokens;
}

// Digest rows of n context rows, divided evenly into chunks of at most max_chunk.
inline std::vector<float> digest_rows(icf_digester * digester, const float * context, long long n, long long max_chunk) {
    const icf_digester_info info = describe(digester);
    const long long size = icf_chunk_length(n, max_chunk);
    std::vector<float> rows;
    long long at = 0;
    do {
        std::vector<float> chunk(static_cast<size_t>(info.n_digest) * info.n_embd);
        CHECK_OK(icf_digester_run_rows(digester, context + at * info.n_embd, std::min(size, n - at), chunk.data(),
                                       static_cast<long long>(chunk.size()), &check_error));
        rows.insert(rows.end(), chunk.begin(), chunk.end());
        at += size;
    } while (at < n);
    return rows;
}

} // namespace test
