// An IC-Former's sizes and weights.
#pragma once

#include "hparams.h"
#include "layer.h"

#include <vector>

namespace icf {

struct FormerLayer : LayerWeights {
    ggml_tensor * context_norm; // [n_embd]; NULL in a self-attention layer
};

struct FormerWeights {
    ggml_tensor * digest_embd; // [n_embd, n_digest] F32
    ggml_tensor * output_norm; // [n_embd]
    ggml_tensor * marker_ft;   // [n_embd] F32, optional
    ggml_tensor * marker_ae;   // [n_embd] F32, optional
    std::vector<FormerLayer> layers;
};

// ICF_ERROR_UNSUPPORTED names an option that is not implemented, ICF_ERROR_FORMAT what is missing or contradicts itself.
FormerParams read_former_params(const GgufFile & file);

// Queries and keys in pairs (2i, 2i + 1) for RoPE: so all heads of a row can be rotated as one.
DeviceLayout former_layout(const FormerParams & params, const Device & device);

FormerWeights load_former_weights(TensorStore & store, const FormerParams & params);

} // namespace icf
