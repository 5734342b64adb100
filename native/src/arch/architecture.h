// What a family of decoders brings: the file of a new one fills this struct, and decoder.cpp lists it.
#pragma once

#include "arch/decoder.h"
#include "arch/layer_graph.h"

namespace icf {

struct Architecture {
    const char * name; // general.architecture

    // What it reads from the metadata beside what decoder.cpp reads for all, or reads otherwise.
    void (*read_params)(const ParamReader & reader, DecoderParams & params);

    // The tensors of layer i. Whatever the file holds beyond them is refused.
    void (*load_layer)(TensorStore & store, const DecoderParams & params, int i, DecoderLayer & layer);

    // Layer i: the stream x [n_embd, n_rows] → [n_embd, n_out]; NULL where n_out is 0, and keys and values are all that is wanted.
    ggml_tensor * (*build_layer)(LayerGraph & graph, const DecoderLayer & layer, ggml_tensor * x);
};

extern const Architecture llama_architecture;
extern const Architecture qwen2_architecture;
extern const Architecture qwen3_architecture;

// ---- What several families share ----

// Attention with optional biases and norms of heads, and a gated MLP, each after a norm: x += Wo attention(norm(x)),
// x += down(silu(gate norm(x)) * up norm(x))
void load_pre_norm_layer(TensorStore & store, const DecoderParams & params, int i, DecoderLayer & layer);
ggml_tensor * build_pre_norm_layer(LayerGraph & graph, const DecoderLayer & layer, ggml_tensor * x);

} // namespace icf
