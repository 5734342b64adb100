// The entries of icf.h: arguments are checked, handles claimed, and the work is handed on.
#include "digester.h"
#include "error.h"
#include "fingerprint.h"
#include "former_file.h"
#include "model.h"
#include "quantize.h"
#include "sampling.h"
#include "session.h"
#include "utf8.h"

#include <atomic>
#include <cmath>
#include <cstring>

using namespace icf;

// ---- Handles ----

struct icf_gguf {
    std::shared_ptr<const GgufFile> file;
};

struct icf_model {
    std::shared_ptr<const Model> model;
    icf_gguf gguf;
};

struct icf_digester {
    std::unique_ptr<Digester> digester;
    icf_gguf gguf;
    mutable std::atomic<bool> busy{false};
};

struct icf_adapter {
    std::shared_ptr<const Adapter> adapter;
    std::shared_ptr<const Model> model; // whose weights it stands beside
};

struct icf_session {
    std::unique_ptr<Session> session;
    mutable std::atomic<bool> busy{false};
};

namespace {

const long long max_adapters = 64;

void require(bool condition, const char * what) {
    if (!condition) {
        fail(ICF_ERROR_ARGUMENT, "%s", what);
    }
}

template <typename T> T & deref(T * pointer, const char * name) {
    if (!pointer) {
        fail(ICF_ERROR_ARGUMENT, "%s is NULL", name);
    }
    return *pointer;
}

// Holds a digester or session for one call.
template <typename Handle> class Claim {
public:
    Claim(Handle * handle, const char * name) : handle_(deref(handle, name)) {
        if (handle_.busy.exchange(true, std::memory_order_acquire)) {
            fail(ICF_ERROR_STATE, "the %s is in use by another thread", name);
        }
    }
    ~Claim() { handle_.busy.store(false, std::memory_order_release); }
    Claim(const Claim &) = delete;
    Claim & operator=(const Claim &) = delete;

    Handle * operator->() const { return &handle_; }

private:
    Handle & handle_;
};

// A struct given by the caller, whose size says which version of this header it was compiled with. Fields may be added at
// the end: a shorter struct keeps the defaults, a longer one is from a newer header than this library.
template <typename T> T read_options(const T * given, void (*init)(T *)) {
    T options;
    init(&options);
    if (given) {
        require(given->struct_size >= static_cast<int32_t>(sizeof(int32_t)),
                "struct_size is not set: call the *_init function");
        require(given->struct_size <= static_cast<int32_t>(sizeof(T)), "the options are from a newer icf.h than this library");
        memcpy(&options, given, static_cast<size_t>(given->struct_size));
        options.struct_size = sizeof(T);
    }
    return options;
}

template <typename T, typename Fill> void write_info(T * target, const Fill & fill) {
    const int32_t size = deref(target, "info").struct_size;
    require(size >= static_cast<int32_t>(sizeof(int32_t)) && size <= static_cast<int32_t>(sizeof(T)),
            "struct_size of info is not set to its sizeof");
    T info;
    memset(&info, 0, sizeof(info));
    fill(info);
    info.struct_size = size;
    memcpy(target, &info, static_cast<size_t>(size));
}

void check_capacity(long long n_rows, long long width, long long n_floats, const char * what) {
    long long need;
    require(n_rows >= 0 && n_floats >= 0, "a negative size");
    if (__builtin_mul_overflow(n_rows, width, &need) || n_floats < need) {
        fail(ICF_ERROR_CAPACITY, "%s needs %lld rows of %lld floats, the buffer has %lld floats", what, n_rows, width,
             n_floats);
    }
}

void check_flag(int32_t flag, const char * name) {
    if (flag != 0 && flag != 1) {
        fail(ICF_ERROR_ARGUMENT, "%s is %d: 0 and 1 are possible", name, flag);
    }
}

// An empty range may have no address.
void check_pointer(const void * pointer, long long count, const char * name) {
    if (!pointer && count != 0) {
        fail(ICF_ERROR_ARGUMENT, "%s is NULL", name);
    }
}

// Elements first … first + count - 1 of a key of that kind.
void check_elements(const GgufFile & file, long long key, long long first, long long count) {
    if (first < 0 || count < 0 || first > file.key_length(key) - count) {
        fail(ICF_ERROR_ARGUMENT, "key '%s' has %lld elements; %lld from %lld on do not exist", file.key_name(key),
             file.key_length(key), count, first);
    }
}

// Bytes first … first + count - 1 of a key's value or a tensor's data.
void check_bytes(long long first, long long count, long long size, const char * what, const char * name) {
    if (first < 0 || count < 0 || first > size - count) {
        fail(ICF_ERROR_ARGUMENT, "%s '%s' has %lld bytes; %lld from byte %lld on do not exist", what, name, size, count, first);
    }
}

const GgufFile & file_of(const icf_gguf * handle) {
    return *deref(handle, "file").file;
}

const TensorEntry & tensor_of(const GgufFile & file, long long index) {
    require(index >= 0 && index < static_cast<long long>(file.tensors().size()), "the file has no tensor of that index");
    return file.tensors()[static_cast<size_t>(index)];
}

} // namespace

// ---- Library ----

int32_t icf_abi_version(void) {
    return ICF_ABI_VERSION;
}

const char * icf_version(void) {
    return ICF_VERSION;
}

const char * icf_ggml_version(void) {
    return ggml_version();
}

const char * icf_status_name(int32_t status) {
    switch (status) {
        case ICF_OK: return "ok";
        case ICF_ERROR_ARGUMENT: return "argument";
        case ICF_ERROR_STATE: return "state";
        case ICF_ERROR_CAPACITY: return "capacity";
        case ICF_ERROR_IO: return "io";
        case ICF_ERROR_FORMAT: return "format";
        case ICF_ERROR_UNSUPPORTED: return "unsupported";
        case ICF_ERROR_MISMATCH: return "mismatch";
        case ICF_ERROR_MEMORY: return "memory";
        case ICF_ERROR_DEVICE: return "device";
        case ICF_ERROR_INTERNAL: return "internal";
        default: return "unknown";
    }
}

void icf_set_log_level(int32_t level) {
    set_log_level(level);
}

// ---- Devices ----

int32_t icf_device_count(void) {
    int32_t count = 0;
    guard(nullptr, [&] { count = static_cast<int32_t>(devices().size()); });
    return count;
}

icf_status icf_device_describe(int32_t index, icf_device_info * info, icf_error * error) {
    return guard(error, [&] {
        if (index < 0 || index >= icf_device_count()) {
            fail(ICF_ERROR_DEVICE, "there is no device %d", index);
        }
        const Device & device = devices()[static_cast<size_t>(index)];
        write_info(info, [&](icf_device_info & i) {
            const DeviceMemory memory = device_memory(device);
            i.kind = device.kind;
            i.memory_free = static_cast<long long>(memory.free);
            i.memory_total = static_cast<long long>(memory.total);
            copy_field(i.name, sizeof(i.name), ggml_backend_dev_name(device.handle));
            copy_field(i.description, sizeof(i.description), ggml_backend_dev_description(device.handle));
            copy_field(i.backend, sizeof(i.backend), device_features(device));
        });
    });
}

// ---- Tensor types ----

int32_t icf_type_find(const char * name) {
    return name ? find_type(name) : -1;
}

icf_status icf_type_describe(int32_t type, icf_type_info * info, icf_error * error) {
    return guard(error, [&] { write_info(info, [&](icf_type_info & i) { describe_type(check_type(type), i); }); });
}

icf_status icf_quantize_rows(int32_t type, const float * rows, long long n_rows, long long row_length, void * target,
                             long long target_bytes, icf_error * error) {
    return guard(error, [&] {
        const size_t bytes = rows_bytes(check_type(type), n_rows, row_length);
        check_pointer(rows, n_rows, "rows");
        check_pointer(target, n_rows, "target");
        if (target_bytes < 0 || static_cast<size_t>(target_bytes) < bytes) {
            fail(ICF_ERROR_CAPACITY, "the rows need %zu bytes, the target has %lld", bytes, target_bytes);
        }
        quantize_rows(check_type(type), rows, n_rows, row_length, target);
    });
}

icf_status icf_dequantize_rows(int32_t type, const void * source, long long source_bytes, long long n_rows,
                               long long row_length, float * rows, icf_error * error) {
    return guard(error, [&] {
        const size_t bytes = rows_bytes(check_type(type), n_rows, row_length);
        check_pointer(source, n_rows, "source");
        check_pointer(rows, n_rows, "rows");
        if (source_bytes < 0 || static_cast<size_t>(source_bytes) < bytes) {
            fail(ICF_ERROR_CAPACITY, "the rows take %zu bytes, the source has %lld", bytes, source_bytes);
        }
        dequantize_rows(check_type(type), source, n_rows, row_length, rows);
    });
}

// ---- GGUF files ----

icf_status icf_gguf_open(const char * path, icf_gguf ** out, icf_error * error) {
    return guard(error, [&] {
        deref(out, "out") = nullptr;
        deref(path, "path");
        *out = new icf_gguf{std::make_shared<GgufFile>(path)};
    });
}

void icf_gguf_close(icf_gguf * file) {
    delete file;
}

icf_status icf_gguf_describe(const icf_gguf * handle, icf_gguf_info * info, icf_error * error) {
    return guard(error, [&] {
        const GgufFile & file = file_of(handle);
        write_info(info, [&](icf_gguf_info & i) {
            i.version = static_cast<int32_t>(file.version());
            i.n_keys = file.key_count();
            i.n_tensors = static_cast<long long>(file.tensors().size());
            i.file_bytes = static_cast<long long>(file.handle().size());
            i.data_offset = static_cast<long long>(file.data_offset());
        });
    });
}

long long icf_gguf_find_key(const icf_gguf * file, const char * name) {
    return file && name ? file->file->find_key(name) : -1;
}

icf_status icf_gguf_describe_key(const icf_gguf * handle, long long index, icf_key_info * info, icf_error * error) {
    return guard(error, [&] {
        const GgufFile & file = file_of(handle);
        write_info(info, [&](icf_key_info & i) {
            i.kind = file.key_kind(index);
            i.is_array = file.key_is_array(index);
            i.file_type = static_cast<int32_t>(file.key_file_type(index));
            i.count = file.key_length(index);
            i.name = file.key_name(index);
            i.bytes = static_cast<long long>(file.key_bytes(index).size());
        });
    });
}

icf_status icf_gguf_read_integers(const icf_gguf * handle, long long index, long long first, long long count,
                                  long long * values, icf_error * error) {
    return guard(error, [&] {
        const GgufFile & file = file_of(handle);
        check_elements(file, index, first, count);
        check_pointer(values, count, "values");
        for (long long i = 0; i < count; i++) {
            values[i] = file.integer_at(index, first + i);
        }
    });
}

icf_status icf_gguf_read_floats(const icf_gguf * handle, long long index, long long first, long long count, double * values,
                                icf_error * error) {
    return guard(error, [&] {
        const GgufFile & file = file_of(handle);
        check_elements(file, index, first, count);
        check_pointer(values, count, "values");
        for (long long i = 0; i < count; i++) {
            values[i] = file.number_at(index, first + i);
        }
    });
}

icf_status icf_gguf_read_texts(const icf_gguf * handle, long long index, long long first, long long count, char * bytes,
                               long long capacity, long long * ends, icf_error * error) {
    return guard(error, [&] {
        const GgufFile & file = file_of(handle);
        check_elements(file, index, first, count);
        check_pointer(ends, count, "ends");
        long long end = 0;
        for (long long i = 0; i < count; i++) {
            const std::string_view value = file.text_at(index, first + i);
            if (bytes && static_cast<long long>(value.size()) > capacity - end) {
                fail(ICF_ERROR_CAPACITY, "the texts of key '%s' do not fit into %lld bytes", file.key_name(index), capacity);
            }
            if (bytes) {
                memcpy(bytes + end, value.data(), value.size());
            }
            end += static_cast<long long>(value.size());
            ends[i] = end;
        }
    });
}

icf_status icf_gguf_read_key_bytes(const icf_gguf * handle, long long index, long long first_byte, long long n_bytes,
                                   void * data, icf_error * error) {
    return guard(error, [&] {
        const GgufFile & file = file_of(handle);
        const std::string_view value = file.key_bytes(index);
        check_bytes(first_byte, n_bytes, static_cast<long long>(value.size()), "key", file.key_name(index));
        check_pointer(data, n_bytes, "data");
        if (n_bytes > 0) {
            memcpy(data, value.data() + first_byte, static_cast<size_t>(n_bytes));
        }
    });
}

long long icf_gguf_vocab_hash(const icf_gguf * file) {
    return file ? hash_vocabulary(*file->file) : 0;
}

long long icf_gguf_find_tensor(const icf_gguf * file, const char * name) {
    return file && name ? file->file->find_tensor(name) : -1;
}

icf_status icf_gguf_read_tensor(const icf_gguf * handle, long long index, long long first_byte, long long n_bytes, void * data,
                                icf_error * error) {
    return guard(error, [&] {
        const GgufFile & file = file_of(handle);
        const TensorEntry & tensor = tensor_of(file, index);
        check_bytes(first_byte, n_bytes, static_cast<long long>(tensor.bytes), "tensor", tensor.name.c_str());
        check_pointer(data, n_bytes, "data");
        file.read_tensor(tensor, static_cast<uint64_t>(first_byte), data, static_cast<size_t>(n_bytes));
    });
}

icf_status icf_gguf_describe_tensor(const icf_gguf * handle, long long index, icf_tensor_info * info, icf_error * error) {
    return guard(error, [&] {
        const TensorEntry & tensor = tensor_of(file_of(handle), index);
        write_info(info, [&](icf_tensor_info & i) {
            i.type = tensor.type;
            for (int d = 0; d < 4; d++) {
                i.shape[d] = tensor.ne[d];
            }
            i.offset = static_cast<long long>(tensor.offset);
            i.bytes = static_cast<long long>(tensor.bytes);
            i.name = tensor.name.c_str();
        });
    });
}

// ---- Model ----

void icf_model_options_init(icf_model_options * options) {
    if (options) {
        *options = {sizeof(icf_model_options), -1, 1, 1, -1};
    }
}

icf_status icf_model_open(const char * path, const icf_model_options * given, icf_model ** out, icf_error * error) {
    return guard(error, [&] {
        deref(out, "out") = nullptr;
        deref(path, "path");
        const icf_model_options options = read_options(given, icf_model_options_init);
        check_flag(options.use_mmap, "use_mmap");
        check_flag(options.use_repack, "use_repack");
        auto model = std::make_shared<const Model>(path, options.device, options.use_mmap == 1, options.use_repack == 1,
                                                   options.n_gpu_layers);
        *out = new icf_model{model, {model->file()}};
    });
}

void icf_model_close(icf_model * model) {
    delete model;
}

icf_status icf_model_describe(const icf_model * model, icf_model_info * info, icf_error * error) {
    return guard(error, [&] {
        const Model & m = *deref(model, "model").model;
        write_info(info, [&](icf_model_info & i) { m.describe(i); });
    });
}

const icf_gguf * icf_model_gguf(const icf_model * model) {
    return model ? &model->gguf : nullptr;
}

icf_status icf_model_embed_tokens(const icf_model * model, const int32_t * tokens, long long n_tokens, float * rows,
                                  long long n_floats, icf_error * error) {
    return guard(error, [&] {
        const Model & m = *deref(model, "model").model;
        check_capacity(n_tokens, m.params().n_embd, n_floats, "embeddings");
        check_pointer(tokens, n_tokens, "tokens");
        check_pointer(rows, n_tokens, "rows");
        m.check_tokens(tokens, n_tokens);
        m.embed(tokens, n_tokens, rows);
    });
}

// ---- Digester ----

void icf_digester_options_init(icf_digester_options * options) {
    if (options) {
        *options = {sizeof(icf_digester_options), 0, -1, 1, ICF_METHOD_FAST, 0, -1};
    }
}

icf_status icf_digester_open(const char * path, icf_model * model, const icf_digester_options * given, icf_digester ** out,
                             icf_error * error) {
    return guard(error, [&] {
        deref(out, "out") = nullptr;
        deref(path, "path");
        const icf_digester_options options = read_options(given, icf_digester_options_init);
        check_flag(options.use_mmap, "use_mmap");
        auto handle = std::make_unique<icf_digester>();
        handle->digester = std::make_unique<Digester>(path, model ? model->model : nullptr, options);
        handle->gguf.file = handle->digester->file();
        *out = handle.release();
    });
}

void icf_digester_close(icf_digester * digester) {
    delete digester;
}

icf_status icf_digester_describe(const icf_digester * digester, icf_digester_info * info, icf_error * error) {
    return guard(error, [&] {
        const Claim claim(digester, "digester");
        write_info(info, [&](icf_digester_info & i) { claim->digester->describe(i); });
    });
}

icf_status icf_gguf_describe_former(const icf_gguf * file, const icf_model * model, icf_former_info * info, icf_error * error) {
    return guard(error, [&] {
        write_info(info, [&](icf_former_info & i) { describe_former(file_of(file), model ? model->model.get() : nullptr, i); });
    });
}

const icf_gguf * icf_digester_gguf(const icf_digester * digester) {
    return digester ? &digester->gguf : nullptr;
}

long long icf_chunk_length(long long n, long long max_chunk) {
    if (n <= 0) {
        return 0;
    }
    if (max_chunk <= 0 || max_chunk >= n) {
        return n;
    }
    const long long chunks = n / max_chunk + (n % max_chunk != 0);
    return n / chunks + (n % chunks != 0);
}

icf_status icf_digester_prepare(icf_digester * digester, const int32_t * tokens, long long n_tokens, icf_error * error) {
    return guard(error, [&] {
        const Claim claim(digester, "digester");
        require(n_tokens >= 0, "a negative number of tokens");
        check_pointer(tokens, n_tokens, "tokens");
        claim->digester->prepare(tokens, n_tokens);
    });
}

icf_status icf_digester_run(icf_digester * digester, const int32_t * tokens, long long n_tokens, float * rows,
                            long long n_floats, icf_error * error) {
    return icf_digester_run_batch(digester, tokens, &n_tokens, 1, rows, n_floats, error);
}

icf_status icf_digester_run_rows(icf_digester * digester, const float * embeddings, long long n_rows, float * rows,
                                 long long n_floats, icf_error * error) {
    return guard(error, [&] {
        const Claim claim(digester, "digester");
        Digester & d = *claim->digester;
        check_pointer(embeddings, n_rows, "embeddings");
        check_capacity(d.params().n_digest, d.params().n_embd, n_floats, "a digest");
        d.run_rows(embeddings, n_rows, &deref(rows, "rows"));
    });
}

icf_status icf_digester_run_batch(icf_digester * digester, const int32_t * tokens, const long long * ends, long long n_chunks,
                                  float * rows, long long n_floats, icf_error * error) {
    return guard(error, [&] {
        const Claim claim(digester, "digester");
        Digester & d = *claim->digester;
        require(n_chunks >= 1, "a batch needs at least one chunk");
        check_pointer(ends, n_chunks, "ends");
        check_capacity(n_chunks, static_cast<long long>(d.params().n_digest) * d.params().n_embd, n_floats,
                       "a batch of chunks");
        long long begin = 0;
        for (long long i = 0; i < n_chunks; i++) {
            require(ends[i] >= begin, "the ends of the chunks are negative or decrease");
            begin = ends[i];
        }
        check_pointer(tokens, begin, "tokens");
        d.run_batch(tokens, ends, n_chunks, &deref(rows, "rows"));
    });
}

icf_status icf_digester_marker(const icf_digester * digester, int32_t marker, float * row, long long n_floats,
                               icf_error * error) {
    return guard(error, [&] {
        const Claim claim(digester, "digester");
        check_capacity(1, claim->digester->params().n_embd, n_floats, "a marker");
        claim->digester->marker(marker, &deref(row, "row"));
    });
}

// ---- Adapter ----

icf_status icf_adapter_open(const char * path, icf_model * model, icf_adapter ** out, icf_error * error) {
    return guard(error, [&] {
        deref(out, "out") = nullptr;
        auto handle = std::make_unique<icf_adapter>();
        handle->model = deref(model, "model").model;
        handle->adapter = std::make_shared<const Adapter>(&deref(path, "path"), handle->model->adapter_target());
        if (handle->adapter->is_reader()) {
            const GgufFile & file = handle->adapter->file();
            check_target(file, read_former_params(file), *handle->model);
        }
        *out = handle.release();
    });
}

void icf_adapter_close(icf_adapter * adapter) {
    delete adapter;
}

icf_status icf_adapter_describe(const icf_adapter * adapter, icf_adapter_info * info, icf_error * error) {
    return guard(error, [&] {
        const Adapter & a = *deref(adapter, "adapter").adapter;
        write_info(info, [&](icf_adapter_info & i) {
            i.n_pairs = a.n_pairs();
            i.max_rank = a.max_rank();
            i.is_reader = a.is_reader() ? 1 : 0;
            i.n_params = a.parameters();
            i.weight_bytes = a.bytes();
            i.fingerprint = a.fingerprint();
            copy_field(i.name, sizeof(i.name), a.file().string("general.name").value_or(""));
        });
    });
}

// ---- Session ----

void icf_session_options_init(icf_session_options * options) {
    if (options) {
        *options = {sizeof(icf_session_options), 0, 0, 0, ICF_TYPE_F16, 0};
    }
}

icf_status icf_session_open(icf_model * model, const icf_session_options * given, icf_session ** out, icf_error * error) {
    return guard(error, [&] {
        deref(out, "out") = nullptr;
        const icf_session_options options = read_options(given, icf_session_options_init);
        auto handle = std::make_unique<icf_session>();
        handle->session = std::make_unique<Session>(deref(model, "model").model, options);
        *out = handle.release();
    });
}

void icf_session_close(icf_session * session) {
    delete session;
}

icf_status icf_session_describe(const icf_session * session, icf_session_info * info, icf_error * error) {
    return guard(error, [&] {
        const Claim claim(session, "session");
        write_info(info, [&](icf_session_info & i) { claim->session->describe(i); });
    });
}

icf_status icf_session_set_adapters(icf_session * session, const icf_adapter * const * adapters, const float * scales,
                                    long long n_adapters, icf_error * error) {
    return guard(error, [&] {
        const Claim claim(session, "session");
        require(n_adapters >= 0 && n_adapters <= max_adapters, "a session has 0 to 64 adapters");
        check_pointer(adapters, n_adapters, "adapters");
        ActiveAdapters active;
        for (long long i = 0; i < n_adapters; i++) {
            const icf_adapter & handle = deref(adapters[i], "an adapter");
            if (handle.model.get() != &claim->session->model()) {
                fail(ICF_ERROR_MISMATCH, "%s: the adapter was opened for another model", handle.adapter->file().path().c_str());
            }
            const float scale = scales ? scales[i] : 1.0f;
            if (!std::isfinite(scale)) {
                fail(ICF_ERROR_ARGUMENT, "an adapter's scale of %g", static_cast<double>(scale));
            }
            active.push_back({handle.adapter, scale});
        }
        claim->session->set_adapters(std::move(active));
    });
}

icf_status icf_session_append_tokens(icf_session * session, const int32_t * tokens, long long n_tokens, long long n_outputs,
                                     int32_t outputs, icf_error * error) {
    return guard(error, [&] {
        const Claim claim(session, "session");
        claim->session->append_tokens(&deref(tokens, "tokens"), n_tokens, n_outputs, outputs);
    });
}

icf_status icf_session_append_rows(icf_session * session, const void * rows, int32_t type, long long n_rows,
                                   long long n_outputs, int32_t outputs, icf_error * error) {
    return guard(error, [&] {
        const Claim claim(session, "session");
        require(rows, "rows is NULL");
        claim->session->append_rows(rows, type, n_rows, n_outputs, outputs);
    });
}

long long icf_session_length(const icf_session * session) {
    return session ? session->session->length() : 0;
}

icf_status icf_session_truncate(icf_session * session, long long length, icf_error * error) {
    return guard(error, [&] {
        const Claim claim(session, "session");
        claim->session->truncate(length);
    });
}

icf_status icf_session_get_logits(const icf_session * session, long long first, long long n_rows, float * logits,
                                  long long n_floats, icf_error * error) {
    return guard(error, [&] {
        const Claim claim(session, "session");
        const long long width = claim->session->model().params().n_vocab;
        check_capacity(n_rows, width, n_floats, "logits");
        const float * source = claim->session->logits(first, n_rows);
        memcpy(&deref(logits, "logits"), source, static_cast<size_t>(n_rows * width) * sizeof(float));
    });
}

icf_status icf_session_get_hidden(const icf_session * session, long long first, long long n_rows, float * hidden,
                                  long long n_floats, icf_error * error) {
    return guard(error, [&] {
        const Claim claim(session, "session");
        const long long width = claim->session->model().params().n_embd;
        check_capacity(n_rows, width, n_floats, "hidden states");
        const float * source = claim->session->hidden(first, n_rows);
        memcpy(&deref(hidden, "hidden"), source, static_cast<size_t>(n_rows * width) * sizeof(float));
    });
}

void icf_sampling_init(icf_sampling * sampling) {
    if (sampling) {
        *sampling = {sizeof(icf_sampling), 0, 0.0f, 1.0f, 0.0f, 1.0f, 64, 0, 0};
    }
}

icf_status icf_session_sample(const icf_session * session, const icf_sampling * given, int32_t * token, icf_error * error) {
    return guard(error, [&] {
        const Claim claim(session, "session");
        const icf_sampling sampling = read_options(given, icf_sampling_init);
        deref(token, "token") = claim->session->sample(sampling);
    });
}

long long icf_session_state_bytes(const icf_session * session) {
    long long bytes = 0;
    guard(nullptr, [&] {
        const Claim claim(session, "session");
        bytes = static_cast<long long>(claim->session->state_bytes());
    });
    return bytes;
}

icf_status icf_session_save_state(const icf_session * session, void * state, long long capacity, long long * written,
                                  icf_error * error) {
    return guard(error, [&] {
        const Claim claim(session, "session");
        const long long bytes = static_cast<long long>(claim->session->state_bytes());
        require(state && written, "state or written is NULL");
        if (capacity < bytes) {
            fail(ICF_ERROR_CAPACITY, "the state needs %lld bytes, the buffer has %lld", bytes, capacity);
        }
        claim->session->save_state(static_cast<char *>(state));
        *written = bytes;
    });
}

icf_status icf_session_restore_state(icf_session * session, const void * state, long long n_bytes, icf_error * error) {
    return guard(error, [&] {
        const Claim claim(session, "session");
        require(state && n_bytes >= 0, "state is NULL or its size negative");
        claim->session->restore_state(static_cast<const char *>(state), static_cast<size_t>(n_bytes));
    });
}
