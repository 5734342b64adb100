// What the fuzz targets share. A target defines LLVMFuzzerTestOneInput, for libFuzzer (-DICF_FUZZ=ON with clang) or for
// driver.cpp, which runs given files.
#pragma once

#include "icf.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include <sys/mman.h>
#include <unistd.h>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t * data, size_t size);

namespace fuzz {

// Ends the process where a promise of icf.h is broken, as a crash would.
inline void promise(bool holds, const char * what) {
    if (!holds) {
        fprintf(stderr, "broken promise: %s\n", what);
        abort();
    }
}

// A failing call names its reason, and never a defect of the library.
inline bool succeeded(icf_status status, const icf_error & error) {
    if (status != ICF_OK) {
        promise(error.status == status && error.message[0] != '\0', "a failing call fills its error");
        promise(status != ICF_ERROR_INTERNAL, "no input is an internal error");
    }
    return status == ICF_OK;
}

// A file in memory that holds the given bytes.
class MemoryFile {
public:
    MemoryFile(const void * bytes, size_t count) : descriptor_(memfd_create("fuzz", MFD_CLOEXEC)) {
        promise(descriptor_ >= 0 && write(descriptor_, bytes, count) == static_cast<ssize_t>(count),
                "a memory file can be made");
    }
    ~MemoryFile() { close(descriptor_); }
    MemoryFile(const MemoryFile &) = delete;
    MemoryFile & operator=(const MemoryFile &) = delete;

    std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

private:
    int descriptor_;
};

// Bytes to decide with; zeros when they are used up.
class Bytes {
public:
    Bytes(const uint8_t * data, size_t size) : data_(data), size_(size) {}

    bool empty() const { return at_ >= size_; }
    uint8_t next() { return at_ < size_ ? data_[at_++] : 0; }
    int below(int n) { return next() % n; }

    // Mostly small, now and then extreme.
    long long number() {
        static const long long extremes[] = {-1,        INT32_MAX, INT32_MIN, INT64_MAX,
                                             INT64_MIN, 1LL << 32, 1LL << 40, (1 << 20) + 1};
        const uint8_t b = next();
        return b < 240 ? b % 24 : extremes[b % 8];
    }

private:
    const uint8_t * data_;
    size_t size_;
    size_t at_ = 0;
};

inline icf_model * open_model(const std::string & path) {
    icf_model_options options;
    icf_model_options_init(&options);
    options.device = 0;
    icf_model * model = nullptr;
    icf_error error = {ICF_OK, ""};
    succeeded(icf_model_open(path.c_str(), &options, &model, &error), error);
    promise(model != nullptr, "the fixture opens");
    return model;
}

} // namespace fuzz
