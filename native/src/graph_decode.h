// The graph of one batch through the layers of a decoder that one device computes.
#pragma once

#include "arch/layer_graph.h"

namespace icf {

// Upper bound of the tensors and operations in a graph.
size_t decode_graph_nodes(const DecoderParams & params, size_t n_adapters = 0);

// Begins a graph; the caller allocates it, fills the inputs and computes. What `parts` refers to must live as long. The last
// layers go on to the outputs.
DecodeGraph build_decode_graph(GraphRunner & runner, const DecodeParts & parts, const DecoderWeights & weights,
                               const LayerRange & layers, const DecodeShape & shape);

} // namespace icf
