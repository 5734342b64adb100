// Any sequence of calls on a model, digesters and sessions, with any arguments: each succeeds or says why not, and what the
// calls promise about lengths and outputs holds all the way.
#include "fuzz.h"
#include "fuzz_models.h"

#include <memory>

using namespace fuzz;

namespace {

struct Timeline {
    icf_session * session = nullptr;
    long long length = 0;
    long long n_outputs = 0;
    int outputs = 0;
};

class Play {
public:
    explicit Play(Bytes & bytes) : bytes_(bytes) {}
    ~Play() {
        for (Timeline & t : timelines_) {
            icf_session_close(t.session);
        }
        icf_digester_close(digester_);
        icf_model_close(model_);
    }

    void run() {
        for (int steps = 0; !bytes_.empty() && steps < 200; steps++) {
            step();
        }
    }

private:
    void step() {
        Timeline & t = timelines_[bytes_.below(2)];
        switch (bytes_.below(14)) {
            case 0: open_session(t); break;
            case 1: close_session(t); break;
            case 2:
            case 3: append_tokens(t); break;
            case 4: append_rows(t); break;
            case 5: truncate(t); break;
            case 6: read_outputs(t); break;
            case 7: sample(t); break;
            case 8: save(t); break;
            case 9: restore(t); break;
            case 10: digest_tokens(); break;
            case 11: digest_rows(); break;
            case 12: reopen(); break;
            default: embed(); break;
        }
        if (t.session) {
            promise(icf_session_length(t.session) == t.length, "the length is what the calls made it");
        }
    }

    bool good(icf_status status) { return succeeded(status, error_); }

    void open_session(Timeline & t) {
        close_session(t);
        icf_session_options options;
        icf_session_options_init(&options);
        options.n_threads = 1;
        options.n_ctx = 1 + bytes_.below(40);
        options.n_batch = bytes_.below(20);
        static const int32_t types[] = {ICF_TYPE_F16, ICF_TYPE_F32, ICF_TYPE_Q8_0, 99};
        options.kv_type = types[bytes_.below(4)];
        promise(good(icf_session_open(model_, &options, &t.session, &error_)) == (t.session != nullptr),
                "open gives or says why");
    }

    void close_session(Timeline & t) {
        icf_session_close(t.session);
        t = Timeline();
    }

    std::vector<int32_t> tokens(size_t count) {
        std::vector<int32_t> values(count);
        for (int32_t & value : values) {
            const uint8_t b = bytes_.next();
            value = b < 250 ? b % n_vocab : b - 300 + (b % 2) * 10000;
        }
        return values;
    }

    // Number of items to pass and to claim: the claim is within what is passed, or refused before anything is read.
    long long count_within(size_t have) {
        const long long n = bytes_.number();
        return n > static_cast<long long>(have) && n <= 1 << 10 ? static_cast<long long>(have) : n;
    }

    void appended(Timeline & t, icf_status status, long long n, long long n_outputs, int outputs) {
        if (good(status)) {
            t.length += n;
            t.n_outputs = n_outputs;
            t.outputs = n_outputs > 0 ? outputs : 0;
        }
    }

    void append_tokens(Timeline & t) {
        const std::vector<int32_t> values = tokens(static_cast<size_t>(bytes_.below(24)) + 1);
        const long long n = count_within(values.size());
        const long long n_outputs = bytes_.number();
        const int outputs = bytes_.below(5);
        appended(t, icf_session_append_tokens(t.session, values.data(), n, n_outputs, outputs, &error_), n, n_outputs, outputs);
    }

    void append_rows(Timeline & t) {
        std::vector<float> rows(static_cast<size_t>(bytes_.below(24) + 1) * n_embd);
        for (float & value : rows) {
            value = static_cast<float>(static_cast<int8_t>(bytes_.next())) / 16;
        }
        if (bytes_.below(8) == 0) {
            const uint32_t bits = static_cast<uint32_t>(bytes_.next()) << 24 | 0x00800001u; // often NaN, infinite or huge
            memcpy(&rows[0], &bits, sizeof(bits));
        }
        const long long n = count_within(rows.size() / n_embd);
        const long long n_outputs = bytes_.number();
        const int outputs = bytes_.below(5);
        static const int32_t types[] = {ICF_TYPE_F32, ICF_TYPE_F16, ICF_TYPE_Q8_0};
        appended(t, icf_session_append_rows(t.session, rows.data(), types[bytes_.below(3)], n, n_outputs, outputs, &error_), n,
                 n_outputs, outputs);
    }

    void truncate(Timeline & t) {
        const long long length = bytes_.number();
        if (good(icf_session_truncate(t.session, length, &error_))) {
            promise(length >= 0 && length <= t.length, "truncate does not lengthen");
            t.length = length;
            t.n_outputs = 0;
            t.outputs = 0;
        }
    }

    void read_outputs(Timeline & t) {
        const long long first = bytes_.number();
        const long long n = bytes_.number();
        const bool logits = bytes_.below(2) == 0;
        const int width = logits ? n_vocab : n_embd;
        std::vector<float> target(static_cast<size_t>(bytes_.below(24)) * static_cast<size_t>(width) + 1);
        const long long size = static_cast<long long>(target.size());
        const icf_status status = logits ? icf_session_get_logits(t.session, first, n, target.data(), size, &error_)
                                         : icf_session_get_hidden(t.session, first, n, target.data(), size, &error_);
        if (good(status)) {
            promise(t.outputs & (logits ? ICF_OUTPUT_LOGITS : ICF_OUTPUT_HIDDEN), "only what was asked for is there");
            promise(first >= 0 && n >= 0 && first + n <= t.n_outputs, "no output rows beyond the last");
        }
    }

    void sample(Timeline & t) {
        icf_sampling s;
        icf_sampling_init(&s);
        s.temperature = static_cast<float>(static_cast<int8_t>(bytes_.next())) / 32;
        s.top_k = static_cast<int8_t>(bytes_.next());
        s.top_p = static_cast<float>(bytes_.next()) / 240;
        s.min_p = static_cast<float>(bytes_.next()) / 250 - 0.01f;
        s.repetition_penalty = static_cast<float>(bytes_.next()) / 64;
        s.repetition_window = static_cast<int8_t>(bytes_.next());
        s.seed = bytes_.next();
        int32_t token = -1;
        if (good(icf_session_sample(t.session, bytes_.below(4) ? &s : nullptr, &token, &error_))) {
            promise(token >= 0 && token < n_vocab, "a sampled token is one of the vocabulary");
        }
    }

    void save(Timeline & t) {
        std::vector<char> state(static_cast<size_t>(icf_session_state_bytes(t.session)));
        long long written = -1;
        if (good(icf_session_save_state(t.session, state.data(), static_cast<long long>(state.size()), &written, &error_))) {
            promise(written == static_cast<long long>(state.size()), "a state is as long as it was said to be");
            state_ = state;
            saved_ = t;
        }
    }

    void restore(Timeline & t) {
        const bool damage = bytes_.below(3) == 0 && !state_.empty();
        std::vector<char> state = state_;
        if (damage) {
            state[static_cast<size_t>(bytes_.next()) * 37 % state.size()] ^= static_cast<char>(1 << bytes_.below(8));
        }
        if (good(icf_session_restore_state(t.session, state.data(), static_cast<long long>(state.size()), &error_))) {
            promise(!damage, "a damaged state is refused");
            t.length = saved_.length;
            t.n_outputs = saved_.n_outputs;
            t.outputs = saved_.outputs;
        }
    }

    void digest_tokens() {
        const std::vector<int32_t> values = tokens(static_cast<size_t>(bytes_.below(40)) + 1);
        std::vector<long long> ends(static_cast<size_t>(bytes_.below(4)) + 1);
        for (long long & end : ends) {
            end = count_within(values.size());
        }
        if (ends.back() > static_cast<long long>(values.size())) {
            ends.back() = static_cast<long long>(values.size());
        }
        std::vector<float> rows(static_cast<size_t>(bytes_.below(5) * n_digest * n_embd) + 1);
        const long long size = static_cast<long long>(rows.size());
        if (bytes_.below(4) == 0) {
            good(icf_digester_prepare(digester_, values.data(), static_cast<long long>(values.size()), &error_));
        }
        good(icf_digester_run_batch(digester_, values.data(), ends.data(), static_cast<long long>(ends.size()), rows.data(),
                                    size, &error_));
    }

    void digest_rows() {
        const std::vector<float> context(static_cast<size_t>(bytes_.below(40) + 1) * n_embd,
                                         static_cast<float>(bytes_.next()) / 64);
        const long long n = count_within(context.size() / n_embd);
        std::vector<float> rows(n_digest * n_embd);
        good(icf_digester_run_rows(digester_, context.data(), n, rows.data(),
                                   static_cast<long long>(rows.size()) - bytes_.below(2), &error_));
    }

    // A new model and digester; sessions go on with the model they have.
    void reopen() {
        icf_model_close(model_);
        model_ = fuzz::open_model(model_file().path());
        icf_digester_close(digester_);
        digester_ = nullptr;
        icf_digester_options options;
        icf_digester_options_init(&options);
        options.n_threads = 1;
        options.device = 0;
        options.method = bytes_.below(3);
        options.max_table_bytes = bytes_.below(2) ? -1 : bytes_.number();
        good(
            icf_digester_open(former_file().path().c_str(), bytes_.below(4) ? model_ : nullptr, &options, &digester_, &error_));
    }

    void embed() {
        const std::vector<int32_t> values = tokens(static_cast<size_t>(bytes_.below(8)) + 1);
        const long long n = count_within(values.size());
        std::vector<float> rows(static_cast<size_t>(bytes_.below(9) * n_embd) + 1);
        good(icf_model_embed_tokens(model_, values.data(), n, rows.data(), static_cast<long long>(rows.size()), &error_));
    }

    Bytes & bytes_;
    icf_error error_ = {ICF_OK, ""};
    icf_model * model_ = fuzz::open_model(model_file().path());
    icf_digester * digester_ = nullptr;
    Timeline timelines_[2];
    std::vector<char> state_;
    Timeline saved_;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t * data, size_t size) {
    Bytes bytes(data, size);
    Play(bytes).run();
    return 0;
}
