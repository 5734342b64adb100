#include "kernels/kernels.h"

namespace icf {

AttentionMemory::AttentionMemory(const Kernels & kernels, int n_embd_head_, int n_head_kv_, int n_positions)
    : n_embd_head(n_embd_head_), n_head_kv(n_head_kv_),
      capacity((n_positions + kernels.position_tile - 1) / kernels.position_tile * kernels.position_tile),
      keys(make_aligned<float>(static_cast<size_t>(n_head_kv) * capacity * n_embd_head)),
      values(make_aligned<float>(static_cast<size_t>(n_head_kv) * capacity * n_embd_head)) {}

const std::vector<const Kernels *> & all_kernels() {
    static const std::vector<const Kernels *> all = {
#if defined(__x86_64__)
        &avx512_vnni_kernels,
#endif
        &plain_kernels,
    };
    return all;
}

static const Kernels * choose_kernels() {
    for (const Kernels * kernels : all_kernels()) {
        if (kernels->pays && kernels->supported()) {
            return kernels;
        }
    }
    return nullptr;
}

const Kernels * best_kernels() {
    static const Kernels * best = choose_kernels();
    return best;
}

} // namespace icf
