// Any bytes as a GGUF file: its metadata read in full, opened as a model and as an IC-Former, and used where they open.
#include "fuzz.h"

using namespace fuzz;

static void read_all(const icf_gguf * file) {
    icf_gguf_info info;
    icf_error error = {ICF_OK, ""};
    info.struct_size = sizeof(info);
    promise(icf_gguf_describe(file, &info, &error) == ICF_OK, "an open file can be described");
    icf_gguf_vocab_hash(file);
    for (long long i = 0; i < info.n_keys; i++) {
        icf_key_info key;
        key.struct_size = sizeof(key);
        promise(icf_gguf_describe_key(file, i, &key, &error) == ICF_OK, "every key can be described");
        promise(icf_gguf_find_key(file, key.name) == i, "every key is found by its name");
        const long long count = key.count;
        if (key.kind == ICF_VALUE_TEXT) {
            std::vector<long long> ends(static_cast<size_t>(count));
            promise(icf_gguf_read_texts(file, i, 0, count, nullptr, 0, ends.data(), &error) == ICF_OK, "texts can be measured");
            std::vector<char> bytes(static_cast<size_t>(count > 0 ? ends.back() : 0) + 1);
            promise(icf_gguf_read_texts(file, i, 0, count, bytes.data(), static_cast<long long>(bytes.size()), ends.data(),
                                        &error) == ICF_OK,
                    "texts can be read");
        } else if (key.kind == ICF_VALUE_FLOAT) {
            std::vector<double> values(static_cast<size_t>(count));
            promise(icf_gguf_read_floats(file, i, 0, count, values.data(), &error) == ICF_OK, "floats can be read");
        } else {
            std::vector<long long> values(static_cast<size_t>(count));
            promise(icf_gguf_read_integers(file, i, 0, count, values.data(), &error) == ICF_OK, "integers can be read");
        }
        std::vector<char> value(static_cast<size_t>(key.bytes) + 1);
        promise(icf_gguf_read_key_bytes(file, i, 0, key.bytes, value.data(), &error) == ICF_OK,
                "the bytes of a value can be read");
        promise(icf_gguf_read_key_bytes(file, i, key.bytes, 1, value.data(), &error) == ICF_ERROR_ARGUMENT,
                "and no byte beyond them");
        promise(icf_gguf_read_texts(file, i, count, 1, nullptr, 0, nullptr, &error) == ICF_ERROR_ARGUMENT,
                "no value beyond the last");
    }
    for (long long i = 0; i < info.n_tensors; i++) {
        icf_tensor_info tensor;
        tensor.struct_size = sizeof(tensor);
        promise(icf_gguf_describe_tensor(file, i, &tensor, &error) == ICF_OK, "every tensor can be described");
        promise(icf_gguf_find_tensor(file, tensor.name) == i, "every tensor is found by its name");
        promise(tensor.bytes > 0 && tensor.offset >= 0 && tensor.offset <= info.file_bytes - info.data_offset - tensor.bytes,
                "every tensor lies within the file");
        char last[2];
        promise(icf_gguf_read_tensor(file, i, tensor.bytes - 1, 1, last, &error) == ICF_OK,
                "the last byte of a tensor can be read");
        promise(icf_gguf_read_tensor(file, i, tensor.bytes - 1, 2, last, &error) == ICF_ERROR_ARGUMENT, "and none beyond it");
    }
}

static void use(icf_model * model) {
    icf_model_info info;
    icf_error error = {ICF_OK, ""};
    info.struct_size = sizeof(info);
    promise(icf_model_describe(model, &info, &error) == ICF_OK, "an open model can be described");
    icf_session_options options;
    icf_session_options_init(&options);
    options.n_threads = 1;
    options.n_ctx = 8;
    options.kv_type = ICF_TYPE_F32;
    icf_session * session = nullptr;
    if (succeeded(icf_session_open(model, &options, &session, &error), error)) {
        const int32_t tokens[] = {0, info.n_vocab - 1, info.n_vocab / 2};
        if (succeeded(icf_session_append_tokens(session, tokens, 3, 1, ICF_OUTPUT_LOGITS, &error), error)) {
            int32_t token = -1;
            const icf_status status = icf_session_sample(session, nullptr, &token, &error);
            promise(status == ICF_OK || status == ICF_ERROR_STATE, "computed logits can be sampled, if they are numbers");
            promise(status != ICF_OK || (token >= 0 && token < info.n_vocab), "a sampled token is one of the vocabulary");
        }
    }
    icf_session_close(session);
}

static void use(icf_digester * digester) {
    icf_digester_info info;
    icf_error error = {ICF_OK, ""};
    info.struct_size = sizeof(info);
    promise(icf_digester_describe(digester, &info, &error) == ICF_OK, "an open digester can be described");
    std::vector<float> context(static_cast<size_t>(3 * info.n_embd), 0.5f);
    std::vector<float> rows(static_cast<size_t>(info.n_digest) * info.n_embd);
    for (long long n : {3LL, 0LL}) {
        succeeded(icf_digester_run_rows(digester, context.data(), n, rows.data(), static_cast<long long>(rows.size()), &error),
                  error);
    }
    succeeded(icf_digester_marker(digester, ICF_MARKER_FT, rows.data(), info.n_embd, &error), error);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t * data, size_t size) {
    const MemoryFile file(data, size);
    const std::string path = file.path();
    icf_error error = {ICF_OK, ""};
    icf_gguf * gguf = nullptr;
    if (!succeeded(icf_gguf_open(path.c_str(), &gguf, &error), error)) {
        promise(gguf == nullptr, "a failing open gives NULL");
        return 0; // a file that is none is none to a model either
    }
    read_all(gguf);
    icf_gguf_close(gguf);

    icf_model_options model_options;
    icf_model_options_init(&model_options);
    model_options.device = 0;
    model_options.use_mmap = size % 2;
    icf_model * model = nullptr;
    if (succeeded(icf_model_open(path.c_str(), &model_options, &model, &error), error)) {
        use(model);
    }
    icf_digester_options options;
    icf_digester_options_init(&options);
    options.device = 0;
    options.n_threads = 1;
    options.use_mmap = size % 2;
    options.method = size / 2 % 2 ? ICF_METHOD_FAST : ICF_METHOD_PLAIN;
    icf_digester * digester = nullptr;
    if (succeeded(icf_digester_open(path.c_str(), model, &options, &digester, &error), error)) {
        use(digester);
    }
    icf_digester_close(digester);
    icf_model_close(model);
    return 0;
}
