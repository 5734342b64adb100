#include "gguf_builder.h"

#include <thread>

using namespace test;

static const TempFolder folder;
static const int n_vocab = 276; // of every decoder among the fixtures

static std::vector<float> logits_of(icf_session * session, long long first, long long n) {
    std::vector<float> logits(size_t(n * n_vocab));
    CHECK_OK(icf_session_get_logits(session, first, n, logits.data(), (long long)logits.size(), &check_error));
    return logits;
}

static void every_fixture() {
    for (const std::string & name : fixtures("decoder")) {
        const Safetensors data(fixture(name + ".safetensors"));
        for (int use_mmap : {0, 1}) {
            const ModelPtr model = open_model(fixture(name + ".gguf"), use_mmap);
            const SessionPtr session = open_session(model.get());
            const std::vector<float> logits = append_all(session.get(), n_vocab, data["ids"].integers);
            CHECK_SAYING(relative_l2(logits, data["logits"].floats) <= tolerance(2e-5), "%s: %.3g", name.c_str(),
                         relative_l2(logits, data["logits"].floats));
            CHECK_SAYING(continue_greedily(session.get(), 32) == data["greedy_ids"].integers, "%s: other greedy ids",
                         name.c_str());
        }
    }
}

static void batch_splits() {
    for (const char * name : {"decoder-llama-gqa", "decoder-mistral-window", "decoder-qwen3"}) {
        const ModelPtr model = open_model(fixture(std::string(name) + ".gguf"));
        const std::vector<int32_t> tokens = Random(1).tokens(90, n_vocab);
        const std::vector<float> whole = append_all(open_session(model.get()).get(), n_vocab, tokens);
        for (size_t step : {size_t(1), size_t(2), size_t(31), size_t(64)}) {
            CHECK_AT_MOST(tolerance(2e-6),
                          relative_l2(append_all(open_session(model.get()).get(), n_vocab, tokens, step), whole));
        }
        SessionSetup two;
        two.n_threads = 2;
        CHECK_AT_MOST(tolerance(2e-6), relative_l2(append_all(open_session(model.get(), two).get(), n_vocab, tokens), whole));
    }
}

// Outputs of some rows, of none, hidden and logits together: always those of the last rows.
static void outputs() {
    const ModelPtr model = open_model(fixture("decoder-llama-gqa.gguf"));
    const std::vector<int32_t> tokens = Random(2).tokens(20, n_vocab);
    const std::vector<float> all = append_all(open_session(model.get()).get(), n_vocab, tokens);
    const int n_embd = describe(model.get()).n_embd;
    for (long long n : {1LL, 5LL, 20LL}) {
        const SessionPtr session = open_session(model.get());
        CHECK_OK(icf_session_append_tokens(session.get(), tokens.data(), 20, n, ICF_OUTPUT_LOGITS | ICF_OUTPUT_HIDDEN,
                                           &check_error));
        CHECK_AT_MOST(tolerance(2e-6), relative_l2(logits_of(session.get(), 0, n), {all.end() - n * n_vocab, all.end()}));
        CHECK_AT_MOST(tolerance(2e-6), relative_l2(logits_of(session.get(), n - 1, 1), {all.end() - n_vocab, all.end()}));
        std::vector<float> hidden(size_t(n * n_embd)), alone(hidden.size());
        CHECK_OK(icf_session_get_hidden(session.get(), 0, n, hidden.data(), (long long)hidden.size(), &check_error));
        CHECK_OK(icf_session_truncate(session.get(), 0, &check_error));
        CHECK_OK(icf_session_append_tokens(session.get(), tokens.data(), 20, n, ICF_OUTPUT_HIDDEN, &check_error));
        CHECK_OK(icf_session_get_hidden(session.get(), 0, n, alone.data(), (long long)alone.size(), &check_error));
        CHECK_AT_MOST(tolerance(2e-6), relative_l2(alone, hidden));
        float one;
        CHECK_STATUS(ICF_ERROR_STATE, icf_session_get_logits(session.get(), 0, 0, &one, 1, &check_error));
    }
    const SessionPtr session = open_session(model.get());
    CHECK_OK(icf_session_append_tokens(session.get(), tokens.data(), 19, 0, 0, &check_error));
    int32_t token;
    CHECK_STATUS(ICF_ERROR_STATE, icf_session_sample(session.get(), nullptr, &token, &check_error));
    CHECK_OK(icf_session_append_tokens(session.get(), tokens.data() + 19, 1, 1, ICF_OUTPUT_LOGITS, &check_error));
    CHECK_AT_MOST(tolerance(2e-6), relative_l2(logits_of(session.get(), 0, 1), {all.end() - n_vocab, all.end()}));
}

// A model of one layer whose batch wants no outputs computes nothing but keys and values.
static void one_layer_without_outputs() {
    const ModelPtr model = open_model(folder.write("one.gguf", tiny_decoder().build()));
    const std::vector<int32_t> tokens = Random(3).tokens(9, 16);
    const std::vector<float> whole = append_all(open_session(model.get()).get(), 16, tokens);
    const SessionPtr session = open_session(model.get());
    CHECK_OK(icf_session_append_tokens(session.get(), tokens.data(), 8, 0, 0, &check_error));
    const std::vector<float> last = append_all(session.get(), 16, {tokens[8]});
    CHECK_AT_MOST(tolerance(2e-6), relative_l2(last, {whole.end() - 16, whole.end()}));
}

static void rows_are_embeddings() {
    const ModelPtr model = open_model(fixture("decoder-qwen2.gguf"));
    const int n_embd = describe(model.get()).n_embd;
    const std::vector<int32_t> tokens = Random(4).tokens(12, n_vocab);
    std::vector<float> rows(size_t(12 * n_embd));
    CHECK_OK(icf_model_embed_tokens(model.get(), tokens.data(), 12, rows.data(), (long long)rows.size(), &check_error));
    const std::vector<float> expected = append_all(open_session(model.get()).get(), n_vocab, tokens);
    const SessionPtr session = open_session(model.get());
    CHECK_OK(icf_session_append_rows(session.get(), rows.data(), ICF_TYPE_F32, 12, 12, ICF_OUTPUT_LOGITS, &check_error));
    CHECK(same_result(logits_of(session.get(), 0, 12), expected));
    std::vector<uint16_t> halves(rows.size());
    CHECK_OK(
        icf_quantize_rows(ICF_TYPE_F16, rows.data(), 12, n_embd, halves.data(), (long long)(halves.size() * 2), &check_error));
    CHECK_OK(icf_session_truncate(session.get(), 0, &check_error));
    CHECK_OK(icf_session_append_rows(session.get(), halves.data(), ICF_TYPE_F16, 12, 12, ICF_OUTPUT_LOGITS, &check_error));
    CHECK_AT_MOST(tolerance(2e-3), relative_l2(logits_of(session.get(), 0, 12), expected));
}

// What was cut off leaves no trace.
static void truncate_and_append_again() {
    const ModelPtr model = open_model(fixture("decoder-llama-bias.gguf"));
    const std::vector<int32_t> tokens = Random(5).tokens(30, n_vocab);
    const std::vector<float> expected = append_all(open_session(model.get()).get(), n_vocab, tokens);
    const SessionPtr session = open_session(model.get());
    append_all(session.get(), n_vocab, Random(6).tokens(60, n_vocab));
    for (long long keep : {25LL, 10LL, 0LL}) {
        CHECK_OK(icf_session_truncate(session.get(), 0, &check_error));
        append_all(session.get(), n_vocab, tokens, 7);
        append_all(session.get(), n_vocab, Random(7).tokens(40, n_vocab));
        CHECK_OK(icf_session_truncate(session.get(), keep, &check_error));
        CHECK_EQUAL(keep, icf_session_length(session.get()));
        const std::vector<int32_t> rest(tokens.begin() + keep, tokens.end());
        CHECK_AT_MOST(tolerance(2e-6), relative_l2(append_all(session.get(), n_vocab, rest),
                                                   {expected.begin() + keep * n_vocab, expected.end()}));
    }
}

static void kv_types() {
    const ModelPtr model = open_model(fixture("decoder-qwen3.gguf")); // its heads have 32 elements, as Q8_0 needs
    const std::vector<int32_t> tokens = Random(8).tokens(100, n_vocab);
    const std::vector<float> exact = append_all(open_session(model.get()).get(), n_vocab, tokens);
    const struct {
        int32_t type;
        double tolerance;
    } cases[] = {{ICF_TYPE_F16, 2e-3}, {ICF_TYPE_Q8_0, 3e-2}};
    for (const auto & c : cases) {
        SessionSetup setup;
        setup.kv_type = c.type;
        for (size_t step : {size_t(100), size_t(1)}) {
            const SessionPtr session = open_session(model.get(), setup);
            CHECK_AT_MOST(c.tolerance, relative_l2(append_all(session.get(), n_vocab, tokens, step), exact));
            CHECK_EQUAL(c.type, describe(session.get()).kv_type);
        }
    }
    const ModelPtr narrow = open_model(fixture("decoder-llama-mha.gguf"));
    icf_session_options options;
    icf_session_options_init(&options);
    options.kv_type = ICF_TYPE_Q8_0;
    icf_session * session = nullptr;
    CHECK_STATUS(ICF_ERROR_UNSUPPORTED, icf_session_open(narrow.get(), &options, &session, &check_error));
}

static void capacity() {
    const ModelPtr model = open_model(fixture("decoder-llama-mha.gguf"));
    SessionSetup setup;
    setup.n_ctx = 10;
    setup.n_batch = 6;
    const SessionPtr session = open_session(model.get(), setup);
    const std::vector<int32_t> tokens = Random(9).tokens(11, n_vocab);
    CHECK_STATUS(ICF_ERROR_ARGUMENT,
                 icf_session_append_tokens(session.get(), tokens.data(), 7, 1, ICF_OUTPUT_LOGITS, &check_error));
    CHECK_OK(icf_session_append_tokens(session.get(), tokens.data(), 6, 2, ICF_OUTPUT_LOGITS, &check_error));
    const std::vector<float> before = logits_of(session.get(), 0, 2);
    CHECK_STATUS(ICF_ERROR_CAPACITY,
                 icf_session_append_tokens(session.get(), tokens.data(), 5, 1, ICF_OUTPUT_LOGITS, &check_error));
    CHECK_EQUAL(6, icf_session_length(session.get()));
    CHECK(same_result(before, logits_of(session.get(), 0, 2))); // nothing was appended
    CHECK_OK(icf_session_append_tokens(session.get(), tokens.data() + 6, 4, 1, ICF_OUTPUT_LOGITS, &check_error));
    CHECK_STATUS(ICF_ERROR_CAPACITY,
                 icf_session_append_tokens(session.get(), tokens.data(), 1, 1, ICF_OUTPUT_LOGITS, &check_error));
    CHECK_OK(icf_session_truncate(session.get(), 9, &check_error));
    CHECK_OK(icf_session_append_tokens(session.get(), tokens.data() + 9, 1, 1, ICF_OUTPUT_LOGITS, &check_error));
}

static void defaults() {
    const ModelPtr model = open_model(fixture("decoder-llama-mha.gguf"));
    icf_session * opened = nullptr;
    CHECK_OK(icf_session_open(model.get(), nullptr, &opened, &check_error));
    const SessionPtr session(opened);
    const icf_session_info info = describe(session.get());
    CHECK_EQUAL(256, info.n_ctx); // what the model was trained for
    CHECK_EQUAL(256, info.n_batch);
    CHECK_EQUAL(ICF_TYPE_F16, info.kv_type);
    CHECK(info.n_threads >= 1 && info.kv_bytes >= 2 * 2 * 256 * 32 * 2);
    CHECK_EQUAL(0, icf_session_length(session.get()));
}

// A model lives as long as its sessions.
static void sessions_outlive_models() {
    ModelPtr model = open_model(fixture("decoder-llama-mha.gguf"));
    const std::vector<int32_t> tokens = Random(10).tokens(5, n_vocab);
    const std::vector<float> expected = append_all(open_session(model.get()).get(), n_vocab, tokens);
    const SessionPtr session = open_session(model.get());
    model.reset();
    CHECK(same_result(append_all(session.get(), n_vocab, tokens), expected));
}

static icf_sampling lively() {
    icf_sampling sampling;
    icf_sampling_init(&sampling);
    sampling.temperature = 0.8f;
    sampling.top_k = 50;
    sampling.repetition_penalty = 1.2f;
    sampling.seed = 7;
    return sampling;
}

// The draw depends on seed, position, logits and, for the penalty, the tokens before.
static void sampling() {
    const ModelPtr model = open_model(fixture("decoder-llama-mha.gguf"));
    const std::vector<int32_t> tokens = Random(11).tokens(12, n_vocab);
    std::vector<std::vector<int32_t>> runs;
    for (int run = 0; run < 2; run++) {
        const SessionPtr session = open_session(model.get());
        append_all(session.get(), n_vocab, tokens);
        runs.emplace_back();
        for (int i = 0; i < 20; i++) {
            int32_t token = -1, again = -1;
            const icf_sampling s = lively();
            CHECK_OK(icf_session_sample(session.get(), &s, &token, &check_error));
            CHECK_OK(icf_session_sample(session.get(), &s, &again, &check_error));
            CHECK_EQUAL(token, again);
            runs.back().push_back(token);
            CHECK_OK(icf_session_append_tokens(session.get(), &token, 1, 1, ICF_OUTPUT_LOGITS, &check_error));
        }
    }
    CHECK(runs[0] == runs[1]);
    icf_sampling penalised = lively(); // a huge penalty never repeats within its window
    penalised.temperature = 0;
    penalised.repetition_penalty = 1e9f;
    penalised.repetition_window = -1;
    const SessionPtr session = open_session(model.get());
    append_all(session.get(), n_vocab, {5, 6, 7});
    std::vector<int32_t> seen = {5, 6, 7};
    for (int i = 0; i < 30; i++) {
        int32_t token = -1;
        CHECK_OK(icf_session_sample(session.get(), &penalised, &token, &check_error));
        CHECK(std::find(seen.begin(), seen.end(), token) == seen.end());
        seen.push_back(token);
        CHECK_OK(icf_session_append_tokens(session.get(), &token, 1, 1, ICF_OUTPUT_LOGITS, &check_error));
    }
}

// ---- State ----

static std::vector<char> save(const icf_session * session) {
    std::vector<char> state(size_t(icf_session_state_bytes(session)));
    long long written = 0;
    CHECK_OK(icf_session_save_state(session, state.data(), (long long)state.size(), &written, &check_error));
    CHECK_EQUAL(state.size(), written);
    return state;
}

static void states_come_back() {
    const ModelPtr model = open_model(fixture("decoder-qwen3.gguf"));
    for (int32_t type : {ICF_TYPE_F32, ICF_TYPE_F16, ICF_TYPE_Q8_0}) {
        SessionSetup setup;
        setup.kv_type = type;
        const SessionPtr first = open_session(model.get(), setup);
        const std::vector<int32_t> tokens = Random(12).tokens(40, n_vocab);
        CHECK_OK(
            icf_session_append_tokens(first.get(), tokens.data(), 40, 3, ICF_OUTPUT_LOGITS | ICF_OUTPUT_HIDDEN, &check_error));
        const std::vector<char> state = save(first.get());
        const SessionPtr second = open_session(model.get(), setup);
        append_all(second.get(), n_vocab, Random(13).tokens(60, n_vocab));
        CHECK_OK(icf_session_restore_state(second.get(), state.data(), (long long)state.size(), &check_error));
        CHECK_EQUAL(40, icf_session_length(second.get()));
        CHECK(save(second.get()) == state);
        CHECK(same_result(logits_of(first.get(), 0, 3), logits_of(second.get(), 0, 3)));
        const icf_sampling s = lively();
        int32_t a = -1, b = -2;
        CHECK_OK(icf_session_sample(first.get(), &s, &a, &check_error));
        CHECK_OK(icf_session_sample(second.get(), &s, &b, &check_error));
        CHECK_EQUAL(a, b);
        CHECK(continue_greedily(first.get(), 10) == continue_greedily(second.get(), 10));
    }
}

static void empty_states() {
    const ModelPtr model = open_model(fixture("decoder-llama-mha.gguf"));
    const SessionPtr session = open_session(model.get());
    const std::vector<char> empty = save(session.get());
    append_all(session.get(), n_vocab, {1, 2, 3});
    CHECK_OK(icf_session_restore_state(session.get(), empty.data(), (long long)empty.size(), &check_error));
    CHECK_EQUAL(0, icf_session_length(session.get()));
    CHECK(save(session.get()) == empty);
}

// Every byte counts, and a refused state changes nothing.
static void damaged_states() {
    const ModelPtr model = open_model(folder.write("state.gguf", tiny_decoder().build()));
    const SessionPtr session = open_session(model.get());
    append_all(session.get(), 16, {1, 2, 3});
    const std::vector<char> state = save(session.get());
    append_all(session.get(), 16, {4});
    const std::vector<char> now = save(session.get());
    for (size_t i = 0; i < state.size(); i++) {
        std::vector<char> damaged = state;
        damaged[i] = static_cast<char>(damaged[i] ^ (1 << i % 8));
        const icf_status status =
            icf_session_restore_state(session.get(), damaged.data(), (long long)damaged.size(), &check_error);
        CHECK_SAYING(status == ICF_ERROR_FORMAT || status == ICF_ERROR_MISMATCH || status == ICF_ERROR_CAPACITY,
                     "byte %zu damaged gives '%s'", i, icf_status_name(status));
    }
    for (size_t n = 0; n < state.size(); n++) {
        CHECK_STATUS(ICF_ERROR_FORMAT, icf_session_restore_state(session.get(), state.data(), (long long)n, &check_error));
    }
    std::vector<char> longer = state;
    longer.push_back(0);
    CHECK_STATUS(ICF_ERROR_FORMAT,
                 icf_session_restore_state(session.get(), longer.data(), (long long)longer.size(), &check_error));
    CHECK(save(session.get()) == now);
    CHECK_OK(icf_session_restore_state(session.get(), state.data(), (long long)state.size(), &check_error));
    CHECK(save(session.get()) == state);
}

static void foreign_states() {
    TinySizes other;
    other.seed = 2;
    const ModelPtr model = open_model(folder.write("a.gguf", tiny_decoder().build()));
    const ModelPtr stranger = open_model(folder.write("b.gguf", tiny_decoder(other).build()));
    const SessionPtr session = open_session(model.get());
    append_all(session.get(), 16, std::vector<int32_t>(20, 3));
    const std::vector<char> state = save(session.get());
    const auto restore = [&](icf_model * into, SessionSetup setup) {
        return icf_session_restore_state(open_session(into, setup).get(), state.data(), (long long)state.size(), &check_error);
    };
    CHECK_STATUS(ICF_ERROR_MISMATCH, restore(stranger.get(), {}));
    SessionSetup half;
    half.kv_type = ICF_TYPE_F16;
    CHECK_STATUS(ICF_ERROR_MISMATCH, restore(model.get(), half));
    SessionSetup small;
    small.n_ctx = 19;
    CHECK_STATUS(ICF_ERROR_CAPACITY, restore(model.get(), small));
    small.n_ctx = 20;
    CHECK_OK(restore(model.get(), small));
}

// ---- Files and threads ----

static void files_that_change() {
    const std::string path = folder.write("changes.gguf", tiny_decoder().build());
    const ModelPtr mapped = open_model(path, 1);
    const ModelPtr read = open_model(path, 0);
    const SessionPtr on_map = open_session(mapped.get());
    const SessionPtr on_copy = open_session(read.get());
    const int32_t token = 3;
    const std::vector<float> rows(8, 0.5f);
    CHECK_OK(icf_session_append_tokens(on_map.get(), &token, 1, 0, 0, &check_error));
    std::filesystem::resize_file(path, 100);
    float row[8];
    CHECK_STATUS(ICF_ERROR_IO, icf_session_append_tokens(on_map.get(), &token, 1, 0, 0, &check_error));
    CHECK_STATUS(ICF_ERROR_IO, icf_session_append_rows(on_map.get(), rows.data(), ICF_TYPE_F32, 1, 0, 0, &check_error));
    CHECK_STATUS(ICF_ERROR_IO, icf_model_embed_tokens(mapped.get(), &token, 1, row, 8, &check_error));
    CHECK_EQUAL(1, icf_session_length(on_map.get()));
    CHECK_OK(icf_session_append_tokens(on_copy.get(), &token, 1, 0, 0, &check_error));
    CHECK_OK(icf_model_embed_tokens(read.get(), &token, 1, row, 8, &check_error));
}

// Eight threads, each with sessions of its own, on one model: as if each were alone.
static void threads_share_a_model() {
    const ModelPtr model = open_model(fixture("decoder-llama-gqa.gguf"));
    const auto work = [&](int number) {
        std::vector<int32_t> ids;
        icf_session_options options;
        icf_session_options_init(&options);
        options.n_threads = 1;
        options.n_ctx = 64;
        icf_session * session = nullptr;
        if (icf_session_open(model.get(), &options, &session, nullptr) != ICF_OK) {
            return ids;
        }
        const std::vector<int32_t> tokens = Random(uint64_t(number)).tokens(20, n_vocab);
        bool good = icf_session_append_tokens(session, tokens.data(), 20, 1, ICF_OUTPUT_LOGITS, nullptr) == ICF_OK;
        for (int i = 0; good && i < 20; i++) {
            int32_t token = -1;
            const icf_sampling s = lively();
            good = icf_session_sample(session, &s, &token, nullptr) == ICF_OK &&
                   icf_session_append_tokens(session, &token, 1, 1, ICF_OUTPUT_LOGITS, nullptr) == ICF_OK;
            ids.push_back(token);
        }
        icf_session_close(session);
        return ids;
    };
    std::vector<std::vector<int32_t>> together(8);
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; i++) {
        threads.emplace_back([&, i] { together[size_t(i)] = work(i); });
    }
    for (std::thread & thread : threads) {
        thread.join();
    }
    for (int i = 0; i < 8; i++) {
        CHECK_EQUAL(20, together[size_t(i)].size());
        CHECK(together[size_t(i)] == work(i));
    }
}

int main() {
    RUN(every_fixture);
    RUN(batch_splits);
    RUN(outputs);
    RUN(one_layer_without_outputs);
    RUN(rows_are_embeddings);
    RUN(truncate_and_append_again);
    RUN(kv_types);
    RUN(capacity);
    RUN(defaults);
    RUN(sessions_outlive_models);
    RUN(sampling);
    RUN(states_come_back);
    RUN(empty_states);
    RUN(damaged_states);
    RUN(foreign_states);
    RUN(files_that_change);
    RUN(threads_share_a_model);
    return check_result();
}
