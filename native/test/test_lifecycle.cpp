// Opening and closing, again and again and from many threads. The number of cycles may be given: test_lifecycle 100000
#include "gguf_builder.h"

#include <atomic>
#include <thread>

#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

using namespace test;

static const TempFolder folder;
static int n_cycles = sanitized ? 300 : 2000;

static long long resident_bytes() {
    long long total = 0, resident = 0;
    FILE * file = fopen("/proc/self/statm", "r");
    REQUIRE(file && fscanf(file, "%lld %lld", &total, &resident) == 2);
    fclose(file);
    return resident * sysconf(_SC_PAGESIZE);
}

static int open_descriptors() {
    int count = 0;
    for (const auto & entry : std::filesystem::directory_iterator("/proc/self/fd")) {
        count += entry.path().has_filename();
    }
    return count;
}

struct Files {
    std::string model = folder.write("model.gguf", tiny_decoder().build());
    std::string former = folder.write("former.gguf", tiny_former().build());
};

// One of everything, used, and closed in one of six orders.
static void cycle(const Files & files, int number) {
    const int use_mmap = number % 2;
    ModelPtr model = open_model(files.model, use_mmap);
    DigesterPtr digester = open_digester(files.former, model.get(), 1, use_mmap);
    SessionSetup setup;
    setup.n_ctx = 16;
    SessionPtr session = open_session(model.get(), setup);
    if (number % 8 == 0) {
        const int32_t tokens[] = {1, 2, 3};
        float rows[16];
        CHECK_OK(icf_digester_run(digester.get(), tokens, 3, rows, 16, &check_error));
        CHECK_OK(icf_session_append_rows(session.get(), rows, ICF_TYPE_F32, 2, 0, 0, &check_error));
        CHECK_OK(icf_session_append_tokens(session.get(), tokens, 3, 1, ICF_OUTPUT_LOGITS, &check_error));
    }
    switch (number % 6) {
        case 0: model.reset(), digester.reset(), session.reset(); break;
        case 1: model.reset(), session.reset(), digester.reset(); break;
        case 2: digester.reset(), model.reset(), session.reset(); break;
        case 3: digester.reset(), session.reset(), model.reset(); break;
        case 4: session.reset(), model.reset(), digester.reset(); break;
        default: session.reset(), digester.reset(), model.reset(); break;
    }
}

static void memory_stays_flat() {
    const Files files;
    for (int i = 0; i < 240; i++) {
        cycle(files, i);
    }
    malloc_trim(0);
    const long long before = resident_bytes();
    const int descriptors = open_descriptors();
    for (int i = 0; i < n_cycles; i++) {
        cycle(files, i);
    }
    malloc_trim(0);
    const long long growth = resident_bytes() - before;
    printf("       %d cycles: %+lld KiB resident\n", n_cycles, growth / 1024);
    CHECK_EQUAL(descriptors, open_descriptors());
    if (!sanitized) {
        CHECK_AT_MOST(1 << 20, growth);
    }
}

// What is refused leaves nothing behind either.
static void refusals_leave_nothing() {
    GgufBuilder broken = tiny_decoder();
    broken.remove_tensor("blk.0.ffn_down.weight");
    const std::string path = folder.write("broken.gguf", broken.build());
    const auto refuse = [&](int count) {
        for (int i = 0; i < count; i++) {
            icf_model * model = nullptr;
            CHECK_STATUS(ICF_ERROR_FORMAT, icf_model_open(path.c_str(), nullptr, &model, &check_error));
            icf_digester * digester = nullptr;
            CHECK_STATUS(ICF_ERROR_FORMAT, icf_digester_open(path.c_str(), nullptr, nullptr, &digester, &check_error));
        }
    };
    refuse(100);
    malloc_trim(0);
    const long long before = resident_bytes();
    const int descriptors = open_descriptors();
    refuse(n_cycles);
    malloc_trim(0);
    CHECK_EQUAL(descriptors, open_descriptors());
    if (!sanitized) {
        CHECK_AT_MOST(1 << 20, resident_bytes() - before);
    }
}

// Eight threads that open, use and close handles of their own on one model that closes before they are done.
static void threads_open_and_close() {
    const Files files;
    ModelPtr model = open_model(files.model);
    const std::vector<int32_t> tokens = {1, 2, 3, 4, 5};
    const std::vector<float> expected = append_all(open_session(model.get()).get(), 16, tokens);
    std::atomic<int> ready{0}, wrong{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; t++) {
        threads.emplace_back([&] {
            icf_session_options options;
            icf_session_options_init(&options);
            options.n_threads = 1;
            options.n_ctx = 16;
            options.kv_type = ICF_TYPE_F32;
            icf_session * session = nullptr;
            for (int i = 0; i < 20; i++) {
                icf_session_close(session);
                session = nullptr;
                wrong += icf_session_open(model.get(), &options, &session, nullptr) != ICF_OK;
            }
            ready++;
            while (ready < 9) {
                std::this_thread::yield();
            }
            std::vector<float> logits(5 * 16);
            wrong += icf_session_append_tokens(session, tokens.data(), 5, 5, ICF_OUTPUT_LOGITS, nullptr) != ICF_OK;
            wrong += icf_session_get_logits(session, 0, 5, logits.data(), 80, nullptr) != ICF_OK;
            wrong += !same_result(logits, expected);
            icf_session_close(session);
        });
    }
    while (ready < 8) {
        std::this_thread::yield();
    }
    model.reset();
    ready++;
    for (std::thread & thread : threads) {
        thread.join();
    }
    CHECK_EQUAL(0, wrong.load());
}

int main(int argc, char ** argv) {
    n_cycles = argc > 1 ? atoi(argv[1]) : n_cycles;
    RUN_ON_CPU(memory_stays_flat); // the drivers of other devices keep memory of their own
    RUN(refusals_leave_nothing);
    RUN(threads_open_and_close);
    return check_result();
}
