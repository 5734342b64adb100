// Multiply-adds, counted from the graphs that are computed, against closed forms, and the digest against the LLM's own
// self-attention at the shape of Llama 2 7B. Without arguments a test; with `--print` it also shows the numbers.
#include "formers/layers.h"
#include "formers/packed.h"
#include "formers/plain.h"
#include "graph_decode.h"

#include "fixtures.h"

#include <sys/mman.h>

using namespace icf;

namespace {

bool printing = false;

// Memory that reads as zeros and takes none until it is written: weights whose values do not matter.
class ZeroPages {
public:
    explicit ZeroPages(size_t bytes)
        : bytes_(bytes),
          data_(mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)) {
        REQUIRE(data_ != MAP_FAILED);
        buffer_.reset(ggml_backend_cpu_buffer_from_ptr(data_, bytes));
    }
    ~ZeroPages() { munmap(data_, bytes_); }
    ZeroPages(const ZeroPages &) = delete;
    ZeroPages & operator=(const ZeroPages &) = delete;

    void place(ggml_tensor * tensor) {
        ggml_backend_tensor_alloc(buffer_.get(), tensor, static_cast<char *>(data_) + used_);
        used_ += (ggml_nbytes(tensor) + 63) / 64 * 64;
        REQUIRE(used_ <= bytes_);
    }

private:
    size_t bytes_;
    void * data_;
    BufferPtr buffer_;
    size_t used_ = 0;
};

struct Shape {
    int n_embd, n_ff, n_head, n_head_kv, n_layer, n_digest, interval;
    ggml_type type;

    int n_embd_head() const { return n_embd / n_head; }
    int n_embd_kv() const { return n_embd_head() * n_head_kv; }
};

const Shape paper = {4096, 11008, 32, 32, 3, 128, 1, GGML_TYPE_F32}; // the former of the IC-Former paper
const int chunk = 512;
const int llm_layers = 32;
const int llm_vocab = 32000;

// ---- Weights without values ----

class Weights {
public:
    explicit Weights(size_t bytes) : context_(1024), pages_(bytes) {}

    ggml_tensor * matrix(ggml_type type, int n_in, int n_out) {
        return placed(ggml_new_tensor_2d(context_.get(), type, n_in, n_out));
    }
    ggml_tensor * vector(int n) { return placed(ggml_new_tensor_1d(context_.get(), GGML_TYPE_F32, n)); }

private:
    ggml_tensor * placed(ggml_tensor * tensor) {
        pages_.place(tensor);
        return tensor;
    }

    TensorContext context_;
    ZeroPages pages_;
};

FormerWeights former_weights(Weights & w, const Shape & s) {
    FormerWeights former = {};
    former.digest_embd = w.matrix(GGML_TYPE_F32, s.n_embd, s.n_digest);
    former.output_norm = w.vector(s.n_embd);
    for (int i = 0; i < s.n_layer; i++) {
        FormerLayer l = {};
        l.context_norm = i % s.interval == 0 ? w.vector(s.n_embd) : nullptr;
        l.attn_norm = w.vector(s.n_embd);
        l.ffn_norm = w.vector(s.n_embd);
        l.wq = w.matrix(s.type, s.n_embd, s.n_embd);
        l.wk = w.matrix(s.type, s.n_embd, s.n_embd_kv());
        l.wv = w.matrix(s.type, s.n_embd, s.n_embd_kv());
        l.wo = w.matrix(s.type, s.n_embd, s.n_embd);
        l.gate = w.matrix(s.type, s.n_embd, s.n_ff);
        l.up = w.matrix(s.type, s.n_embd, s.n_ff);
        l.down = w.matrix(s.type, s.n_ff, s.n_embd);
        former.layers.push_back(l);
    }
    return former;
}

DecoderWeights decoder_weights(Weights & w, const Shape & s, int n_vocab) {
    DecoderWeights decoder = {};
    decoder.tok_embd = w.matrix(s.type, s.n_embd, n_vocab);
    decoder.output = decoder.tok_embd;
    decoder.output_norm = w.vector(s.n_embd);
    for (const FormerLayer & f : former_weights(w, s).layers) {
        DecoderLayer l = {};
        l.attn_norm = f.attn_norm;
        l.ffn_norm = f.ffn_norm;
        l.wq = f.wq;
        l.wk = f.wk;
        l.wv = f.wv;
        l.wo = f.wo;
        l.gate = f.gate;
        l.up = f.up;
        l.down = f.down;
        decoder.layers.push_back(l);
    }
    return decoder;
}

template <typename Params> void set_sizes(Params & p, const Shape & s) {
    p.n_embd = s.n_embd;
    p.n_layer = s.n_layer;
    p.n_head = s.n_head;
    p.n_head_kv = s.n_head_kv;
    p.n_embd_head = s.n_embd_head();
    p.n_ff = s.n_ff;
    p.norm_eps = 1e-5f;
    p.rope.n_dims = s.n_embd_head();
}

FormerParams former_params(const Shape & s) {
    FormerParams p;
    set_sizes(p, s);
    p.rope.halves = true;
    p.n_digest = s.n_digest;
    p.chunk_length = chunk;
    p.cross_interval = s.interval;
    return p;
}

DecoderParams decoder_params(const Shape & s, int n_vocab) {
    DecoderParams p;
    set_sizes(p, s);
    p.architecture = "llama";
    p.n_vocab = n_vocab;
    p.n_ctx_train = 4096;
    return p;
}

// Enough for the matrices of a shape, and for its vectors.
size_t weight_bytes(const Shape & s, int n_vocab) {
    const size_t layer = size_t(2 * s.n_embd + 2 * s.n_embd_kv() + 3 * s.n_ff) * s.n_embd;
    return (layer * s.n_layer + size_t(n_vocab + s.n_digest) * s.n_embd) * sizeof(float) + (16u << 20);
}

// ---- Counting ----

// Multiply-adds of a graph: products with weights, and the two products of attention whether a mask hides a score or not.
// `n` is the length of the context, which the IC-Former's own attention sees beside its digests.
long long count(ggml_cgraph * graph, int n) {
    long long total = 0;
    for (int i = 0; i < ggml_graph_n_nodes(graph); i++) {
        const ggml_tensor * node = ggml_graph_node(graph, i);
        const ggml_tensor * a = node->src[0];
        if (node->op == GGML_OP_MUL_MAT) {
            total += ggml_nelements(node) * a->ne[0];
        } else if (node->op == GGML_OP_FLASH_ATTN_EXT) {
            const ggml_tensor * k = node->src[1];
            total += a->ne[1] * a->ne[2] * k->ne[1] * (a->ne[0] + node->src[2]->ne[0]);
        } else if (node->op == GGML_OP_CUSTOM && a && a->type == GGML_TYPE_I8) {
            total += ggml_nelements(node) * a->src[0]->ne[0]; // a product of packed rows
        } else if (node->op == GGML_OP_CUSTOM && a && node->type == GGML_TYPE_F32) {
            const long long k = node->ne[1];
            total += node->ne[0] * (2 * k * n + k * (k + 1)); // attention to the context and, causally, to k digests
        }
    }
    return total;
}

// ---- Closed forms ----

// O and the MLP of k rows in every layer.
long long rows_work(const Shape & s) {
    return (long long)s.n_layer * s.n_digest * s.n_embd * (s.n_embd + 3LL * s.n_ff);
}

long long cross_layers(const Shape & s) {
    return (s.n_layer + s.interval - 1) / s.interval;
}

// Self-attention layers: keys and values of k rows, and full attention among them.
long long self_work(const Shape & s) {
    return (s.n_layer - cross_layers(s)) * s.n_digest * (2LL * s.n_embd * s.n_embd_kv() + 2LL * s.n_digest * s.n_embd);
}

// The reference: keys and values of n + k rows, queries of k rows, attention of k rows to n + k.
long long plain_work(const Shape & s, int n) {
    const long long k = s.n_digest;
    return rows_work(s) + self_work(s) + s.n_layer * k * s.n_embd * s.n_embd +
           cross_layers(s) * (n + k) * (2LL * s.n_embd * s.n_embd_kv() + 2LL * k * s.n_embd);
}

// With the exact savings: queries of all but the first layer, attention to the context and causally to the digests.
long long fast_work(const Shape & s, int n) {
    const long long k = s.n_digest;
    return rows_work(s) + self_work(s) + (s.n_layer - 1) * k * s.n_embd * s.n_embd +
           cross_layers(s) * s.n_embd * (2 * k * n + k * (k + 1));
}

// A batch through an LLM; of the last layer only the rows with outputs are computed beyond keys and values.
long long batch_work(const Shape & s, int n_rows, int n_kv, int n_outputs) {
    const long long row = 2LL * s.n_embd * s.n_embd + 3LL * s.n_embd * s.n_ff + 2LL * s.n_embd * n_kv;
    return 2LL * s.n_layer * n_rows * s.n_embd * s.n_embd_kv() + ((s.n_layer - 1LL) * n_rows + n_outputs) * row;
}

// ---- Counts ----

long long count_plain(const Shape & s, int n) {
    const FormerParams params = former_params(s);
    Weights weights(weight_bytes(s, 0));
    const FormerWeights former = former_weights(weights, s);
    const Backend backend(0, 1);
    GraphRunner runner(backend, former_graph_nodes(params));
    build_plain_graph(runner, params, former, n);
    return count(runner.graph(), n);
}

long long count_fast(const Shape & s, int n) {
    const FormerParams params = former_params(s);
    Weights weights(weight_bytes(s, 0));
    const FormerWeights former = former_weights(weights, s);
    const Backend backend(0, 0);
    PackedFormer fast({params, former, backend, false, nullptr}, *best_kernels());
    return count(fast.graph(n), n);
}

long long count_batch(Shape s, int n_layer, int n_rows, int n_outputs) {
    s.n_layer = n_layer;
    const DecoderParams params = decoder_params(s, llm_vocab);
    Weights weights(weight_bytes(s, llm_vocab));
    const DecoderWeights decoder = decoder_weights(weights, s, llm_vocab);
    const Backend backend(0, 1);
    const KvCache cache(backend, params, {0, n_layer}, n_rows, GGML_TYPE_F16);
    PackedMatrices packed;
    ProductGraph products(packed);
    CacheAttention attention(params, backend, false);
    GraphRunner runner(backend, decode_graph_nodes(params));
    const DecodeShape shape = {n_rows, KvCache::visible(n_rows), n_outputs, ICF_OUTPUT_HIDDEN};
    build_decode_graph(runner, {params, products, attention, cache, {}}, decoder, {0, n_layer}, shape);
    return count(runner.graph(), 0);
}

// ---- Tests ----

void closed_forms_of_small_formers() {
    for (const Shape & s : {Shape{64, 96, 4, 4, 3, 8, 1, GGML_TYPE_F32}, Shape{64, 96, 4, 2, 3, 8, 1, GGML_TYPE_Q8_0},
                            Shape{128, 64, 2, 1, 4, 5, 2, GGML_TYPE_Q8_0}, Shape{32, 32, 1, 1, 1, 3, 1, GGML_TYPE_F32}}) {
        for (int n : {1, 17, 40}) {
            CHECK_EQUAL(plain_work(s, n), count_plain(s, n));
            if (best_kernels()) {
                CHECK_EQUAL(fast_work(s, n), count_fast(s, n));
            }
        }
    }
}

// 131.26 G as the reference computes it, 4.2 T for the LLM's 32 layers over context and 128 memory rows.
void reference_and_llm_at_7b() {
    const int n_rows = chunk + paper.n_digest;
    CHECK_EQUAL(plain_work(paper, chunk), count_plain(paper, chunk));
    CHECK_CLOSE(131.26e9, double(count_plain(paper, chunk)), 0.01e9);
    Shape llm = paper;
    llm.n_layer = llm_layers;
    CHECK_EQUAL(batch_work(llm, n_rows, KvCache::visible(n_rows), paper.n_digest),
                count_batch(paper, llm_layers, n_rows, paper.n_digest));
}

// 1/64 of the LLM's own self-attention is the bar; the paper's is 1/32.
void digest_against_self_attention() {
    const int n_rows = chunk + paper.n_digest;
    const long long llm = count_batch(paper, llm_layers, n_rows, paper.n_digest);
    const long long digest = best_kernels() && !test::sanitized ? count_fast(paper, chunk) : fast_work(paper, chunk);
    CHECK_EQUAL(fast_work(paper, chunk), digest);
    CHECK_AT_MOST(1.0 / 64, double(digest) / double(llm));
    CHECK_AT_MOST(1.15, double(fast_work(paper, chunk)) / double(fast_work(paper, 128)));
    if (printing) {
        printf("{\"digest_gmac\": %.3f, \"plain_gmac\": %.3f, \"self_attention_gmac\": %.3f, \"ratio\": %.2f}\n",
               double(digest) * 1e-9, double(count_plain(paper, chunk)) * 1e-9, double(llm) * 1e-9,
               double(llm) / double(digest));
    }
}

} // namespace

int main(int argc, char ** argv) {
    printing = argc > 1 && strcmp(argv[1], "--print") == 0;
    RUN_ON_CPU(closed_forms_of_small_formers);
    RUN_ON_CPU(reference_and_llm_at_7b);
    RUN_ON_CPU(digest_against_self_attention);
    return check_result();
}
