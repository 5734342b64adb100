// Llama, Mistral (with its sliding window), SmolLM and whatever else calls itself "llama": pairs (2i, 2i + 1) of a head are
// rotated, as the files' queries and keys are ordered for it.
#include "arch/architecture.h"

namespace icf {

static void read_params(const ParamReader &, DecoderParams & p) {
    p.rope.halves = false;
}

const Architecture llama_architecture = {"llama", read_params, load_pre_norm_layer, build_pre_norm_layer};

} // namespace icf
