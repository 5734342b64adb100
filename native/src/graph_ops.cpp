#include "graph_ops.h"

#include <cmath>

namespace icf {

ggml_tensor * rms_norm(ggml_context * ctx, ggml_tensor * x, ggml_tensor * weight, float eps) {
    return ggml_mul(ctx, ggml_rms_norm(ctx, x, eps), weight);
}

// A template, so that the name is looked up where it is declared: ggml before 0.25 has the other one.
template <typename Tensor> static auto sum_in_f32(Tensor * product, int)
    -> decltype(ggml_prec_set_acc(product, GGML_PREC_F32)) {
    return ggml_prec_set_acc(product, GGML_PREC_F32);
}

template <typename Tensor> static void sum_in_f32(Tensor * product, long) {
    ggml_mul_mat_set_prec(product, GGML_PREC_F32);
}

// W x. CUDA would add up products of halves in halves: that costs a decimal digit over thousands of them, and overflows at 65,504.
static ggml_tensor * product(ggml_context * ctx, ggml_tensor * weight, ggml_tensor * x) {
    ggml_tensor * y = ggml_mul_mat(ctx, weight, x);
    if (weight->type == GGML_TYPE_F16) {
        sum_in_f32(y, 0);
    }
    return y;
}

ggml_tensor * linear(ggml_context * ctx, ggml_tensor * weight, ggml_tensor * bias, ggml_tensor * x) {
    ggml_tensor * y = product(ctx, weight, x);
    return bias ? ggml_add(ctx, y, bias) : y;
}

ggml_tensor * rope(ggml_context * ctx, ggml_tensor * x, ggml_tensor * positions, ggml_tensor * factors, const RopeParams & p) {
    const int mode = p.halves ? GGML_ROPE_TYPE_NEOX : 0;
    return ggml_rope_ext(ctx, x, positions, factors, p.n_dims, mode, p.n_ctx_orig, p.base, p.scale, p.ext_factor, p.attn_factor,
                         p.beta_fast, p.beta_slow);
}

static ggml_tensor * as_f32(ggml_context * ctx, ggml_tensor * x) {
    return x->type == GGML_TYPE_F32 ? ggml_cont(ctx, x) : ggml_cast(ctx, x, GGML_TYPE_F32);
}

static ggml_tensor * attention_by_steps(ggml_context * ctx, ggml_tensor * q, ggml_tensor * k, ggml_tensor * v,
                                        ggml_tensor * mask, float scale) {
    ggml_tensor * scores = ggml_mul_mat(ctx, as_f32(ctx, k), ggml_cont(ctx, q)); // [n_kv, n_q, n_head, n]
    ggml_tensor * shares = ggml_soft_max_ext(ctx, scores, mask, scale, 0.0f);
    ggml_tensor * columns = ggml_cont(ctx, ggml_transpose(ctx, as_f32(ctx, v))); // [n_kv, n_embd_head, n_head_kv, n]
    ggml_tensor * out = ggml_mul_mat(ctx, columns, shares);                      // [n_embd_head, n_q, n_head, n]
    return ggml_cont_2d(ctx, heads_last(ctx, out), out->ne[0] * out->ne[2], out->ne[1] * out->ne[3]);
}

ggml_tensor * attention(ggml_context * ctx, const Backend & backend, ggml_tensor * q, ggml_tensor * k, ggml_tensor * v,
                        ggml_tensor * mask) {
    const float scale = 1.0f / std::sqrt(static_cast<float>(q->ne[0]));
    ggml_tensor * out = ggml_flash_attn_ext(ctx, q, k, v, mask, scale, 0.0f, 0.0f); // [n_embd_head, n_head, n_q, n]
    if (!backend.can_compute(out)) {
        return attention_by_steps(ctx, q, k, v, mask, scale);
    }
    return ggml_reshape_2d(ctx, out, out->ne[0] * out->ne[1], out->ne[2] * out->ne[3]);
}

ggml_tensor * swiglu(ggml_context * ctx, ggml_tensor * gate, ggml_tensor * up, ggml_tensor * down, ggml_tensor * x) {
    return product(ctx, down, ggml_swiglu_split(ctx, product(ctx, gate, x), product(ctx, up, x)));
}

ggml_tensor * split_heads(ggml_context * ctx, ggml_tensor * x, int n_embd_head) {
    return ggml_reshape_3d(ctx, x, n_embd_head, x->ne[0] / n_embd_head, x->ne[1]);
}

ggml_tensor * heads_last(ggml_context * ctx, ggml_tensor * x) {
    return ggml_permute(ctx, x, 0, 2, 1, 3);
}

ggml_tensor * last_rows(ggml_context * ctx, ggml_tensor * x, long long count) {
    if (count == x->ne[1]) {
        return x;
    }
    return ggml_view_2d(ctx, x, x->ne[0], count, x->nb[1], static_cast<size_t>(x->ne[1] - count) * x->nb[1]);
}

ggml_tensor * input(ggml_context * ctx, const char * name, ggml_type type, long long ne0, long long ne1) {
    ggml_tensor * tensor = ggml_new_tensor_2d(ctx, type, ne0, ne1);
    ggml_set_name(tensor, name);
    ggml_set_input(tensor);
    return tensor;
}

} // namespace icf
