// Memory that is read from end to end, again and again.
#pragma once

#include <cstddef>
#include <memory>

namespace icf {

struct FreeDeleter {
    void operator()(void * memory) const;
};
template <typename T> using AlignedPtr = std::unique_ptr<T[], FreeDeleter>;

// Memory aligned to a cache line, in large pages where it fills some, filled with zeros. Throws std::bad_alloc.
void * allocate_aligned(size_t bytes);
template <typename T> AlignedPtr<T> make_aligned(size_t count) {
    return AlignedPtr<T>(static_cast<T *>(allocate_aligned(count * sizeof(T))));
}

// Asks the system for large pages there, before the memory is written to for the first time. Weights are streamed through
// once per token: with the usual pages of 4 KiB, looking their addresses up costs as much as the bytes.
void advise_large_pages(void * memory, size_t bytes);

} // namespace icf
