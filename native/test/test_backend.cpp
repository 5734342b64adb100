#include "backend.h"
#include "error.h"
#include "fixtures.h"

#include <unistd.h>

using namespace icf;
using namespace test;

static void device_list() {
    REQUIRE(!devices().empty());
    CHECK_EQUAL(ICF_DEVICE_CPU, devices()[0].kind);
    CHECK_EQUAL(icf_device_count(), devices().size());
    CHECK_EQUAL(0, resolve_device(0));
    CHECK(resolve_device(-1) == 0 || devices()[static_cast<size_t>(resolve_device(-1))].kind == ICF_DEVICE_GPU);
    CHECK_THROWS(ICF_ERROR_DEVICE, resolve_device(-2));
    CHECK_THROWS(ICF_ERROR_DEVICE, resolve_device(1000));
    CHECK_THROWS(ICF_ERROR_DEVICE, device_at(1000));
    CHECK(!device_features(device_at(0)).empty());
    CHECK(device_features(device_at(0)).find("LLAMAFILE=0") == std::string::npos);
}

// The environment chooses where nothing else does.
static void devices_by_name() {
    const std::string name = ggml_backend_dev_name(device_at(0).handle);
    CHECK_EQUAL(0, find_device("0"));
    CHECK_EQUAL(0, find_device(name.c_str()));
    CHECK_EQUAL(0, find_device("cpu"));
    CHECK_EQUAL(-1, find_device("none"));
    CHECK_EQUAL(-1, find_device("1000"));
    const char * before = getenv("ICF_DEVICE");
    const std::string kept = before ? before : "";
    for (const char * value : {"0", "CPU", "cpu"}) {
        setenv("ICF_DEVICE", value, 1);
        CHECK_EQUAL(0, resolve_device(-1));
    }
    setenv("ICF_DEVICE", "none", 1);
    CHECK_THROWS(ICF_ERROR_DEVICE, resolve_device(-1));
    CHECK_EQUAL(0, resolve_device(0));
    setenv("ICF_DEVICE", kept.c_str(), 1); // empty is as good as unset
}

static void thread_counts() {
    CHECK(physical_cores() >= 1);
    CHECK_EQUAL(physical_cores(), resolve_threads(0));
    CHECK_EQUAL(7, resolve_threads(7));
    CHECK_EQUAL(512, resolve_threads(512));
    CHECK_THROWS(ICF_ERROR_ARGUMENT, resolve_threads(-1));
    CHECK_THROWS(ICF_ERROR_ARGUMENT, resolve_threads(513));
    CHECK_EQUAL(3, Backend(0, 3).n_threads());
}

static void memory() {
    const Backend backend(check_device(), 1);
    CHECK(backend.is_cpu() == (check_device() == 0));
    const BufferPtr buffer = backend.allocate(1000, "a test");
    CHECK(ggml_backend_buffer_get_size(buffer.get()) >= 1000);
    if (!sanitized) { // they end the program instead
        CHECK_THROWS(ICF_ERROR_MEMORY, backend.allocate(size_t(1) << 60, "a test"));
    }
}

// One graph with new inputs, then another one in the same memory.
static void graphs_are_reused() {
    const Backend backend(check_device(), 1);
    GraphRunner runner(backend, 16);
    for (long long n : {4, 9, 2}) {
        ggml_context * ctx = runner.begin();
        ggml_tensor * x = ggml_new_tensor_1d(ctx, GGML_TYPE_F32, n);
        ggml_set_input(x);
        ggml_tensor * y = ggml_scale(ctx, x, 3.0f);
        ggml_set_output(y);
        ggml_build_forward_expand(runner.graph(), y);
        runner.allocate();
        for (float value : {1.0f, -2.0f}) {
            const std::vector<float> in(static_cast<size_t>(n), value);
            std::vector<float> out(in.size());
            ggml_backend_tensor_set(x, in.data(), 0, ggml_nbytes(x));
            runner.compute();
            ggml_backend_tensor_get(y, out.data(), 0, ggml_nbytes(y));
            CHECK(same_bits(out, std::vector<float>(in.size(), 3 * value)));
        }
        CHECK(runner.bytes() > 0);
    }
}

static void operations_a_device_lacks() {
    const Backend backend(check_device(), 1);
    GraphRunner runner(backend, 16);
    ggml_context * ctx = runner.begin();
    ggml_tensor * weight = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, 32, 2);
    ggml_tensor * x = ggml_new_tensor_2d(ctx, GGML_TYPE_Q4_0, 32, 2); // ggml multiplies by floats only
    ggml_build_forward_expand(runner.graph(), ggml_mul_mat(ctx, weight, x));
    CHECK_THROWS(ICF_ERROR_UNSUPPORTED, runner.allocate());
}

static void graphs_beyond_memory() {
    if (sanitized) {
        return; // they end the program instead
    }
    const Backend backend(check_device(), 1);
    GraphRunner runner(backend, 16);
    ggml_context * ctx = runner.begin();
    ggml_tensor * x = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, 1LL << 28, 1LL << 28);
    ggml_set_input(x);
    ggml_build_forward_expand(runner.graph(), ggml_scale(ctx, x, 2.0f));
    CHECK_THROWS(ICF_ERROR_MEMORY, runner.allocate());
}

static void log_levels() {
    for (int32_t level : {ICF_LOG_NONE, ICF_LOG_DEBUG, ICF_LOG_ERROR}) {
        set_log_level(level);
        ggml_log_callback callback = nullptr;
        void * data = nullptr;
        ggml_log_get(&callback, &data);
        REQUIRE(callback);
        FILE * const capture = tmpfile();
        REQUIRE(capture);
        const int kept = dup(2);
        fflush(stderr);
        dup2(fileno(capture), 2);
        callback(GGML_LOG_LEVEL_ERROR, "E", data);
        callback(GGML_LOG_LEVEL_WARN, "W", data);
        callback(GGML_LOG_LEVEL_INFO, "I", data);
        callback(GGML_LOG_LEVEL_DEBUG, "D", data);
        fflush(stderr);
        dup2(kept, 2);
        close(kept);
        rewind(capture);
        char text[16] = "";
        const size_t count = fread(text, 1, sizeof(text) - 1, capture);
        fclose(capture);
        text[count] = '\0';
        CHECK_TEXT(level == ICF_LOG_NONE ? "" : level == ICF_LOG_DEBUG ? "EWID" : "E", text);
    }
}

int main() {
    RUN(device_list);
    RUN(devices_by_name);
    RUN(thread_counts);
    RUN(memory);
    RUN(graphs_are_reused);
    RUN_ON_CPU(operations_a_device_lacks);
    RUN_ON_CPU(graphs_beyond_memory);
    RUN(log_levels);
    return check_result();
}
