#include "graph_decode.h"

#include "arch/architecture.h"
#include "graph_ops.h"

namespace icf {

size_t decode_graph_nodes(const DecoderParams & params, size_t n_adapters) {
    const size_t layers = static_cast<size_t>(params.n_layer);
    return 64 + 64 * layers + n_adapters * 4 * (1 + LayerWeights::n_matrices * layers);
}

static DecodeGraph decode_inputs(const GraphRunner & runner, const DecoderParams & p, const LayerRange & layers,
                                 const DecodeShape & shape) {
    ggml_context * ctx = runner.context();
    DecodeGraph g;
    g.rows = input(ctx, "rows", GGML_TYPE_F32, p.n_embd, shape.n_rows);
    g.positions = input(ctx, "positions", GGML_TYPE_I32, shape.n_rows);
    g.slots = input(ctx, "slots", GGML_TYPE_I64, shape.n_rows);
    g.mask = input(ctx, "mask", GGML_TYPE_F16, shape.n_kv, shape.n_rows);
    // A view that begins anywhere is not what every device can read.
    if (!runner.backend().is_cpu() && layers.end == p.n_layer && shape.n_outputs > 0 && shape.n_outputs < shape.n_rows) {
        g.last = input(ctx, "last", GGML_TYPE_I32, shape.n_outputs);
        g.last_positions = input(ctx, "last_positions", GGML_TYPE_I32, shape.n_outputs);
    }
    return g;
}

// A result that is still there when the graph has been computed.
static ggml_tensor * output(const GraphRunner & runner, ggml_tensor * x) {
    ggml_set_output(x);
    ggml_build_forward_expand(runner.graph(), x);
    return x;
}

DecodeGraph build_decode_graph(GraphRunner & runner, const DecodeParts & parts, const DecoderWeights & w,
                               const LayerRange & layers, const DecodeShape & shape) {
    const DecoderParams & p = parts.params;
    const Architecture & architecture = find_architecture(p.architecture, "");
    parts.products.reset(&parts.adapters);
    ggml_context * ctx = runner.begin(decode_graph_nodes(p, parts.adapters.size()));
    DecodeGraph g = decode_inputs(runner, p, layers, shape);
    ggml_tensor * x = g.rows; // the residual stream
    for (int i = layers.first; i < layers.end; i++) {
        // Only rows whose outputs are wanted go through the last layer; all of them leave their keys and values there.
        LayerGraph layer(runner, parts, shape, g, i, i == p.n_layer - 1 ? shape.n_outputs : shape.n_rows);
        x = architecture.build_layer(layer, w.layers[static_cast<size_t>(i)], x);
    }
    if (layers.end < p.n_layer) {
        g.stream = output(runner, x);
    } else if (shape.n_outputs > 0) {
        g.hidden = output(runner, rms_norm(ctx, x, w.output_norm, p.norm_eps));
        if (shape.outputs & ICF_OUTPUT_LOGITS) {
            g.logits = output(runner, parts.products.linear(ctx, w.output, nullptr, g.hidden));
        }
    }
    return g;
}

} // namespace icf
