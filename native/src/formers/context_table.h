// What each token contributes to the keys and values of an IC-Former: since its layers read the raw word embeddings, that
// depends on the token alone, W · rmsnorm(E[token]), and is computed once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace icf {

class ContextTable {
public:
    // Rows of row_length elements, F16 or F32. The memory is reserved, and taken page by page as rows are filled.
    ContextTable(size_t n_rows, size_t row_length, bool is_f16);
    ~ContextTable();
    ContextTable(const ContextTable &) = delete;
    ContextTable & operator=(const ContextTable &) = delete;

    bool is_f16() const { return is_f16_; }
    size_t n_filled() const { return n_filled_; }
    size_t bytes() const { return n_rows_ * row_bytes_; }
    bool has(size_t row) const { return filled_[row]; }
    const void * row(size_t row) const { return data_ + row * row_bytes_; }

    void fill(size_t row, const float * values);

    static size_t bytes_for(size_t n_rows, size_t row_length, bool is_f16) {
        return n_rows * row_length * (is_f16 ? sizeof(uint16_t) : sizeof(float));
    }

private:
    size_t n_rows_;
    size_t row_length_;
    bool is_f16_;
    size_t row_bytes_;
    std::vector<bool> filled_;
    size_t n_filled_ = 0;
    char * data_;
};

} // namespace icf
