#include "formers/plain.h"

#include "formers/layers.h"
#include "graph_ops.h"

namespace icf {

static PlainGraph plain_inputs(ggml_context * ctx, const FormerParams & p, int n) {
    const int k = p.n_digest;
    PlainGraph g;
    g.context = n > 0 ? input(ctx, "context", GGML_TYPE_F32, p.n_embd, n) : nullptr;
    g.key_positions = input(ctx, "key_positions", GGML_TYPE_I32, n + k);
    g.query_positions = input(ctx, "query_positions", GGML_TYPE_I32, k);
    g.cross_mask = input(ctx, "cross_mask", GGML_TYPE_F16, n + k, k);
    if (p.has_self_layers()) {
        g.self_positions = input(ctx, "self_positions", GGML_TYPE_I32, k);
        g.self_mask = input(ctx, "self_mask", GGML_TYPE_F16, k, k);
    }
    return g;
}

PlainGraph build_plain_graph(GraphRunner & runner, const FormerParams & p, const FormerWeights & w, int n) {
    const PackedMatrices none;
    ProductGraph products(none);
    ggml_context * ctx = runner.begin();
    PlainGraph g = plain_inputs(ctx, p, n);
    FormerLayers layers(runner, p, w, products, 1);
    ggml_tensor * source = g.context ? ggml_concat(ctx, g.context, w.digest_embd, 1) : w.digest_embd; // [n_embd, n + k]
    source = ggml_rms_norm(ctx, source, p.norm_eps); // the layers differ in their weights of the norm only
    const auto cross = [&](int i, ggml_tensor * x) {
        const FormerLayer & l = w.layers[static_cast<size_t>(i)];
        ggml_tensor * q = layers.queries(l, x, g.query_positions);
        const KeysValues of_source = layers.keys_values(l, source);
        return layers.attend(q, layers.rotated(of_source.k, g.key_positions), of_source.v, g.cross_mask);
    };
    g.rows = layers.build(cross, g.self_positions, g.self_mask);
    ggml_set_output(g.rows);
    ggml_build_forward_expand(runner.graph(), g.rows);
    return g;
}

PlainFormer::PlainFormer(FormerParts parts)
    : parts_(std::move(parts)), runner_(parts_.backend, former_graph_nodes(parts_.params)) {}

void PlainFormer::prepare_graph(int n) {
    if (n == built_for_) {
        return;
    }
    built_for_ = -1;
    graph_ = build_plain_graph(runner_, parts_.params, parts_.weights, n);
    runner_.allocate();
    built_for_ = n;
}

void PlainFormer::run_rows(const float * embeddings, int n, float * rows) {
    prepare_graph(n);
    const int k = parts_.params.n_digest;
    fill_positions(graph_.key_positions, 0, n + k);
    fill_positions(graph_.query_positions, n, k);
    fill_digest_mask(graph_.cross_mask, n);
    fill_positions(graph_.self_positions, 0, k);
    fill_digest_mask(graph_.self_mask, 0);
    if (graph_.context) {
        ggml_backend_tensor_set(graph_.context, embeddings, 0, ggml_nbytes(graph_.context));
    }
    runner_.compute();
    ggml_backend_tensor_get(graph_.rows, rows, 0, ggml_nbytes(graph_.rows));
}

void PlainFormer::run_tokens(const int32_t * tokens, int n, int n_chunks, float * rows) {
    const FormerParams & p = parts_.params;
    embeddings_.resize(static_cast<size_t>(n) * p.n_embd);
    for (int chunk = 0; chunk < n_chunks; chunk++) {
        parts_.embed(tokens + static_cast<size_t>(chunk) * n, n, embeddings_.data());
        run_rows(embeddings_.data(), n, rows + static_cast<size_t>(chunk) * p.n_digest * p.n_embd);
    }
}

} // namespace icf
