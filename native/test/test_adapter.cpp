// Adapters: an LLM with one computes what the LLM computes whose weights it was added to.
#include "gguf_builder.h"

using namespace test;

static const TempFolder folder;

static TinySizes sizes() {
    TinySizes s;
    s.n_embd = 64;
    s.n_ff = 96;
    s.n_layer = 2;
    s.n_head = 4;
    s.n_head_kv = 2;
    s.n_vocab = 48;
    return s;
}

struct AdapterCloser {
    void operator()(icf_adapter * adapter) const { icf_adapter_close(adapter); }
};
using AdapterPtr = std::unique_ptr<icf_adapter, AdapterCloser>;

static AdapterPtr open_adapter(const std::string & path, icf_model * model) {
    icf_adapter * adapter = nullptr;
    REQUIRE_OK(icf_adapter_open(path.c_str(), model, &adapter, &check_error));
    return AdapterPtr(adapter);
}

static GgufBuilder empty_adapter(float alpha) {
    GgufBuilder file;
    file.set_text("general.architecture", "llama").set_text("general.type", "adapter").set_text("adapter.type", "lora");
    if (alpha >= 0) {
        file.set_f32("adapter.lora.alpha", alpha);
    }
    return file;
}

static std::vector<float> floats_of(const GgufBuilder::Tensor & tensor) {
    std::vector<float> values(tensor.data.size() / sizeof(float));
    memcpy(values.data(), tensor.data.data(), tensor.data.size());
    return values;
}

// Adds a random pair for a weight to the adapter and, with the scale, to the weight itself.
static void add_pair(GgufBuilder & adapter, GgufBuilder & merged, const std::string & name, int rank, float scale,
                     uint64_t seed) {
    GgufBuilder::Tensor & weight = merged.tensor(name);
    const size_t n_in = weight.shape[0], n_out = weight.shape[1], r = size_t(rank);
    Random random(seed);
    const bool embeddings = name == "token_embd.weight";
    // The change is B A: of embeddings it is looked up by row, and its halves stand the other way round.
    const std::vector<float> a = random.floats(n_in * r, 0.4), b = random.floats(r * n_out, 0.4);
    std::vector<float> values = floats_of(weight);
    for (size_t o = 0; o < n_out; o++) {
        for (size_t i = 0; i < n_in; i++) {
            double sum = 0;
            for (size_t k = 0; k < r; k++) {
                sum += double(b[o * r + k]) * a[k * n_in + i];
            }
            values[o * n_in + i] += static_cast<float>(scale * sum);
        }
    }
    weight.data = floats_data(values);
    if (embeddings) {
        std::vector<float> turned(a.size()); // [rank, n_embd]
        for (size_t i = 0; i < n_in; i++) {
            for (size_t k = 0; k < r; k++) {
                turned[i * r + k] = a[k * n_in + i];
            }
        }
        adapter.add_floats(name + ".lora_a", {r, n_out}, b).add_floats(name + ".lora_b", {r, n_in}, turned);
    } else {
        adapter.add_floats(name + ".lora_a", {n_in, r}, a).add_floats(name + ".lora_b", {r, n_out}, b);
    }
}

static std::vector<float> logits_with(icf_model * model, const std::vector<const icf_adapter *> & adapters,
                                      const std::vector<float> & scales, size_t step = 512) {
    const SessionPtr session = open_session(model);
    CHECK_OK(icf_session_set_adapters(session.get(), adapters.data(), scales.empty() ? nullptr : scales.data(),
                                      (long long)adapters.size(), &check_error));
    return append_all(session.get(), sizes().n_vocab, Random(9).tokens(40, sizes().n_vocab), step);
}

static const char * const every_matrix[] = {"blk.0.attn_q.weight",      "blk.0.attn_k.weight",   "blk.1.attn_v.weight",
                                            "blk.1.attn_output.weight", "blk.0.ffn_gate.weight", "blk.1.ffn_up.weight",
                                            "blk.0.ffn_down.weight"};

static void equals_merged_weights() {
    for (float alpha : {-1.0f, 0.0f, 8.0f}) {
        const GgufBuilder base = tiny_decoder(sizes());
        GgufBuilder merged = base, file = empty_adapter(alpha);
        int rank = 1;
        for (const char * name : every_matrix) { // another rank for each
            add_pair(file, merged, name, rank, alpha > 0 ? alpha / float(rank) : 1.0f, uint64_t(rank));
            rank++;
        }
        const ModelPtr model = open_model(folder.write("base.gguf", base.build()));
        const ModelPtr whole = open_model(folder.write("merged.gguf", merged.build()));
        const AdapterPtr adapter = open_adapter(folder.write("adapter.gguf", file.build()), model.get());
        const std::vector<float> expected = logits_with(whole.get(), {}, {});
        CHECK(relative_l2(logits_with(model.get(), {}, {}), expected) > 0.1); // or nothing is tested
        for (size_t step : {size_t(512), size_t(1), size_t(7)}) {
            CHECK_AT_MOST(tolerance(1e-5), relative_l2(logits_with(model.get(), {adapter.get()}, {}, step), expected));
        }
        icf_adapter_info info;
        info.struct_size = sizeof(info);
        CHECK_OK(icf_adapter_describe(adapter.get(), &info, &check_error));
        CHECK_EQUAL(7, info.n_pairs);
        CHECK_EQUAL(7, info.max_rank);
        CHECK_EQUAL(0, info.is_reader);
    }
}

// Two with factors of their own are the sum; a factor of 0 is none.
static void several() {
    const GgufBuilder base = tiny_decoder(sizes());
    GgufBuilder merged = base, first = empty_adapter(4), second = empty_adapter(-1);
    add_pair(first, merged, "blk.0.attn_q.weight", 2, 0.5f * 4 / 2, 1);
    add_pair(first, merged, "blk.1.ffn_down.weight", 4, 0.5f * 4 / 4, 2);
    add_pair(second, merged, "blk.0.attn_q.weight", 3, -2.0f, 3);
    const ModelPtr model = open_model(folder.write("base.gguf", base.build()));
    const ModelPtr whole = open_model(folder.write("merged.gguf", merged.build()));
    const AdapterPtr a = open_adapter(folder.write("a.gguf", first.build()), model.get());
    const AdapterPtr b = open_adapter(folder.write("b.gguf", second.build()), model.get());
    CHECK_AT_MOST(tolerance(1e-5),
                  relative_l2(logits_with(model.get(), {a.get(), b.get()}, {0.5f, -2.0f}), logits_with(whole.get(), {}, {})));
    CHECK_AT_MOST(tolerance(1e-6), relative_l2(logits_with(model.get(), {a.get()}, {0.0f}), logits_with(model.get(), {}, {})));
}

// Word embeddings, of an LLM whose output matrix they are and of one that has its own, and an output matrix.
static void embeddings_and_output() {
    for (bool tied : {true, false}) {
        GgufBuilder base = tiny_decoder(sizes());
        if (!tied) {
            Random random(5);
            add_matrix(base, random, "output.weight", sizes().n_embd, sizes().n_vocab);
        }
        GgufBuilder merged = base, file = empty_adapter(6);
        add_pair(file, merged, "token_embd.weight", 3, 2.0f, 1);
        if (!tied) {
            add_pair(file, merged, "output.weight", 2, 3.0f, 2);
        }
        const ModelPtr model = open_model(folder.write("base.gguf", base.build()));
        const ModelPtr whole = open_model(folder.write("merged.gguf", merged.build()));
        const AdapterPtr adapter = open_adapter(folder.write("adapter.gguf", file.build()), model.get());
        CHECK_AT_MOST(tolerance(1e-5),
                      relative_l2(logits_with(model.get(), {adapter.get()}, {}), logits_with(whole.get(), {}, {})));
    }
}

// The adapter's tensors in another type.
static void quantise(GgufBuilder & adapter, int32_t type) {
    icf_type_info info;
    info.struct_size = sizeof(info);
    REQUIRE_OK(icf_type_describe(type, &info, &check_error));
    for (GgufBuilder::Tensor & tensor : adapter.tensors) {
        const std::vector<float> values = floats_of(tensor);
        tensor.data.assign(values.size() / size_t(info.block_length) * size_t(info.block_bytes), '\0');
        tensor.type = uint32_t(type);
        REQUIRE_OK(icf_quantize_rows(type, values.data(), (long long)tensor.shape[1], (long long)tensor.shape[0],
                                     tensor.data.data(), (long long)tensor.data.size(), &check_error));
    }
}

// In types that round, an adapter is off by no more than its type; beside a quantised LLM, whose products round as well, too.
static void quantised_types() {
    const QuantisedFiles q8 = quantise_matrices(tiny_decoder(sizes()), ICF_TYPE_Q8_0);
    for (const GgufBuilder & base : {tiny_decoder(sizes()), q8.packed}) {
        for (int32_t type : {int32_t(ICF_TYPE_F16), int32_t(ICF_TYPE_BF16), int32_t(ICF_TYPE_Q8_0)}) {
            GgufBuilder merged = base.tensors[0].type == ICF_TYPE_F32 ? base : q8.widened;
            GgufBuilder file = empty_adapter(-1);
            add_pair(file, merged, "blk.0.attn_q.weight", 32, 0.05f, 1);
            add_pair(file, merged, "blk.1.ffn_gate.weight", 32, 0.05f, 2);
            quantise(file, type);
            const ModelPtr model = open_model(folder.write("base.gguf", base.build()));
            const ModelPtr whole = open_model(folder.write("merged.gguf", merged.build()));
            const AdapterPtr adapter = open_adapter(folder.write("adapter.gguf", file.build()), model.get());
            const std::vector<float> expected = logits_with(whole.get(), {}, {});
            CHECK(relative_l2(logits_with(model.get(), {}, {}), expected) > 0.1);
            CHECK_AT_MOST(tolerance(2e-2), relative_l2(logits_with(model.get(), {adapter.get()}, {0.05f}), expected));
        }
    }
}

// A former that brings a reader: its tensors are no matter of the digester, and the former's none of the adapter.
static void reader_of_a_former() {
    const GgufBuilder base = tiny_decoder(sizes());
    GgufBuilder merged = base, former = tiny_former(sizes()), plain = former;
    former.set_text("adapter.type", "lora").set_f32("adapter.lora.alpha", 6).set_text("icformer.target.architecture", "llama");
    add_pair(former, merged, "blk.1.attn_q.weight", 3, 2.0f, 1);
    add_pair(former, merged, "blk.1.ffn_down.weight", 3, 2.0f, 2);
    const ModelPtr model = open_model(folder.write("base.gguf", base.build()));
    const ModelPtr whole = open_model(folder.write("merged.gguf", merged.build()));
    const std::string path = folder.write("former.gguf", former.build());
    const AdapterPtr adapter = open_adapter(path, model.get());
    icf_adapter_info info;
    info.struct_size = sizeof(info);
    CHECK_OK(icf_adapter_describe(adapter.get(), &info, &check_error));
    CHECK_EQUAL(1, info.is_reader);
    CHECK_EQUAL(2, info.n_pairs);
    CHECK_AT_MOST(tolerance(1e-5),
                  relative_l2(logits_with(model.get(), {adapter.get()}, {}), logits_with(whole.get(), {}, {})));
    const DigesterPtr with = open_digester(path, model.get()),
                      without = open_digester(folder.write("plain.gguf", plain.build()), model.get());
    CHECK_EQUAL(describe(without.get()).n_params, describe(with.get()).n_params);
    const std::vector<float> context = Random(3).floats(16 * 64);
    CHECK(same_result(digest_rows(with.get(), context.data(), 16, 0), digest_rows(without.get(), context.data(), 16, 0)));
    icf_adapter * none = nullptr;
    CHECK_STATUS(ICF_ERROR_UNSUPPORTED, icf_adapter_open(folder.file("plain.gguf").c_str(), model.get(), &none, &check_error));
}

// Only an empty session changes its adapters, and a state goes with those it was made with.
static void timelines() {
    const GgufBuilder base = tiny_decoder(sizes());
    GgufBuilder merged = base, file = empty_adapter(-1);
    add_pair(file, merged, "blk.0.attn_q.weight", 2, 1.0f, 1);
    ModelPtr model = open_model(folder.write("base.gguf", base.build()));
    AdapterPtr adapter = open_adapter(folder.write("adapter.gguf", file.build()), model.get());
    const icf_adapter * one[] = {adapter.get()};
    const std::vector<int32_t> tokens = Random(9).tokens(12, sizes().n_vocab);
    const SessionPtr with = open_session(model.get()), without = open_session(model.get());
    CHECK_OK(icf_session_set_adapters(with.get(), one, nullptr, 1, &check_error));
    const std::vector<float> expected = append_all(with.get(), sizes().n_vocab, tokens);
    append_all(without.get(), sizes().n_vocab, tokens);
    CHECK_STATUS(ICF_ERROR_STATE, icf_session_set_adapters(with.get(), nullptr, nullptr, 0, &check_error));
    std::string state(size_t(icf_session_state_bytes(with.get())), '\0');
    long long written = 0;
    CHECK_OK(icf_session_save_state(with.get(), state.data(), (long long)state.size(), &written, &check_error));
    CHECK_STATUS(ICF_ERROR_MISMATCH, icf_session_restore_state(without.get(), state.data(), written, &check_error));
    CHECK_OK(icf_session_truncate(without.get(), 0, &check_error));
    const float half = 0.5f;
    CHECK_OK(icf_session_set_adapters(without.get(), one, &half, 1, &check_error));
    CHECK_STATUS(ICF_ERROR_MISMATCH, icf_session_restore_state(without.get(), state.data(), written, &check_error));
    CHECK_OK(icf_session_set_adapters(without.get(), one, nullptr, 1, &check_error));
    CHECK_OK(icf_session_restore_state(without.get(), state.data(), written, &check_error));
    CHECK_EQUAL(12, icf_session_length(without.get()));

    // Taken off, the LLM is what it was; closed handles stay in use.
    CHECK_OK(icf_session_truncate(with.get(), 0, &check_error));
    CHECK_OK(icf_session_set_adapters(with.get(), nullptr, nullptr, 0, &check_error));
    CHECK(same_result(append_all(with.get(), sizes().n_vocab, tokens),
                      append_all(open_session(model.get()).get(), sizes().n_vocab, tokens)));
    CHECK_OK(icf_session_truncate(with.get(), 0, &check_error));
    CHECK_OK(icf_session_set_adapters(with.get(), one, nullptr, 1, &check_error));
    adapter.reset();
    model.reset();
    CHECK(same_result(append_all(with.get(), sizes().n_vocab, tokens), expected));
}

static void check_refused(int32_t status, const GgufBuilder & file, const char * says, icf_model * model) {
    icf_adapter * adapter = nullptr;
    CHECK_STATUS(status, icf_adapter_open(folder.write("odd.gguf", file.build()).c_str(), model, &adapter, &check_error));
    CHECK_SAYING(strstr(check_error.message, says), "'%s' does not say '%s'", check_error.message, says);
    CHECK(!adapter);
}

static void refusals() {
    const GgufBuilder base = tiny_decoder(sizes());
    const ModelPtr model = open_model(folder.write("base.gguf", base.build()));
    GgufBuilder merged = base, good = empty_adapter(4);
    add_pair(good, merged, "blk.0.attn_q.weight", 2, 1.0f, 1);
    const std::string a = "blk.0.attn_q.weight.lora_a", b = "blk.0.attn_q.weight.lora_b";
    const auto odd = [&](auto change) {
        GgufBuilder file = good;
        change(file);
        return file;
    };
    check_refused(ICF_ERROR_FORMAT, base, "not an adapter", model.get());
    check_refused(ICF_ERROR_UNSUPPORTED, odd([](GgufBuilder & f) { f.set_text("adapter.type", "vector"); }), "'vector'",
                  model.get());
    check_refused(ICF_ERROR_FORMAT, odd([](GgufBuilder & f) { f.set_u32("adapter.type", 1); }), "adapter.type", model.get());
    check_refused(ICF_ERROR_FORMAT, odd([](GgufBuilder & f) { f.set_text("adapter.lora.alpha", "8"); }), "adapter.lora.alpha",
                  model.get());
    check_refused(ICF_ERROR_FORMAT, odd([](GgufBuilder & f) { f.set_f32("adapter.lora.alpha", NAN); }), "adapter.lora.alpha",
                  model.get());
    check_refused(ICF_ERROR_MISMATCH, odd([](GgufBuilder & f) { f.set_text("general.architecture", "qwen2"); }), "'qwen2'",
                  model.get());
    check_refused(ICF_ERROR_FORMAT, odd([&](GgufBuilder & f) { f.remove_tensor(b); }), "lora_b' is missing", model.get());
    check_refused(ICF_ERROR_UNSUPPORTED, odd([&](GgufBuilder & f) { f.remove_tensor(a); }), "lora_b' is not known",
                  model.get());
    check_refused(ICF_ERROR_FORMAT, odd([&](GgufBuilder & f) {
                      f.tensor(a).name = "x";
                      f.tensor(b).name = "y";
                      f.tensors.clear();
                  }),
                  "no tensors", model.get());
    check_refused(ICF_ERROR_FORMAT, odd([&](GgufBuilder & f) { f.tensor(a).shape = {32, 4}; }), "different ranks", model.get());
    check_refused(ICF_ERROR_FORMAT, odd([&](GgufBuilder & f) { f.tensor(a).shape = {32, 2, 2}; }), "shape", model.get());
    check_refused(ICF_ERROR_UNSUPPORTED,
                  odd([&](GgufBuilder & f) { f.add_floats("blk.0.attn_norm.weight", {64}, Random(1).floats(64)); }),
                  "not known", model.get());
    check_refused(ICF_ERROR_FORMAT, odd([&](GgufBuilder & f) { f.tensor(a).data = floats_data(std::vector<float>(128, NAN)); }),
                  "nan", model.get());
    check_refused(ICF_ERROR_UNSUPPORTED, odd([&](GgufBuilder & f) { f.tensor(a).type = 26; }), "i32", model.get());
    GgufBuilder deeper = empty_adapter(4), other = base;
    deeper.add_floats("blk.7.attn_q.weight.lora_a", {64, 2}, Random(1).floats(128));
    deeper.add_floats("blk.7.attn_q.weight.lora_b", {2, 64}, Random(1).floats(128));
    check_refused(ICF_ERROR_MISMATCH, deeper, "no matrix 'blk.7.attn_q.weight'", model.get());

    const SessionPtr session = open_session(model.get());
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_session_set_adapters(session.get(), nullptr, nullptr, 1, &check_error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_session_set_adapters(session.get(), nullptr, nullptr, -1, &check_error));
    const icf_adapter * null_adapter[] = {nullptr};
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_session_set_adapters(session.get(), null_adapter, nullptr, 1, &check_error));
    const AdapterPtr adapter = open_adapter(folder.write("good.gguf", good.build()), model.get());
    const icf_adapter * one[] = {adapter.get()};
    const float nan = NAN;
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_session_set_adapters(session.get(), one, &nan, 1, &check_error));
    const ModelPtr another = open_model(folder.write("other.gguf", other.build()));
    CHECK_STATUS(ICF_ERROR_MISMATCH,
                 icf_session_set_adapters(open_session(another.get()).get(), one, nullptr, 1, &check_error));
}

int main() {
    RUN(equals_merged_weights);
    RUN(several);
    RUN(embeddings_and_output);
    RUN(quantised_types);
    RUN(reader_of_a_former);
    RUN(timelines);
    RUN(refusals);
    return check_result();
}
