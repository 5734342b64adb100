// The device that ICF_TEST_DEVICE names, or else the first GPU, against the CPU. Without either the CPU stands in for one: that
// shows whether what is computed on a device is right, though not whether a device computes it right.
#include "device_logits.h"
#include "device_sampling.h"
#include "error.h"
#include "gguf_builder.h"

#include <set>

using namespace icf;
using namespace test;

static const TempFolder folder;
static int device = 0;

static double rounding = 0;    // relative L2 that the device may cost
static double same_tokens = 0; // share of steps at which both must choose the same token

static bool is_stand_in = false;

// The CPU a second time, as if it were a GPU: with the graphs, the split and the sampling that devices have.
static int stand_in() {
    std::vector<Device> & all = const_cast<std::vector<Device> &>(devices());
    all.push_back({all.front().handle, ICF_DEVICE_GPU});
    is_stand_in = true;
    printf("no GPU: the CPU stands in for one\n");
    return static_cast<int>(all.size()) - 1;
}

static int find_device_to_test() {
    if (check_device() != 0) {
        return check_device();
    }
    const std::vector<Device> & all = devices();
    for (size_t i = 1; i < all.size(); i++) {
        if (all[i].kind == ICF_DEVICE_GPU) {
            return static_cast<int>(i);
        }
    }
    return stand_in();
}

static ModelPtr open_on(int where, const std::string & path, int n_gpu_layers = -1) {
    icf_model_options options;
    icf_model_options_init(&options);
    options.device = where;
    options.n_gpu_layers = n_gpu_layers;
    icf_model * model = nullptr;
    REQUIRE_OK(icf_model_open(path.c_str(), &options, &model, &check_error));
    return ModelPtr(model);
}

static DigesterPtr open_former_on(int where, const std::string & path, icf_model * model = nullptr,
                                  long long max_table_bytes = -1, int32_t method = ICF_METHOD_FAST) {
    icf_digester_options options;
    icf_digester_options_init(&options);
    options.device = where;
    options.n_threads = 1;
    options.max_table_bytes = max_table_bytes;
    options.method = method;
    icf_digester * digester = nullptr;
    REQUIRE_OK(icf_digester_open(path.c_str(), model, &options, &digester, &check_error));
    return DigesterPtr(digester);
}

static double largest = 0; // of the distances in the test that runs

static double apart(const std::vector<float> & a, const std::vector<float> & b) {
    const double distance = relative_l2(a, b);
    largest = std::max(largest, distance);
    return distance;
}

// Tells how near a device comes, too.
#define RUN_MEASURED(test)                                                                                                     \
    do {                                                                                                                       \
        largest = 0;                                                                                                           \
        RUN(test);                                                                                                             \
        if (largest > 0) {                                                                                                     \
            printf("       relative L2 up to %.2g\n", largest);                                                                \
        }                                                                                                                      \
    } while (0)

// Steps at which both would choose the same token.
static double agreement(const std::vector<float> & a, const std::vector<float> & b, int n_vocab) {
    int same = 0;
    const size_t n = a.size() / static_cast<size_t>(n_vocab);
    for (size_t i = 0; i < n; i++) {
        const auto best = [&](const std::vector<float> & logits) {
            const auto row = logits.begin() + static_cast<long>(i) * n_vocab;
            return std::max_element(row, row + n_vocab) - row;
        };
        same += best(a) == best(b);
    }
    return static_cast<double>(same) / static_cast<double>(n);
}

// ---- IC-Formers ----

static void formers() {
    for (const std::string & name : fixtures("former")) {
        const Safetensors data(fixture(name + ".safetensors"));
        const float * context = data["context"].floats.data();
        const DigesterPtr here = open_former_on(0, fixture(name + ".gguf"));
        for (int32_t method : {ICF_METHOD_FAST, ICF_METHOD_PLAIN}) {
            const DigesterPtr there = open_former_on(device, fixture(name + ".gguf"), nullptr, -1, method);
            CHECK_EQUAL(device, describe(there.get()).device);
            for (int n : {0, 1, 7, 50}) {
                const double distance = apart(digest_rows(there.get(), context, n, 0), digest_rows(here.get(), context, n, 0));
                CHECK_SAYING(distance <= rounding, "%s by method %d, %d rows: %.3g", name.c_str(), method, n, distance);
            }
        }
    }
}

static const char * const types[] = {"f32",  "f16",  "bf16", "q8_0", "q5_1", "q5_0", "q4_1",
                                     "q4_0", "q6_K", "q5_K", "q4_K", "q3_K", "q2_K", "iq4_nl"};

// The matrices of a file in another type, and what they then hold as F32.
struct Quantised {
    std::string file;
    std::string widened;
};

static Quantised quantise(const GgufBuilder & base, const char * name) {
    const QuantisedFiles files = quantise_matrices(base, icf_type_find(name));
    return {folder.write(std::string("packed-") + name + ".gguf", files.packed.build()),
            folder.write(std::string("widened-") + name + ".gguf", files.widened.build())};
}

static TinySizes wide() {
    TinySizes sizes;
    sizes.n_embd = 256;
    sizes.n_ff = 512;
    sizes.n_head = 4;
    sizes.n_head_kv = 2;
    sizes.n_layer = 2;
    sizes.n_vocab = 50;
    sizes.n_digest = 10;
    return sizes;
}

// Rows may be rounded to halves on the way into a product with halves, and to 8 bits on that with quantised weights.
static double allowed(const std::string & type) {
    return type == "f32"    ? rounding
           : type == "f16"  ? std::max(rounding, 5e-3)
           : type == "bf16" ? 2e-2
                            : quantised_tolerance(device, type, 1e-1);
}

static void formers_of_every_type() {
    const std::vector<float> context = Random(2).floats(40 * 256);
    for (const char * type : types) {
        const Quantised files = quantise(tiny_former(wide()), type);
        const std::vector<float> exact = digest_rows(open_former_on(0, files.widened).get(), context.data(), 40, 0);
        const std::vector<float> rows = digest_rows(open_former_on(device, files.file).get(), context.data(), 40, 0);
        CHECK_SAYING(apart(rows, exact) <= allowed(type), "%s: %.4f", type, apart(rows, exact));
    }
}

// Chunks of one length go through one graph, and a table holds what was seen before, in halves beside weights that are no F32.
static void batches_of(const std::string & llm, const std::string & exact_former, const std::string & former, double limit) {
    const ModelPtr model = open_on(0, llm);
    const std::vector<int32_t> tokens = Random(9).tokens(69, describe(model.get()).n_vocab);
    const std::vector<long long> ends = {12, 24, 36, 36, 48, 60, 69};
    const auto run = [&](icf_digester * digester) {
        const icf_digester_info info = describe(digester);
        std::vector<float> rows(ends.size() * size_t(info.n_digest) * size_t(info.n_embd));
        CHECK_OK(icf_digester_run_batch(digester, tokens.data(), ends.data(), (long long)ends.size(), rows.data(),
                                        (long long)rows.size(), &check_error));
        return rows;
    };
    const std::vector<float> expected = run(open_former_on(0, exact_former, model.get()).get());
    for (long long max_table_bytes : {-1LL, 0LL}) {
        const DigesterPtr digester = open_former_on(device, former, model.get(), max_table_bytes);
        CHECK_EQUAL(ICF_METHOD_FAST, describe(digester.get()).method);
        CHECK((describe(digester.get()).table_bytes > 0) == (max_table_bytes != 0));
        for (int time = 0; time < 2; time++) {
            CHECK_AT_MOST(limit, apart(run(digester.get()), expected));
        }
        const std::set<int32_t> different(tokens.begin(), tokens.end());
        CHECK_EQUAL(max_table_bytes == 0 ? 0 : different.size(), describe(digester.get()).table_tokens);
    }
}

static void batches() {
    const std::string former = fixture("former-theta-eps.gguf");
    batches_of(fixture("decoder-llama-mha.gguf"), former, former, rounding);
    const std::string llm = folder.write("llm.gguf", tiny_decoder(wide()).build());
    for (const char * type : {"f16", "bf16", "q8_0"}) {
        const Quantised files = quantise(tiny_former(wide()), type);
        batches_of(llm, files.widened, files.file, allowed(type));
    }
}

// ---- Decoders ----

static void decoders() {
    for (const std::string & name : fixtures("decoder")) {
        const ModelPtr here = open_on(0, fixture(name + ".gguf"));
        const ModelPtr there = open_on(device, fixture(name + ".gguf"));
        const int n_vocab = describe(here.get()).n_vocab;
        CHECK_EQUAL(describe(there.get()).n_layer, describe(there.get()).n_gpu_layers);
        const std::vector<int32_t> tokens = Random(1).tokens(100, n_vocab);
        const std::vector<float> expected = append_all(open_session(here.get()).get(), n_vocab, tokens);
        for (size_t step : {size_t(100), size_t(1)}) {
            const std::vector<float> logits = append_all(open_session(there.get()).get(), n_vocab, tokens, step);
            CHECK_SAYING(apart(logits, expected) <= rounding, "%s: %.3g", name.c_str(), apart(logits, expected));
            CHECK_SAYING(agreement(logits, expected, n_vocab) >= same_tokens, "%s: the same token in %.3f of the steps",
                         name.c_str(), agreement(logits, expected, n_vocab));
        }
    }
}

static void choosing_on_the_device() {
    const Backend backend(device, 1);
    DeviceSampling sampling(backend);
    const std::vector<float> values = Random(5).floats(32000);
    const DeviceLogits logits(backend, values);
    std::vector<Candidate> candidates;
    for (int k : {1, 2, 40, 1000}) {
        CHECK_SAYING(sampling.most_likely(logits.tensor, k, candidates), "the device does not choose the %d most likely", k);
        std::vector<float> sorted = values, chosen;
        std::sort(sorted.begin(), sorted.end(), std::greater<float>());
        sorted.resize(candidates.size());
        for (const Candidate & c : candidates) {
            CHECK_EQUAL(values[size_t(c.token)], c.logit);
            chosen.push_back(c.logit);
        }
        std::sort(chosen.begin(), chosen.end(), std::greater<float>());
        CHECK(chosen == sorted);
    }
}

// The same token whether the logits are still on the device or have come to the host, and the same logits either way.
static void sampling() {
    const ModelPtr model = open_on(device, fixture("decoder-llama-gqa.gguf"));
    const size_t n_vocab = size_t(describe(model.get()).n_vocab);
    const SessionPtr session = open_session(model.get());
    const SessionPtr copy = open_session(model.get());
    icf_sampling greedy, top_k, penalised;
    for (icf_sampling * s : {&greedy, &top_k, &penalised}) {
        icf_sampling_init(s);
    }
    top_k.temperature = penalised.temperature = 0.9f;
    top_k.top_k = penalised.top_k = 6;
    top_k.top_p = 0.95f;
    penalised.repetition_penalty = 1.2f;
    int32_t token = 1;
    for (int i = 0; i < 40; i++) {
        for (icf_session * s : {session.get(), copy.get()}) {
            CHECK_OK(icf_session_append_tokens(s, &token, 1, 1, ICF_OUTPUT_LOGITS, &check_error));
        }
        std::vector<float> logits(n_vocab);
        CHECK_OK(icf_session_get_logits(copy.get(), 0, 1, logits.data(), (long long)n_vocab, &check_error));
        for (const icf_sampling & s : {greedy, top_k, penalised}) {
            int32_t here = -1, there = -1;
            CHECK_OK(icf_session_sample(session.get(), &s, &there, &check_error));
            CHECK_OK(icf_session_sample(copy.get(), &s, &here, &check_error));
            CHECK_EQUAL(here, there);
            token = there;
        }
        std::vector<float> late(n_vocab);
        CHECK_OK(icf_session_get_logits(session.get(), 0, 1, late.data(), (long long)n_vocab, &check_error));
        CHECK(late == logits);
    }
    CHECK_EQUAL(icf_session_state_bytes(session.get()), icf_session_state_bytes(copy.get()));
    CHECK_OK(icf_session_truncate(session.get(), 10, &check_error));
    CHECK_STATUS(ICF_ERROR_STATE, icf_session_sample(session.get(), &greedy, &token, &check_error));
}

// A state holds logits that nobody has looked at.
static void states_hold_logits() {
    const ModelPtr model = open_on(device, fixture("decoder-llama-gqa.gguf"));
    const size_t n_vocab = size_t(describe(model.get()).n_vocab);
    const SessionPtr source = open_session(model.get()), target = open_session(model.get());
    const std::vector<int32_t> tokens = Random(11).tokens(9, int(n_vocab));
    CHECK_OK(icf_session_append_tokens(source.get(), tokens.data(), 9, 2, ICF_OUTPUT_LOGITS, &check_error));
    std::vector<char> state(size_t(icf_session_state_bytes(source.get())));
    long long written = 0;
    CHECK_OK(icf_session_save_state(source.get(), state.data(), (long long)state.size(), &written, &check_error));
    CHECK_OK(icf_session_restore_state(target.get(), state.data(), written, &check_error));
    std::vector<float> a(2 * n_vocab), b(2 * n_vocab);
    CHECK_OK(icf_session_get_logits(source.get(), 0, 2, a.data(), (long long)a.size(), &check_error));
    CHECK_OK(icf_session_get_logits(target.get(), 0, 2, b.data(), (long long)b.size(), &check_error));
    CHECK(a == b);
}

// Outputs of a batch's last rows alone, at any place in it.
static void last_rows_of_batches() {
    const std::string path = fixture("decoder-llama-gqa.gguf");
    const ModelPtr here = open_on(0, path);
    const ModelPtr there = open_on(device, path);
    const size_t n_vocab = size_t(describe(here.get()).n_vocab);
    const std::vector<int32_t> tokens = Random(2).tokens(45, int(n_vocab));
    const std::vector<float> all = append_all(open_session(here.get()).get(), int(n_vocab), tokens);
    for (int n : {1, 2, 3, 17, 44}) {
        const SessionPtr session = open_session(there.get());
        std::vector<float> logits(size_t(n) * n_vocab);
        CHECK_OK(icf_session_append_tokens(session.get(), tokens.data(), 45, n, ICF_OUTPUT_LOGITS, &check_error));
        CHECK_OK(icf_session_get_logits(session.get(), 0, n, logits.data(), (long long)logits.size(), &check_error));
        CHECK_AT_MOST(rounding, apart(logits, {all.end() - long(logits.size()), all.end()}));
    }
}

static void decoders_of_every_type() {
    const int n_vocab = wide().n_vocab;
    const std::vector<int32_t> tokens = Random(3).tokens(30, n_vocab);
    for (const char * type : types) {
        const Quantised files = quantise(tiny_decoder(wide()), type);
        const ModelPtr here = open_on(0, files.widened);
        const ModelPtr there = open_on(device, files.file);
        const std::vector<float> exact = append_all(open_session(here.get()).get(), n_vocab, tokens);
        for (size_t step : {size_t(30), size_t(1)}) { // products with a matrix and with a single row have kernels of their own
            const std::vector<float> logits = append_all(open_session(there.get()).get(), n_vocab, tokens, step);
            CHECK_SAYING(apart(logits, exact) <= allowed(type), "%s: %.4f", type, apart(logits, exact));
        }
    }
}

static void caches_of_every_type() {
    const std::string path = fixture("decoder-qwen3.gguf"); // its heads have 32 elements, as Q8_0 needs
    const ModelPtr here = open_on(0, path);
    const ModelPtr there = open_on(device, path);
    const int n_vocab = describe(here.get()).n_vocab;
    const std::vector<int32_t> tokens = Random(8).tokens(300, n_vocab);
    for (int32_t type : {ICF_TYPE_F32, ICF_TYPE_F16, ICF_TYPE_Q8_0}) {
        SessionSetup setup;
        setup.kv_type = type;
        setup.n_ctx = 300;
        const std::vector<float> expected = append_all(open_session(here.get(), setup).get(), n_vocab, tokens);
        const std::vector<float> logits = append_all(open_session(there.get(), setup).get(), n_vocab, tokens, 64);
        const double limit = type == ICF_TYPE_Q8_0 ? 3e-2 : type == ICF_TYPE_F16 ? std::max(rounding, 5e-3) : rounding;
        CHECK_SAYING(apart(logits, expected) <= limit, "type %d: %.3g", type, apart(logits, expected));
    }
}

// ---- A decoder on two devices ----

static void split_decoders() {
    for (const std::string & name : fixtures("decoder")) {
        const std::string path = fixture(name + ".gguf");
        const ModelPtr whole = open_on(0, path);
        const icf_model_info info = describe(whole.get());
        const std::vector<int32_t> tokens = Random(4).tokens(40, info.n_vocab);
        const std::vector<float> expected = append_all(open_session(whole.get()).get(), info.n_vocab, tokens);
        for (int n = 0; n <= info.n_layer + 1; n++) {
            const ModelPtr split = open_on(device, path, n);
            CHECK_EQUAL(std::min(n, info.n_layer), describe(split.get()).n_gpu_layers);
            const SessionPtr session = open_session(split.get());
            const std::vector<float> logits = append_all(session.get(), info.n_vocab, tokens, 13);
            CHECK_SAYING(apart(logits, expected) <= rounding, "%s, %d layers: %.3g", name.c_str(), n, apart(logits, expected));
            CHECK(describe(session.get()).kv_bytes >= describe(open_session(whole.get()).get()).kv_bytes);
        }
    }
}

// RoPE factors serve layers on both sides, and an output matrix is tied to embeddings that stay behind.
static void split_decoders_of_every_type() {
    const int n_vocab = wide().n_vocab;
    const std::vector<int32_t> tokens = Random(5).tokens(20, n_vocab);
    for (const char * type : {"f32", "q8_0", "q4_0"}) {
        for (bool tied : {false, true}) {
            GgufBuilder file = tiny_decoder(wide());
            if (!tied) {
                Random random(7);
                add_matrix(file, random, "output.weight", wide().n_embd, n_vocab);
            }
            file.add_floats("rope_freqs.weight", {32}, std::vector<float>(32, 1.5f));
            const Quantised files = quantise(file, type);
            const ModelPtr exact = open_on(0, files.widened);
            const std::vector<float> expected = append_all(open_session(exact.get()).get(), n_vocab, tokens);
            for (int n : {0, 1, 2}) {
                const ModelPtr split = open_on(device, files.file, n);
                const std::vector<float> logits = append_all(open_session(split.get()).get(), n_vocab, tokens, 7);
                CHECK_SAYING(apart(logits, expected) <= allowed(type), "%s, %d layers: %.4f", type, n, apart(logits, expected));
            }
        }
    }
}

// A timeline goes on where its layers lie elsewhere.
static void states_move() {
    const std::string path = fixture("decoder-llama-gqa.gguf");
    const ModelPtr here = open_on(0, path);
    const int n_vocab = describe(here.get()).n_vocab;
    const std::vector<int32_t> tokens = Random(6).tokens(30, n_vocab);
    const std::vector<int32_t> first(tokens.begin(), tokens.begin() + 20), rest(tokens.begin() + 20, tokens.end());
    const std::vector<float> whole = append_all(open_session(here.get()).get(), n_vocab, tokens);
    const std::vector<float> expected(whole.begin() + 20 * n_vocab, whole.end());
    const ModelPtr there = open_on(device, path);
    const ModelPtr split = open_on(device, path, 1);
    for (icf_model * from : {here.get(), there.get(), split.get()}) {
        const SessionPtr source = open_session(from);
        append_all(source.get(), n_vocab, first);
        std::vector<char> state(size_t(icf_session_state_bytes(source.get())));
        long long written = 0;
        CHECK_OK(icf_session_save_state(source.get(), state.data(), (long long)state.size(), &written, &check_error));
        for (icf_model * to : {here.get(), there.get(), split.get()}) {
            const SessionPtr target = open_session(to);
            CHECK_OK(icf_session_restore_state(target.get(), state.data(), written, &check_error));
            CHECK_AT_MOST(rounding, apart(append_all(target.get(), n_vocab, rest), expected));
        }
    }
}

// A pair on one device, and one of which each has its own.
static void pairs() {
    const std::string former = fixture("former-theta-eps.gguf"), decoder = fixture("decoder-llama-mha.gguf");
    const ModelPtr here = open_on(0, decoder);
    const ModelPtr there = open_on(device, decoder);
    const std::vector<int32_t> tokens = Random(9).tokens(60, describe(here.get()).n_vocab);
    std::vector<float> expected;
    for (icf_model * model : {here.get(), there.get()}) {
        for (int where : {0, device, -1}) {
            const DigesterPtr digester = open_former_on(where, former, model);
            const icf_digester_info info = describe(digester.get());
            CHECK_EQUAL(where == -1 ? describe(model).device : where, info.device);
            std::vector<float> rows(size_t(2 * info.n_digest) * info.n_embd);
            const long long ends[] = {23, 60};
            CHECK_OK(icf_digester_prepare(digester.get(), tokens.data(), 60, &check_error));
            CHECK_OK(icf_digester_run_batch(digester.get(), tokens.data(), ends, 2, rows.data(), (long long)rows.size(),
                                            &check_error));
            const SessionPtr session = open_session(model);
            CHECK_OK(icf_session_append_rows(session.get(), rows.data(), ICF_TYPE_F32, 2 * info.n_digest, 1, ICF_OUTPUT_LOGITS,
                                             &check_error));
            std::vector<float> logits(size_t(describe(model).n_vocab));
            CHECK_OK(icf_session_get_logits(session.get(), 0, 1, logits.data(), (long long)logits.size(), &check_error));
            if (expected.empty()) {
                expected = logits;
            }
            CHECK_AT_MOST(2 * rounding, apart(logits, expected));
        }
    }
}

// ---- Memory ----

// What was needed and what is free.
static void out_of_memory() {
    if (is_stand_in) {
        SKIP("no GPU");
    }
    const Backend backend(device, 1);
    std::string message;
    try {
        backend.allocate(size_t(1) << 50, "a test");
    } catch (const Error & e) {
        CHECK_EQUAL(ICF_ERROR_MEMORY, e.status());
        message = e.what();
    }
    const std::string name = ggml_backend_dev_name(device_at(device).handle);
    CHECK_SAYING(message.find("out of memory on " + name + ": 1073741824.0 MiB are needed for a test, ") == 0, "%s",
                 message.c_str());
    CHECK(message.find(" MiB are free") != std::string::npos);
}

int main() {
    device = find_device_to_test();
    rounding = is_stand_in ? 2e-5 : device_rounding(device);
    same_tokens = rounding <= 5e-3 ? 0.99 : 0.97;
    RUN_MEASURED(formers);
    RUN_MEASURED(formers_of_every_type);
    RUN_MEASURED(batches);
    RUN_MEASURED(decoders);
    RUN(choosing_on_the_device);
    RUN(sampling);
    RUN(states_hold_logits);
    RUN_MEASURED(last_rows_of_batches);
    RUN_MEASURED(decoders_of_every_type);
    RUN_MEASURED(caches_of_every_type);
    RUN_MEASURED(split_decoders);
    RUN_MEASURED(split_decoders_of_every_type);
    RUN_MEASURED(states_move);
    RUN_MEASURED(pairs);
    RUN(out_of_memory);
    return check_result();
}
