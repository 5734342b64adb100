// The blocks that decoder and IC-Former share.
#pragma once

#include "backend.h"
#include "hparams.h"

namespace icf {

// weight * x / sqrt(mean(x²) + eps), row by row; x [n_embd, n]
ggml_tensor * rms_norm(ggml_context * ctx, ggml_tensor * x, ggml_tensor * weight, float eps);

// W x + b; `bias` may be NULL. x [n_in, n] → [n_out, n]
ggml_tensor * linear(ggml_context * ctx, ggml_tensor * weight, ggml_tensor * bias, ggml_tensor * x);

// Rotates x [n_embd_head, n_head, n] to its positions [n]; `factors` [n_dims / 2] divide the frequencies, may be NULL.
ggml_tensor * rope(ggml_context * ctx, ggml_tensor * x, ggml_tensor * positions, ggml_tensor * factors,
                   const RopeParams & params);

// softmax(q kᵀ / sqrt(n_embd_head) + mask) v, query heads sharing key-value heads in order. One operation where the device
// has it for these heads, else step by step.
// q [n_embd_head, n_q, n_head, n], k and v [n_embd_head, n_kv, n_head_kv, n], mask F16 [n_kv, n_q] for all of the n, of which a
// decoder has one → [n_embd_head * n_head, n_q * n]
ggml_tensor * attention(ggml_context * ctx, const Backend & backend, ggml_tensor * q, ggml_tensor * k, ggml_tensor * v,
                        ggml_tensor * mask);

// down(silu(gate x) * (up x)); x [n_embd, n] → [n_embd, n]
ggml_tensor * swiglu(ggml_context * ctx, ggml_tensor * gate, ggml_tensor * up, ggml_tensor * down, ggml_tensor * x);

// [n_embd_head * n_head, n] → [n_embd_head, n_head, n]
ggml_tensor * split_heads(ggml_context * ctx, ggml_tensor * x, int n_embd_head);

// [n_embd_head, n_head, n] → [n_embd_head, n, n_head], as attention takes it
ggml_tensor * heads_last(ggml_context * ctx, ggml_tensor * x);

// The last `count` rows of x [n_embd, n]
ggml_tensor * last_rows(ggml_context * ctx, ggml_tensor * x, long long count);

// An input of the graph: filled after its allocation, before each computation.
ggml_tensor * input(ggml_context * ctx, const char * name, ggml_type type, long long ne0, long long ne1 = 1);

// The two values of an attention mask, as F16.
const ggml_fp16_t mask_visible = 0x0000; // 0
const ggml_fp16_t mask_hidden = 0xFC00;  // -inf

} // namespace icf
