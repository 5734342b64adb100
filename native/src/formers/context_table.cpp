#include "formers/context_table.h"

#include "error.h"

#include "ggml.h"

#include <cerrno>
#include <cstring>
#include <sys/mman.h>

namespace icf {

ContextTable::ContextTable(size_t n_rows, size_t row_length, bool is_f16)
    : n_rows_(n_rows), row_length_(row_length), is_f16_(is_f16), row_bytes_(bytes_for(1, row_length, is_f16)),
      filled_(n_rows, false) {
    void * memory = mmap(nullptr, bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        fail(ICF_ERROR_MEMORY, "out of memory: a table of %.1f MiB of keys and values cannot be reserved: %s",
             double(bytes()) / 1048576, strerror(errno));
    }
    data_ = static_cast<char *>(memory);
}

ContextTable::~ContextTable() {
    munmap(data_, bytes());
}

void ContextTable::fill(size_t row, const float * values) {
    char * target = data_ + row * row_bytes_;
    if (is_f16_) {
        ggml_fp32_to_fp16_row(values, reinterpret_cast<ggml_fp16_t *>(target), static_cast<int64_t>(row_length_));
    } else {
        memcpy(target, values, row_bytes_);
    }
    if (!filled_[row]) {
        filled_[row] = true;
        n_filled_++;
    }
}

} // namespace icf
