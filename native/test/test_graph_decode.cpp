#include "naive.h"

using namespace test;

static const TempFolder folder;

struct Variant {
    const char * architecture;
    TinySizes sizes;
    int head; // length of a head; 0: n_embd / n_head
    int window;
    int rope_dims; // 0: the whole head
    double factor; // linear RoPE scaling
    bool extras;   // biases, norms of heads, an output matrix of its own, RoPE factors
};

static GgufBuilder make(const Variant & v) {
    const TinySizes & s = v.sizes;
    const int head = v.head ? v.head : s.n_embd / s.n_head;
    GgufBuilder file;
    Random random(s.seed);
    const std::string arch = v.architecture;
    set_sizes(file, arch, s);
    file.set_texts("tokenizer.ggml.tokens", tiny_vocabulary(s.n_vocab));
    file.set_u32(arch + ".attention.key_length", uint32_t(head)).set_u32(arch + ".attention.value_length", uint32_t(head));
    if (v.window) {
        file.set_u32(arch + ".attention.sliding_window", uint32_t(v.window));
    }
    if (v.rope_dims) {
        file.set_u32(arch + ".rope.dimension_count", uint32_t(v.rope_dims));
    }
    if (v.factor != 1) {
        file.set_text(arch + ".rope.scaling.type", "linear").set_f32(arch + ".rope.scaling.factor", float(v.factor));
    }
    add_matrix(file, random, "token_embd.weight", s.n_embd, s.n_vocab);
    add_norm(file, random, "output_norm.weight", s.n_embd);
    if (v.extras) {
        add_matrix(file, random, "output.weight", s.n_embd, s.n_vocab);
        file.add_floats("rope_freqs.weight", {uint64_t(head / 2)}, std::vector<float>(size_t(head / 2), 1.5f));
    }
    for (int i = 0; i < s.n_layer; i++) {
        const std::string block = "blk." + std::to_string(i) + ".";
        add_norm(file, random, block + "attn_norm.weight", s.n_embd);
        add_matrix(file, random, block + "attn_q.weight", s.n_embd, head * s.n_head);
        add_matrix(file, random, block + "attn_k.weight", s.n_embd, head * s.n_head_kv);
        add_matrix(file, random, block + "attn_v.weight", s.n_embd, head * s.n_head_kv);
        add_matrix(file, random, block + "attn_output.weight", head * s.n_head, s.n_embd);
        if (v.extras) {
            add_norm(file, random, block + "attn_q_norm.weight", head);
            add_norm(file, random, block + "attn_k_norm.weight", head);
            add_norm(file, random, block + "attn_q.bias", head * s.n_head);
            add_norm(file, random, block + "attn_k.bias", head * s.n_head_kv);
            add_norm(file, random, block + "attn_v.bias", head * s.n_head_kv);
            add_norm(file, random, block + "attn_output.bias", s.n_embd);
        }
        add_norm(file, random, block + "ffn_norm.weight", s.n_embd);
        add_matrix(file, random, block + "ffn_gate.weight", s.n_embd, s.n_ff);
        add_matrix(file, random, block + "ffn_up.weight", s.n_embd, s.n_ff);
        add_matrix(file, random, block + "ffn_down.weight", s.n_ff, s.n_embd);
    }
    return file;
}

static NaiveSizes naive_sizes(const Variant & v) {
    NaiveSizes naive;
    naive.n_layer = v.sizes.n_layer;
    naive.n_embd_head = v.head ? v.head : v.sizes.n_embd / v.sizes.n_head;
    naive.window = v.window;
    naive.rope.halves = strcmp(v.architecture, "llama") != 0;
    naive.rope.n_dims = v.rope_dims;
    naive.rope.scale = 1 / v.factor;
    if (v.extras) {
        naive.rope.factors = Row(size_t(naive.n_embd_head / 2), 1.5);
    }
    return naive;
}

// Logits and hidden states against the formulas, for tokens and for rows, whole and in batches.
static void decoders_of_many_shapes() {
    const Variant variants[] = {
        {"llama", {8, 8, 1, 2, 1, 16, 2, 1}, 0, 0, 0, 1, false},    {"llama", {12, 20, 2, 3, 3, 11, 2, 2}, 0, 5, 0, 4, false},
        {"llama", {16, 24, 3, 4, 2, 16, 2, 3}, 10, 0, 6, 1, false}, {"qwen2", {24, 8, 2, 6, 1, 7, 2, 4}, 0, 0, 0, 1, true},
        {"qwen3", {10, 6, 2, 3, 3, 9, 2, 5}, 6, 3, 0, 1, true},
    };
    for (const Variant & v : variants) {
        GgufBuilder file = make(v);
        const ModelPtr model = open_model(folder.write("decoder.gguf", file.build()));
        const std::vector<int32_t> tokens = Random(3).tokens(20, v.sizes.n_vocab);
        Rows embeddings;
        for (int32_t token : tokens) {
            embeddings.push_back(NaiveWeights(file).matrix("token_embd.weight")[size_t(token)]);
        }
        const Rows hidden = naive_hidden(file, naive_sizes(v), embeddings);
        const std::vector<float> logits = to_floats(naive_logits(file, hidden));
        for (size_t step : {size_t(20), size_t(7), size_t(1)}) {
            const SessionPtr session = open_session(model.get());
            CHECK_AT_MOST(tolerance(2e-5), relative_l2(append_all(session.get(), v.sizes.n_vocab, tokens, step), logits));
        }
        const SessionPtr session = open_session(model.get());
        const std::vector<float> rows = to_floats(embeddings);
        CHECK_OK(icf_session_append_rows(session.get(), rows.data(), ICF_TYPE_F32, 20, 3, ICF_OUTPUT_HIDDEN, &check_error));
        std::vector<float> last(size_t(3 * v.sizes.n_embd));
        CHECK_OK(icf_session_get_hidden(session.get(), 0, 3, last.data(), (long long)last.size(), &check_error));
        CHECK_AT_MOST(tolerance(2e-5), relative_l2(last, to_floats(Rows(hidden.end() - 3, hidden.end()))));
    }
}

// The cache shows attention its positions in steps; nothing changes where a step ends.
static void long_contexts() {
    Variant v = {"llama", {8, 8, 2, 2, 1, 16, 2, 6}, 0, 0, 0, 1, false};
    GgufBuilder file = make(v);
    const ModelPtr model = open_model(folder.write("decoder.gguf", file.build()));
    const std::vector<int32_t> tokens = Random(4).tokens(270, 16);
    Rows embeddings;
    for (int32_t token : tokens) {
        embeddings.push_back(NaiveWeights(file).matrix("token_embd.weight")[size_t(token)]);
    }
    const std::vector<float> expected = to_floats(naive_logits(file, naive_hidden(file, naive_sizes(v), embeddings)));
    for (size_t step : {size_t(270), size_t(100), size_t(9)}) {
        SessionSetup setup;
        setup.n_ctx = 300;
        const SessionPtr session = open_session(model.get(), setup);
        CHECK_AT_MOST(tolerance(2e-5), relative_l2(append_all(session.get(), 16, tokens, step), expected));
    }
}

int main() {
    RUN(decoders_of_many_shapes);
    RUN(long_contexts);
    return check_result();
}
