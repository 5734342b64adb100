// Qwen 2 (biases of queries, keys and values) and Qwen 3 (norms of queries and keys, head by head): the halves of a head are
// rotated.
#include "arch/architecture.h"

namespace icf {

static void read_params(const ParamReader &, DecoderParams & p) {
    p.rope.halves = true;
}

const Architecture qwen2_architecture = {"qwen2", read_params, load_pre_norm_layer, build_pre_norm_layer};
const Architecture qwen3_architecture = {"qwen3", read_params, load_pre_norm_layer, build_pre_norm_layer};

} // namespace icf
