#include "memory.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <sys/mman.h>

namespace icf {

static const size_t large_page = size_t(2) << 20;

void FreeDeleter::operator()(void * memory) const {
    free(memory);
}

void * allocate_aligned(size_t bytes) {
    const size_t alignment = bytes >= large_page ? large_page : 64;
    const size_t rounded = (std::max<size_t>(bytes, 1) + alignment - 1) / alignment * alignment;
    void * memory = aligned_alloc(alignment, rounded);
    if (!memory) {
        throw std::bad_alloc();
    }
    advise_large_pages(memory, rounded);
    memset(memory, 0, rounded);
    return memory;
}

void advise_large_pages(void * memory, size_t bytes) {
#ifdef MADV_HUGEPAGE
    const uintptr_t address = reinterpret_cast<uintptr_t>(memory);
    const uintptr_t begin = (address + large_page - 1) / large_page * large_page;
    const uintptr_t end = (address + bytes) / large_page * large_page;
    if (begin < end) {
        madvise(reinterpret_cast<void *>(begin), end - begin, MADV_HUGEPAGE);
    }
#else
    (void)memory, (void)bytes;
#endif
}

} // namespace icf
