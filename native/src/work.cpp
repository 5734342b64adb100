#include "work.h"

namespace icf {

long long product_bytes(const DecoderWeights & weights, const LayerRange & layers) {
    size_t bytes = layers.end == static_cast<int>(weights.layers.size()) ? ggml_nbytes(weights.output) : 0;
    for (int i = layers.first; i < layers.end; i++) {
        for (const ggml_tensor * matrix : weights.layers[static_cast<size_t>(i)].matrices()) {
            bytes += ggml_nbytes(matrix);
        }
    }
    return static_cast<long long>(bytes);
}

long long cache_bytes(const DecoderParams & p, long long n_ctx) {
    return 2 * n_ctx * p.n_embd_kv() * static_cast<long long>(sizeof(ggml_fp16_t));
}

long long batch_bytes(const DecoderParams & p, long long n_rows, long long n_ctx) {
    const long long widths = 4LL * p.n_embd + 2LL * p.n_embd_q() + 2LL * p.n_embd_kv() + 3LL * p.n_ff + p.n_vocab;
    return n_rows * (widths * static_cast<long long>(sizeof(float)) + static_cast<long long>(sizeof(ggml_fp16_t)) * n_ctx);
}

size_t chunk_bytes(const FormerParams & p, int n) {
    const size_t rows = static_cast<size_t>(n + p.n_digest) * p.n_embd * 6;
    return (rows + static_cast<size_t>(p.n_digest) * p.n_ff * 4) * sizeof(float);
}

} // namespace icf
