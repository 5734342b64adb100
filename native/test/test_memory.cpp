// Every allocation of the library's own code fails once, and from some point on: each call then says so, leaks nothing, and
// leaves its handle as it was.
#include "gguf_builder.h"

#include <atomic>
#include <functional>
#include <new>

#include <dlfcn.h>
#include <execinfo.h>

using namespace test;

// ---- Allocations that can be made to fail ----

static std::atomic<long long> live{0};      // blocks that are allocated
static std::atomic<long long> countdown{0}; // own allocations until one fails; 0: none does
static std::atomic<bool> persistent{false}; // all after it fail as well
static std::atomic<long long> failed{0};

extern "C" char __executable_start, etext;

// Whether `caller` is this program's code, the library's among it, and not ggml's; or the C++ library's on its behalf.
static bool is_own(void * caller) {
    void * frames[12];
    const int count = backtrace(frames, 12);
    for (int i = int(std::find(frames, frames + count, caller) - frames); i < count; i++) {
        if (frames[i] >= &__executable_start && frames[i] < &etext) {
            return true;
        }
        Dl_info info;
        if (!dladdr(frames[i], &info) || !info.dli_fname || !strstr(info.dli_fname, "libstdc++")) {
            return false;
        }
    }
    return false;
}

static bool must_fail(void * caller) {
    static thread_local bool inside = false; // what is called here may allocate
    if (countdown.load() <= 0 || inside) {
        return false;
    }
    inside = true;
    const bool fails = is_own(caller) && (countdown.load() == 1 || countdown.fetch_sub(1) == 1);
    inside = false;
    if (fails) {
        failed++;
        countdown = persistent ? 1 : 0;
    }
    return fails;
}

__attribute__((noinline)) void * operator new(size_t count) {
    void * memory = must_fail(__builtin_return_address(0)) ? nullptr : malloc(count ? count : 1);
    if (!memory) {
        throw std::bad_alloc();
    }
    live++;
    return memory;
}

__attribute__((noinline)) void * operator new(size_t count, const std::nothrow_t &) noexcept {
    void * memory = must_fail(__builtin_return_address(0)) ? nullptr : malloc(count ? count : 1);
    live += memory != nullptr;
    return memory;
}

// Not inlined, or the compiler takes the free in it for one of memory that another operator new gave.
__attribute__((noinline)) void operator delete(void * memory) noexcept {
    live -= memory != nullptr;
    free(memory);
}
__attribute__((noinline)) void operator delete(void * memory, size_t) noexcept {
    operator delete(memory);
}

// What the library aligns itself.
extern "C" __attribute__((noinline)) void * aligned_alloc(size_t alignment, size_t count) noexcept {
    void * memory = nullptr;
    return !must_fail(__builtin_return_address(0)) && posix_memalign(&memory, alignment, count) == 0 ? memory : nullptr;
}

// ---- Injection ----

// Runs `call` with its first, second, … allocation failing, until it needs no more. Before each time `prepare` brings things
// into the state that is described by `check`, which must hold after a failure too.
struct Scenario {
    const char * name;
    std::function<void()> prepare;
    std::function<icf_status(icf_error *)> call;
    std::function<void(bool succeeded)> check;
    bool may_need_none = false;
};

static void inject(const Scenario & s) {
    s.prepare();
    CHECK_OK(s.call(&check_error)); // once in peace: what the library keeps for good is there then
    s.check(true);
    for (bool all_after : {false, true}) {
        long long n = 1;
        for (;; n++) {
            s.prepare();
            const long long before = live;
            icf_error error = {ICF_OK, ""};
            failed = 0;
            persistent = all_after;
            countdown = n;
            const icf_status status = s.call(&error);
            countdown = 0;
            const bool fired = failed > 0;
            if (status != ICF_OK) {
                CHECK_SAYING(fired && status == ICF_ERROR_MEMORY && strstr(error.message, "memory"),
                             "%s, allocation %lld: '%s' (%s)", s.name, n, icf_status_name(status), error.message);
            }
            s.check(status == ICF_OK);
            if (status != ICF_OK && before != live) {
                // Scratch memory that stays with a handle is not lost: the same failure again must add nothing.
                const long long after = live;
                s.prepare();
                failed = 0;
                persistent = all_after;
                countdown = n;
                s.call(&error);
                countdown = 0;
                s.check(false);
                CHECK_SAYING(live <= after, "%s, allocation %lld: %lld blocks more", s.name, n, live - after);
            }
            if (!fired) {
                CHECK_EQUAL(ICF_OK, status);
                break;
            }
            CHECK(n < 100000);
        }
        if (!all_after) {
            printf("       %4lld allocations in %s\n", n - 1, s.name);
        }
        CHECK_SAYING(n > 1 || s.may_need_none, "%s allocates nothing", s.name);
    }
}

static const TempFolder folder;
static const TinySizes sizes;

static const std::string & model_path() {
    static const std::string path = folder.write("model.gguf", tiny_decoder(sizes).build());
    return path;
}

static const std::string & former_path() {
    static const std::string path = folder.write("former.gguf", [] {
        TinySizes wide; // with a matrix that is packed
        wide.n_layer = 2;
        GgufBuilder file = tiny_former(wide);
        file.remove_tensor("blk.1.context_norm.weight").set_u32("icformer.cross_attention_interval", 2);
        return file.build();
    }());
    return path;
}

static const std::string & packed_former_path() {
    static const std::string path = folder.write("packed.gguf", [] {
        TinySizes wide;
        wide.n_embd = 32;
        wide.n_ff = 32;
        GgufBuilder file = tiny_former(wide);
        for (GgufBuilder::Tensor & tensor : file.tensors) {
            if (tensor.shape.size() == 2 && tensor.name != "digest_embd.weight") {
                tensor.data = quantised(ICF_TYPE_Q8_0, tensor.data, 32, (long long)tensor.shape[1]);
                tensor.type = ICF_TYPE_Q8_0;
            }
        }
        return file.build();
    }());
    return path;
}

// ---- Opening ----

static void opening() {
    icf_gguf * file = nullptr;
    inject({"icf_gguf_open", [&] { icf_gguf_close(file), file = nullptr; },
            [&](icf_error * error) { return icf_gguf_open(model_path().c_str(), &file, error); },
            [&](bool succeeded) { CHECK(succeeded == (file != nullptr)); }});
    icf_gguf_close(file);
    for (int use_mmap : {0, 1}) {
        icf_model * model = nullptr;
        icf_model_options options;
        icf_model_options_init(&options);
        options.device = 0;
        options.use_mmap = use_mmap;
        inject({"icf_model_open", [&] { icf_model_close(model), model = nullptr; },
                [&](icf_error * error) { return icf_model_open(model_path().c_str(), &options, &model, error); },
                [&](bool succeeded) { CHECK(succeeded == (model != nullptr)); }});
        icf_model_close(model);
    }
    const ModelPtr model = open_model(model_path());
    icf_session * session = nullptr;
    icf_session_options options;
    icf_session_options_init(&options);
    options.n_threads = 1;
    options.n_ctx = 16;
    inject({"icf_session_open", [&] { icf_session_close(session), session = nullptr; },
            [&](icf_error * error) { return icf_session_open(model.get(), &options, &session, error); },
            [&](bool succeeded) { CHECK(succeeded == (session != nullptr)); }});
    icf_session_close(session);
}

static void opening_digesters() {
    for (int n_threads : {1, 2}) {
        for (int method : {ICF_METHOD_FAST, ICF_METHOD_PLAIN}) {
            const std::string & path = n_threads == 1 ? former_path() : packed_former_path();
            icf_digester_options options;
            icf_digester_options_init(&options);
            options.device = 0;
            options.n_threads = n_threads;
            options.method = method;
            icf_digester * digester = nullptr;
            inject({"icf_digester_open", [&] { icf_digester_close(digester), digester = nullptr; },
                    [&](icf_error * error) { return icf_digester_open(path.c_str(), nullptr, &options, &digester, error); },
                    [&](bool succeeded) { CHECK(succeeded == (digester != nullptr)); }});
            icf_digester_close(digester);
        }
    }
}

// ---- Digesting ----

// A digester that failed gives, when asked again, what one that never failed gives.
static void digesting() {
    const ModelPtr model = open_model(model_path());
    const std::vector<int32_t> tokens = Random(1).tokens(30, sizes.n_vocab);
    const std::vector<float> embeddings = Random(2).floats(30 * 8);
    for (int method : {ICF_METHOD_FAST, ICF_METHOD_PLAIN}) {
        for (long long max_table_bytes : {0LL, 1LL << 20}) {
            icf_digester_options options;
            icf_digester_options_init(&options);
            options.device = 0;
            options.n_threads = 1;
            options.method = method;
            options.max_table_bytes = max_table_bytes;
            const auto open = [&] {
                icf_digester * digester = nullptr;
                REQUIRE_OK(icf_digester_open(former_path().c_str(), model.get(), &options, &digester, &check_error));
                return DigesterPtr(digester);
            };
            const auto run = [&](icf_digester * digester, int n) {
                std::vector<float> rows(16);
                CHECK_OK(icf_digester_run(digester, tokens.data(), n, rows.data(), 16, &check_error));
                return rows;
            };
            const auto reference = open();
            const std::vector<float> short_rows = run(reference.get(), 5), long_rows = run(reference.get(), 30);
            DigesterPtr digester;
            std::vector<float> rows(16);
            const auto fresh = [&] { digester = open(); };
            const auto check = [&](bool) {
                CHECK_AT_MOST(1e-6, relative_l2(run(digester.get(), 30), long_rows));
                CHECK_AT_MOST(1e-6, relative_l2(run(digester.get(), 5), short_rows));
            };
            inject(
                {"icf_digester_run", fresh,
                 [&](icf_error * error) { return icf_digester_run(digester.get(), tokens.data(), 5, rows.data(), 16, error); },
                 check});
            const auto used = [&] {
                digester = open();
                run(digester.get(), 5);
            };
            inject(
                {"icf_digester_run, longer", used,
                 [&](icf_error * error) { return icf_digester_run(digester.get(), tokens.data(), 30, rows.data(), 16, error); },
                 check});
            inject({"icf_digester_run_rows", used,
                    [&](icf_error * error) {
                        return icf_digester_run_rows(digester.get(), embeddings.data(), 30, rows.data(), 16, error);
                    },
                    check});
            if (max_table_bytes && method == ICF_METHOD_FAST && describe(open().get()).method == ICF_METHOD_FAST) {
                inject({"icf_digester_prepare", fresh,
                        [&](icf_error * error) { return icf_digester_prepare(digester.get(), tokens.data(), 30, error); },
                        check});
            }
        }
    }
}

// ---- A session ----

static std::vector<char> save(const icf_session * session) {
    std::vector<char> state(size_t(icf_session_state_bytes(session)));
    long long written = 0;
    CHECK_OK(icf_session_save_state(session, state.data(), (long long)state.size(), &written, &check_error));
    return state;
}

static void appending() {
    const ModelPtr model = open_model(model_path());
    const std::vector<int32_t> tokens = Random(3).tokens(12, sizes.n_vocab);
    const std::vector<float> rows = Random(4).floats(6 * 8);
    const int both = ICF_OUTPUT_LOGITS | ICF_OUTPUT_HIDDEN;
    const auto start = [&] {
        SessionPtr session = open_session(model.get());
        CHECK_OK(icf_session_append_tokens(session.get(), tokens.data(), 4, 4, ICF_OUTPUT_LOGITS, &check_error));
        return session;
    };
    SessionPtr session = start();
    const std::vector<char> before = save(session.get());
    const auto expected = append_all(start().get(), sizes.n_vocab, {tokens.begin() + 4, tokens.end()});
    const auto check = [&](bool succeeded) {
        if (!succeeded) { // length, tokens, keys, values and logits are as they were
            CHECK(save(session.get()) == before);
        }
        CHECK_OK(icf_session_truncate(session.get(), 4, &check_error));
        CHECK_AT_MOST(1e-6,
                      relative_l2(append_all(session.get(), sizes.n_vocab, {tokens.begin() + 4, tokens.end()}), expected));
    };
    const auto prepare = [&] { session = start(); };
    inject({"icf_session_append_tokens", prepare,
            [&](icf_error * error) { return icf_session_append_tokens(session.get(), tokens.data() + 4, 8, 2, both, error); },
            check});
    inject({"icf_session_append_rows", prepare,
            [&](icf_error * error) {
                return icf_session_append_rows(session.get(), rows.data(), ICF_TYPE_F32, 6, 6, ICF_OUTPUT_HIDDEN, error);
            },
            check});
}

static void sampling_and_states() {
    const ModelPtr model = open_model(model_path());
    const SessionPtr session = open_session(model.get());
    append_all(session.get(), sizes.n_vocab, Random(5).tokens(9, sizes.n_vocab));
    const std::vector<char> state = save(session.get());
    icf_sampling sampling;
    icf_sampling_init(&sampling);
    sampling.temperature = 1;
    sampling.repetition_penalty = 1.1f;
    int32_t token = -1;
    const auto unchanged = [&](bool) { CHECK(save(session.get()) == state); };
    inject({"icf_session_sample", [] {},
            [&](icf_error * error) { return icf_session_sample(session.get(), &sampling, &token, error); }, unchanged, true});
    const SessionPtr other = open_session(model.get());
    const auto refill = [&] {
        CHECK_OK(icf_session_truncate(other.get(), 0, &check_error));
        append_all(other.get(), sizes.n_vocab, {1, 2, 3});
    };
    refill();
    const std::vector<char> before = save(other.get());
    inject({"icf_session_restore_state", refill,
            [&](icf_error * error) {
                return icf_session_restore_state(other.get(), state.data(), (long long)state.size(), error);
            },
            [&](bool succeeded) { CHECK(save(other.get()) == (succeeded ? state : before)); }});
}

// An error's message itself needs memory.
static void errors_without_memory() {
    const ModelPtr model = open_model(model_path());
    const int32_t outside = 1000;
    float row[8];
    for (long long n = 1; n <= 3; n++) {
        icf_error error = {ICF_OK, ""};
        persistent = true;
        countdown = n;
        const icf_status status = icf_model_embed_tokens(model.get(), &outside, 1, row, 8, &error);
        countdown = 0;
        CHECK(status == ICF_ERROR_ARGUMENT || status == ICF_ERROR_MEMORY);
        CHECK(error.status == status && error.message[0]);
    }
}

int main() {
    void * frames[2];
    CHECK(backtrace(frames, 2) > 0); // loads what it needs
    REQUIRE(icf_device_count() >= 1);
    RUN_ON_CPU(opening);
    RUN_ON_CPU(opening_digesters);
    RUN_ON_CPU(digesting);
    RUN_ON_CPU(appending);
    RUN_ON_CPU(sampling_and_states);
    RUN_ON_CPU(errors_without_memory);
    return check_result();
}
