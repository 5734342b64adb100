// Any bytes as the state of a session, with a right checksum or as they are: the session afterwards is the one restored or
// the one before, and goes on.
#include "fuzz.h"
#include "fuzz_models.h"

#include <algorithm>

using namespace fuzz;

// The checksum of a state, as session.cpp computes it, so that damage reaches what lies behind its test.
static uint64_t checksum(const char * bytes, size_t count) {
    uint64_t state = 0xcbf29ce484222325u ^ count;
    for (; count >= 8; bytes += 8, count -= 8) {
        uint64_t word;
        memcpy(&word, bytes, 8);
        state = (state ^ word) * 0x9e3779b97f4a7c15u;
        state ^= state >> 29;
    }
    for (; count > 0; bytes++, count--) {
        state = (state ^ static_cast<unsigned char>(*bytes)) * 0x100000001b3u;
    }
    return state;
}

static const size_t header_bytes = 56;
static const size_t checksum_offset = 48;

static void seal(std::vector<char> & state) {
    if (state.size() >= header_bytes) {
        uint64_t sum = 0;
        memcpy(state.data() + checksum_offset, &sum, sizeof(sum));
        sum = checksum(state.data(), header_bytes) * 31 + checksum(state.data() + header_bytes, state.size() - header_bytes);
        memcpy(state.data() + checksum_offset, &sum, sizeof(sum));
    }
}

static std::vector<char> save(const icf_session * session) {
    std::vector<char> state(static_cast<size_t>(icf_session_state_bytes(session)));
    long long written = 0;
    promise(icf_session_save_state(session, state.data(), static_cast<long long>(state.size()), &written, nullptr) == ICF_OK,
            "a session can be saved");
    return state;
}

static icf_session * start() {
    static icf_model * const model = fuzz::open_model(model_file().path());
    icf_session_options options;
    icf_session_options_init(&options);
    options.n_threads = 1;
    options.n_ctx = 16;
    options.kv_type = ICF_TYPE_F32;
    icf_session * session = nullptr;
    const int32_t tokens[] = {1, 2, 3};
    promise(icf_session_open(model, &options, &session, nullptr) == ICF_OK, "a session opens");
    promise(icf_session_append_tokens(session, tokens, 3, 2, ICF_OUTPUT_LOGITS | ICF_OUTPUT_HIDDEN, nullptr) == ICF_OK,
            "tokens append");
    return session;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t * data, size_t size) {
    static icf_session * const session = start();
    static const std::vector<char> whole = save(session);
    if (size < 1) {
        return 0;
    }
    // The first byte says what the rest is: a state of its own, or changes to a good one, sealed or not.
    std::vector<char> state(data + 1, data + size);
    if (data[0] & 1) {
        state = whole;
        for (size_t i = 1; i + 2 < size; i += 3) {
            state[(data[i] | data[i + 1] << 8) % state.size()] = static_cast<char>(data[i + 2]);
        }
        state.resize(state.size() + (data[0] >> 2 & 3) * 4);
    }
    if (data[0] & 2) {
        seal(state);
    }
    promise(icf_session_restore_state(session, whole.data(), static_cast<long long>(whole.size()), nullptr) == ICF_OK,
            "a saved state is accepted");
    icf_error error = {ICF_OK, ""};
    if (succeeded(icf_session_restore_state(session, state.data(), static_cast<long long>(state.size()), &error), error)) {
        promise(save(session) == state, "a restored session saves what it was restored from");
    } else {
        promise(save(session) == whole, "a refused state changes nothing");
    }
    const int32_t token = 5;
    int32_t next = -1;
    icf_sampling sampling;
    icf_sampling_init(&sampling);
    sampling.temperature = 1;
    sampling.repetition_penalty = 1.5f;
    succeeded(icf_session_sample(session, &sampling, &next, &error), error);
    if (succeeded(icf_session_append_tokens(session, &token, 1, 1, ICF_OUTPUT_LOGITS, &error), error)) {
        promise(icf_session_sample(session, &sampling, &next, &error) == ICF_OK && next >= 0 && next < n_vocab, "and goes on");
    }
    return 0;
}
