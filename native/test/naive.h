// The blocks of decoder and IC-Former in double precision, one row at a time, as the formulas read.
#pragma once

#include "gguf_builder.h"

namespace test {

using Row = std::vector<double>;
using Rows = std::vector<Row>;

// Tensors of a file under construction, as rows: [n_in, n_out] gives n_out rows of n_in.
class NaiveWeights {
public:
    explicit NaiveWeights(GgufBuilder & file) : file_(file) {}

    bool has(const std::string & name) const {
        return std::any_of(file_.tensors.begin(), file_.tensors.end(), [&](const auto & t) { return t.name == name; });
    }

    Rows matrix(const std::string & name) const {
        const GgufBuilder::Tensor & tensor = file_.tensor(name);
        const size_t width = tensor.shape[0];
        std::vector<float> values(tensor.data.size() / sizeof(float));
        memcpy(values.data(), tensor.data.data(), tensor.data.size());
        Rows rows;
        for (size_t at = 0; at < values.size(); at += width) {
            rows.emplace_back(values.begin() + static_cast<long>(at), values.begin() + static_cast<long>(at + width));
        }
        return rows;
    }

    Row vector(const std::string & name) const { return matrix(name)[0]; }

private:
    GgufBuilder & file_;
};

inline Rows to_rows(const std::vector<float> & values, int width) {
    Rows rows;
    for (size_t at = 0; at < values.size(); at += static_cast<size_t>(width)) {
        rows.emplace_back(values.begin() + static_cast<long>(at), values.begin() + static_cast<long>(at) + width);
    }
    return rows;
}

inline std::vector<float> to_floats(const Rows & rows) {
    std::vector<float> values;
    for (const Row & row : rows) {
        values.insert(values.end(), row.begin(), row.end());
    }
    return values;
}

inline double naive_dot(const Row & a, const Row & b) {
    double sum = 0;
    for (size_t i = 0; i < a.size(); i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

// weight * x / sqrt(mean(x²) + eps)
inline Row naive_rms_norm(const Row & x, const Row & weight, double eps) {
    const double scale = 1 / std::sqrt(naive_dot(x, x) / static_cast<double>(x.size()) + eps);
    Row y(x.size());
    for (size_t i = 0; i < x.size(); i++) {
        y[i] = weight[i] * x[i] * scale;
    }
    return y;
}

// W x + b
inline Row naive_linear(const Rows & weight, const Row & bias, const Row & x) {
    Row y;
    for (size_t i = 0; i < weight.size(); i++) {
        y.push_back(naive_dot(weight[i], x) + (bias.empty() ? 0 : bias[i]));
    }
    return y;
}

inline Row naive_add(const Row & a, const Row & b) {
    Row sum = a;
    for (size_t i = 0; i < a.size(); i++) {
        sum[i] += b[i];
    }
    return sum;
}

// down(silu(gate x) * (up x))
inline Row naive_swiglu(const Rows & gate, const Rows & up, const Rows & down, const Row & x) {
    const Row u = naive_linear(up, {}, x);
    Row h = naive_linear(gate, {}, x);
    for (size_t i = 0; i < h.size(); i++) {
        h[i] = h[i] / (1 + std::exp(-h[i])) * u[i];
    }
    return naive_linear(down, {}, h);
}

struct NaiveRope {
    bool halves = true; // pairs (i, i + n/2), else (2i, 2i + 1)
    int n_dims = 0;     // 0: the whole head
    double base = 10000;
    double scale = 1; // of positions
    Row factors;      // divide the frequencies; empty: none
};

// Rotates every head of a row: pair i by position * scale * base^(-2i/n) / factor_i
inline Row naive_rope(Row x, int n_embd_head, double position, const NaiveRope & p) {
    const int n = p.n_dims ? p.n_dims : n_embd_head;
    for (size_t head = 0; head < x.size(); head += static_cast<size_t>(n_embd_head)) {
        for (int i = 0; i < n / 2; i++) {
            const double angle = position * p.scale * std::pow(p.base, -2.0 * i / n) /
                                 (p.factors.empty() ? 1 : p.factors[static_cast<size_t>(i)]);
            double & a = x[head + static_cast<size_t>(p.halves ? i : 2 * i)];
            double & b = x[head + static_cast<size_t>(p.halves ? i + n / 2 : 2 * i + 1)];
            const double rotated = a * std::cos(angle) - b * std::sin(angle);
            b = a * std::sin(angle) + b * std::cos(angle);
            a = rotated;
        }
    }
    return x;
}

// One query row against all keys: softmax(q kᵀ / sqrt(n_embd_head)) v per head, where visible[j] says what it sees.
inline Row naive_attention(const Row & q, const Rows & k, const Rows & v, const std::vector<bool> & visible, int n_embd_head) {
    const size_t width = static_cast<size_t>(n_embd_head);
    const size_t group = q.size() / k[0].size(); // query heads that share a key head
    Row out(q.size(), 0);
    for (size_t head = 0; head < q.size() / width; head++) {
        const size_t from = head / group * width;
        Row weights(k.size(), 0);
        double largest = -INFINITY;
        for (size_t j = 0; j < k.size(); j++) {
            for (size_t d = 0; d < width; d++) {
                weights[j] += q[head * width + d] * k[j][from + d];
            }
            weights[j] = visible[j] ? weights[j] / std::sqrt(n_embd_head) : -INFINITY;
            largest = std::max(largest, weights[j]);
        }
        double sum = 0;
        for (double & weight : weights) {
            weight = std::exp(weight - largest);
            sum += weight;
        }
        for (size_t j = 0; j < k.size(); j++) {
            for (size_t d = 0; d < width; d++) {
                out[head * width + d] += weights[j] / sum * v[j][from + d];
            }
        }
    }
    return out;
}

// ---- Whole models ----

struct NaiveLayer {
    NaiveLayer(const NaiveWeights & w, int index) {
        const std::string block = "blk." + std::to_string(index) + ".";
        const auto bias = [&](const char * name) { return w.has(block + name) ? w.vector(block + name) : Row(); };
        attn_norm = w.vector(block + "attn_norm.weight");
        ffn_norm = w.vector(block + "ffn_norm.weight");
        context_norm = bias("context_norm.weight");
        q_norm = bias("attn_q_norm.weight");
        k_norm = bias("attn_k_norm.weight");
        wq = w.matrix(block + "attn_q.weight"), bq = bias("attn_q.bias");
        wk = w.matrix(block + "attn_k.weight"), bk = bias("attn_k.bias");
        wv = w.matrix(block + "attn_v.weight"), bv = bias("attn_v.bias");
        wo = w.matrix(block + "attn_output.weight"), bo = bias("attn_output.bias");
        gate = w.matrix(block + "ffn_gate.weight");
        up = w.matrix(block + "ffn_up.weight");
        down = w.matrix(block + "ffn_down.weight");
    }

    Row attn_norm, ffn_norm, context_norm, q_norm, k_norm, bq, bk, bv, bo;
    Rows wq, wk, wv, wo, gate, up, down;
};

struct NaiveSizes {
    int n_layer = 1;
    int n_embd_head = 4;
    int cross_interval = 1; // of a former
    int window = 0;         // of a decoder; 0: none
    double eps = 1e-5;
    NaiveRope rope;
};

// Digest rows of a context (arXiv 2406.13618): keys and values from the context and the initial digest embeddings in every
// cross-attention layer, queries from the updated rows.
inline Rows naive_digest(GgufBuilder & file, const NaiveSizes & s, const Rows & context) {
    const NaiveWeights w(file);
    Rows source = context;
    const Rows digests = w.matrix("digest_embd.weight");
    source.insert(source.end(), digests.begin(), digests.end());
    Rows x = digests;
    for (int i = 0; i < s.n_layer; i++) {
        const NaiveLayer l(w, i);
        const bool cross = i % s.cross_interval == 0;
        const size_t n = cross ? context.size() : 0; // columns before the digests
        Rows k, v;
        for (const Row & row : cross ? source : x) {
            const Row normed = naive_rms_norm(row, cross ? l.context_norm : l.attn_norm, s.eps);
            k.push_back(naive_rope(naive_linear(l.wk, l.bk, normed), s.n_embd_head, double(k.size()), s.rope));
            v.push_back(naive_linear(l.wv, l.bv, normed));
        }
        for (size_t j = 0; j < x.size(); j++) {
            const Row normed = naive_rms_norm(x[j], l.attn_norm, s.eps);
            const Row q = naive_rope(naive_linear(l.wq, l.bq, normed), s.n_embd_head, double(n + j), s.rope);
            std::vector<bool> visible(k.size());
            std::fill(visible.begin(), visible.begin() + static_cast<long>(n + j + 1), true);
            x[j] = naive_add(x[j], naive_linear(l.wo, l.bo, naive_attention(q, k, v, visible, s.n_embd_head)));
            x[j] = naive_add(x[j], naive_swiglu(l.gate, l.up, l.down, naive_rms_norm(x[j], l.ffn_norm, s.eps)));
        }
    }
    for (Row & row : x) {
        row = naive_rms_norm(row, w.vector("output_norm.weight"), s.eps);
    }
    return x;
}

inline Row naive_head_norm(const Row & x, const Row & weight, int n_embd_head, double eps) {
    Row y;
    for (size_t head = 0; !weight.empty() && head < x.size(); head += static_cast<size_t>(n_embd_head)) {
        const Row part(x.begin() + static_cast<long>(head), x.begin() + static_cast<long>(head) + n_embd_head);
        const Row normed = naive_rms_norm(part, weight, eps);
        y.insert(y.end(), normed.begin(), normed.end());
    }
    return weight.empty() ? x : y;
}

// Hidden rows after the final norm of a Llama-family decoder, for embeddings [n, n_embd].
inline Rows naive_hidden(GgufBuilder & file, const NaiveSizes & s, Rows x) {
    const NaiveWeights w(file);
    for (int i = 0; i < s.n_layer; i++) {
        const NaiveLayer l(w, i);
        Rows k, v;
        for (size_t j = 0; j < x.size(); j++) {
            const Row normed = naive_rms_norm(x[j], l.attn_norm, s.eps);
            k.push_back(naive_rope(naive_head_norm(naive_linear(l.wk, l.bk, normed), l.k_norm, s.n_embd_head, s.eps),
                                   s.n_embd_head, double(j), s.rope));
            v.push_back(naive_linear(l.wv, l.bv, normed));
        }
        for (size_t j = 0; j < x.size(); j++) {
            const Row normed = naive_rms_norm(x[j], l.attn_norm, s.eps);
            const Row q = naive_rope(naive_head_norm(naive_linear(l.wq, l.bq, normed), l.q_norm, s.n_embd_head, s.eps),
                                     s.n_embd_head, double(j), s.rope);
            std::vector<bool> visible(x.size());
            for (size_t c = 0; c <= j; c++) {
                visible[c] = s.window == 0 || j - c < static_cast<size_t>(s.window);
            }
            x[j] = naive_add(x[j], naive_linear(l.wo, l.bo, naive_attention(q, k, v, visible, s.n_embd_head)));
            x[j] = naive_add(x[j], naive_swiglu(l.gate, l.up, l.down, naive_rms_norm(x[j], l.ffn_norm, s.eps)));
        }
    }
    for (Row & row : x) {
        row = naive_rms_norm(row, w.vector("output_norm.weight"), s.eps);
    }
    return x;
}

// Logits [n, n_vocab]
inline Rows naive_logits(GgufBuilder & file, const Rows & hidden) {
    const NaiveWeights w(file);
    const Rows output = w.matrix(w.has("output.weight") ? "output.weight" : "token_embd.weight");
    Rows logits;
    for (const Row & row : hidden) {
        logits.push_back(naive_linear(output, {}, row));
    }
    return logits;
}

} // namespace test
