// Decoders: what every architecture has, and the list of them.
#pragma once

#include "hparams.h"
#include "layer.h"

#include <string>
#include <vector>

namespace icf {

struct Architecture;

struct DecoderLayer : LayerWeights {
    ggml_tensor * q_norm;       // [n_embd_head], optional (qwen3)
    ggml_tensor * k_norm;       // [n_embd_head], optional (qwen3)
    ggml_tensor * rope_factors; // [n_rot / 2], divide RoPE's frequencies; optional (Llama 3.1), of all layers
};

struct DecoderWeights {
    ggml_tensor * tok_embd;    // [n_embd, n_vocab]
    ggml_tensor * output_norm; // [n_embd]
    ggml_tensor * output;      // [n_embd, n_vocab]; tok_embd where the file has no own
    std::vector<DecoderLayer> layers;
};

// The architecture of that name; ICF_ERROR_UNSUPPORTED names those there are. `path` is the file that asks for it.
const Architecture & find_architecture(const std::string & name, const std::string & path);

// ICF_ERROR_UNSUPPORTED names an architecture or option that is not implemented, ICF_ERROR_FORMAT what is missing or
// contradicts itself.
DecoderParams read_decoder_params(const GgufFile & file);
DecoderWeights load_decoder_weights(TensorStore & store, const DecoderParams & params);

} // namespace icf
