// How much a computation reads and holds, by formula.
#pragma once

#include "arch/decoder.h"

namespace icf {

// Bytes of the weights that every row is multiplied with in those layers and, after the last one, in the output matrix.
long long product_bytes(const DecoderWeights & weights, const LayerRange & layers);

// Bytes of a layer's KV cache of n_ctx positions in F16.
long long cache_bytes(const DecoderParams & params, long long n_ctx);

// Bytes that a batch of n_rows rows has in flight over n_ctx positions: its stream, queries, keys, values and MLP, the mask,
// and logits.
long long batch_bytes(const DecoderParams & params, long long n_rows, long long n_ctx);

// Bytes that a chunk of n rows has in flight in an IC-Former: keys and values of context and digests, the stream, the MLP.
size_t chunk_bytes(const FormerParams & params, int n);

} // namespace icf
