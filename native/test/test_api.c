/* The interface as a C program sees it: every function, and every error the header documents. */
#define _POSIX_C_SOURCE 200809L

#include "check.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

#define FIXTURE(name) ICF_PROJECT_DIR "/models/fixtures/" name
#define MODEL FIXTURE("decoder-llama-mha.gguf")
#define FORMER FIXTURE("former-theta-eps.gguf")
#define OTHER_MODEL FIXTURE("decoder-llama-theta-eps.gguf")
#define WIDE_MODEL FIXTURE("decoder-llama-gqa.gguf")

enum {
    N_EMBD = 32,
    N_VOCAB = 276,
    N_DIGEST = 8
};

static icf_error *const error = &check_error;

static icf_model *open_model(const char *path) {
    icf_model *model = NULL;
    REQUIRE_OK(icf_model_open(path, NULL, &model, error));
    REQUIRE(model);
    return model;
}

static icf_digester *open_digester(icf_model *model) {
    icf_digester_options options;
    icf_digester *digester = NULL;
    icf_digester_options_init(&options);
    options.n_threads = 1;
    REQUIRE_OK(icf_digester_open(FORMER, model, &options, &digester, error));
    REQUIRE(digester);
    return digester;
}

static icf_session *open_session(icf_model *model, int32_t n_ctx) {
    icf_session_options options;
    icf_session *session = NULL;
    icf_session_options_init(&options);
    options.n_threads = 1;
    options.n_ctx = n_ctx;
    REQUIRE_OK(icf_session_open(model, &options, &session, error));
    REQUIRE(session);
    return session;
}

/* ---- Library, devices, types ---- */

static void library(void) {
    CHECK_EQUAL(ICF_ABI_VERSION, icf_abi_version());
    CHECK(strchr(icf_version(), '.'));
    CHECK(strchr(icf_ggml_version(), '.'));
    icf_set_log_level(ICF_LOG_NONE);
    icf_set_log_level(ICF_LOG_ERROR);
    CHECK_TEXT("ok", icf_status_name(ICF_OK));
    CHECK_TEXT("argument", icf_status_name(ICF_ERROR_ARGUMENT));
    CHECK_TEXT("state", icf_status_name(ICF_ERROR_STATE));
    CHECK_TEXT("capacity", icf_status_name(ICF_ERROR_CAPACITY));
    CHECK_TEXT("io", icf_status_name(ICF_ERROR_IO));
    CHECK_TEXT("format", icf_status_name(ICF_ERROR_FORMAT));
    CHECK_TEXT("unsupported", icf_status_name(ICF_ERROR_UNSUPPORTED));
    CHECK_TEXT("mismatch", icf_status_name(ICF_ERROR_MISMATCH));
    CHECK_TEXT("memory", icf_status_name(ICF_ERROR_MEMORY));
    CHECK_TEXT("device", icf_status_name(ICF_ERROR_DEVICE));
    CHECK_TEXT("internal", icf_status_name(ICF_ERROR_INTERNAL));
    CHECK_TEXT("unknown", icf_status_name(1));
    CHECK_TEXT("unknown", icf_status_name(-1));
}

static void devices(void) {
    icf_device_info info;
    const int32_t count = icf_device_count();
    REQUIRE(count >= 1);
    for (int32_t i = 0; i < count; i++) {
        memset(&info, 0xAA, sizeof(info));
        info.struct_size = sizeof(info);
        CHECK_OK(icf_device_describe(i, &info, error));
        CHECK(info.name[0] && info.memory_total >= info.memory_free && info.memory_free >= 0);
        CHECK(i > 0 || info.kind == ICF_DEVICE_CPU);
        CHECK_EQUAL(sizeof(info), info.struct_size);
    }
    CHECK_STATUS(ICF_ERROR_DEVICE, icf_device_describe(-1, &info, error));
    CHECK_STATUS(ICF_ERROR_DEVICE, icf_device_describe(count, &info, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_device_describe(0, NULL, error));
    CHECK(icf_device_describe(0, NULL, NULL) == ICF_ERROR_ARGUMENT);
}

/* Every info struct: not set, too small, from a newer header, from an older one. */
static void struct_sizes(void) {
    icf_type_info info;
    memset(&info, 0xAA, sizeof(info));
    const int32_t bad[] = {0, -1, 3, (int32_t)sizeof(info) + 1, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        info.struct_size = bad[i];
        CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_type_describe(ICF_TYPE_F32, &info, error));
        CHECK_EQUAL(bad[i], info.struct_size);
    }
    info.struct_size = (int32_t)offsetof(icf_type_info, block_bytes); /* a header that ended there */
    info.block_bytes = 77;
    CHECK_OK(icf_type_describe(ICF_TYPE_Q8_0, &info, error));
    CHECK_EQUAL(32, info.block_length);
    CHECK_EQUAL(77, info.block_bytes);
    CHECK_EQUAL(offsetof(icf_type_info, block_bytes), info.struct_size);

    icf_model_options options;
    icf_model *model = (icf_model *)&info;
    icf_model_options_init(&options);
    CHECK_EQUAL(sizeof(options), options.struct_size);
    options.struct_size = 0;
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_model_open(MODEL, &options, &model, error));
    CHECK(model == NULL);
    options.struct_size = sizeof(options) + 4;
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_model_open(MODEL, &options, &model, error));
    options.struct_size = sizeof(int32_t); /* no field at all: the defaults */
    options.use_mmap = 99;
    CHECK_OK(icf_model_open(MODEL, &options, &model, error));
    icf_model_close(model);

    icf_model_options_init(NULL);
    icf_digester_options_init(NULL);
    icf_session_options_init(NULL);
    icf_sampling_init(NULL);
}

static void types(void) {
    icf_type_info info;
    info.struct_size = sizeof(info);
    CHECK_EQUAL(ICF_TYPE_F16, icf_type_find("F16"));
    CHECK_EQUAL(-1, icf_type_find("nothing"));
    CHECK_EQUAL(-1, icf_type_find(NULL));
    CHECK_OK(icf_type_describe(ICF_TYPE_Q8_0, &info, error));
    CHECK(info.block_length == 32 && info.block_bytes == 34 && info.can_quantize == 1);
    CHECK_TEXT("q8_0", info.name);
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_type_describe(-1, &info, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_type_describe(1000, &info, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_type_describe(ICF_TYPE_F32, NULL, error));
}

static void quantize(void) {
    float rows[64], back[64];
    char packed[68];
    for (int i = 0; i < 64; i++) {
        rows[i] = (float)(i - 30) / 16;
    }
    CHECK_OK(icf_quantize_rows(ICF_TYPE_Q8_0, rows, 2, 32, packed, sizeof(packed), error));
    CHECK_OK(icf_dequantize_rows(ICF_TYPE_Q8_0, packed, sizeof(packed), 2, 32, back, error));
    for (int i = 0; i < 64; i++) {
        CHECK_CLOSE(rows[i], back[i], 0.01);
    }
    CHECK_OK(icf_quantize_rows(ICF_TYPE_Q8_0, NULL, 0, 32, NULL, 0, error));
    CHECK_OK(icf_dequantize_rows(ICF_TYPE_F32, rows, sizeof(rows), 2, 32, back, error));
    CHECK(memcmp(rows, back, sizeof(rows)) == 0);
    CHECK_STATUS(ICF_ERROR_CAPACITY, icf_quantize_rows(ICF_TYPE_Q8_0, rows, 2, 32, packed, 67, error));
    CHECK_STATUS(ICF_ERROR_CAPACITY, icf_quantize_rows(ICF_TYPE_Q8_0, rows, 2, 32, packed, -1, error));
    CHECK_STATUS(ICF_ERROR_CAPACITY, icf_dequantize_rows(ICF_TYPE_Q8_0, packed, 67, 2, 32, back, error));
    CHECK_STATUS(ICF_ERROR_CAPACITY, icf_dequantize_rows(ICF_TYPE_Q8_0, packed, -1, 2, 32, back, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_quantize_rows(ICF_TYPE_Q8_0, rows, 2, 31, packed, sizeof(packed), error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_quantize_rows(ICF_TYPE_Q8_0, rows, -1, 32, packed, sizeof(packed), error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_quantize_rows(ICF_TYPE_Q8_0, rows, 2, 0, packed, sizeof(packed), error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_quantize_rows(ICF_TYPE_Q8_0, rows, INT64_MAX, 32, packed, sizeof(packed), error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_quantize_rows(ICF_TYPE_Q8_0, NULL, 2, 32, packed, sizeof(packed), error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_quantize_rows(ICF_TYPE_Q8_0, rows, 2, 32, NULL, sizeof(packed), error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_quantize_rows(-5, rows, 2, 32, packed, sizeof(packed), error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_dequantize_rows(-5, packed, sizeof(packed), 2, 32, back, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_dequantize_rows(ICF_TYPE_Q8_0, NULL, sizeof(packed), 2, 32, back, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_dequantize_rows(ICF_TYPE_Q8_0, packed, sizeof(packed), 2, 32, NULL, error));
    float wide[256] = {0};
    char narrow[256];
    CHECK_STATUS(ICF_ERROR_UNSUPPORTED,
                 icf_quantize_rows(icf_type_find("iq2_xxs"), wide, 1, 256, narrow, sizeof(narrow), error));
    rows[3] = INFINITY;
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_quantize_rows(ICF_TYPE_Q8_0, rows, 2, 32, packed, sizeof(packed), error));
}

/* ---- GGUF files ---- */

static void gguf(void) {
    icf_gguf *file = NULL;
    REQUIRE_OK(icf_gguf_open(MODEL, &file, error));
    icf_gguf_info info;
    info.struct_size = sizeof(info);
    CHECK_OK(icf_gguf_describe(file, &info, error));
    CHECK(info.version == 3 && info.n_keys > 5 && info.n_tensors > 10 && info.data_offset > 0);
    CHECK_EQUAL(113792, info.file_bytes);
    for (long long i = 0; i < info.n_keys; i++) {
        icf_key_info key;
        key.struct_size = sizeof(key);
        CHECK_OK(icf_gguf_describe_key(file, i, &key, error));
        CHECK_EQUAL(i, icf_gguf_find_key(file, key.name));
        CHECK(key.kind >= ICF_VALUE_INTEGER && key.kind <= ICF_VALUE_TEXT && (key.is_array || key.count == 1));
    }
    for (long long i = 0; i < info.n_tensors; i++) {
        icf_tensor_info tensor;
        tensor.struct_size = sizeof(tensor);
        CHECK_OK(icf_gguf_describe_tensor(file, i, &tensor, error));
        CHECK_EQUAL(i, icf_gguf_find_tensor(file, tensor.name));
        CHECK_EQUAL(tensor.bytes, 4 * tensor.shape[0] * tensor.shape[1] * tensor.shape[2] * tensor.shape[3]);
        CHECK(tensor.offset + tensor.bytes + info.data_offset <= info.file_bytes);
    }
    CHECK_EQUAL(-1, icf_gguf_find_key(file, "nothing"));
    CHECK_EQUAL(-1, icf_gguf_find_key(file, NULL));
    CHECK_EQUAL(-1, icf_gguf_find_key(NULL, "nothing"));
    CHECK_EQUAL(-1, icf_gguf_find_tensor(file, "nothing"));
    CHECK_EQUAL(-1, icf_gguf_find_tensor(file, NULL));
    CHECK_EQUAL(-1, icf_gguf_find_tensor(NULL, "nothing"));
    icf_key_info key;
    icf_tensor_info tensor;
    key.struct_size = sizeof(key);
    tensor.struct_size = sizeof(tensor);
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_gguf_describe(NULL, &info, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_gguf_describe(file, NULL, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_gguf_describe_key(NULL, 0, &key, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_gguf_describe_key(file, -1, &key, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_gguf_describe_key(file, info.n_keys, &key, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_gguf_describe_key(file, 0, NULL, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_gguf_describe_tensor(NULL, 0, &tensor, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_gguf_describe_tensor(file, -1, &tensor, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_gguf_describe_tensor(file, info.n_tensors, &tensor, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_gguf_describe_tensor(file, 0, NULL, error));
    icf_gguf_close(file);
    icf_gguf_close(NULL);
}

static void gguf_values(void) {
    icf_gguf *file = NULL;
    REQUIRE_OK(icf_gguf_open(MODEL, &file, error));
    const long long width = icf_gguf_find_key(file, "llama.embedding_length");
    const long long eps = icf_gguf_find_key(file, "llama.attention.layer_norm_rms_epsilon");
    const long long tokens = icf_gguf_find_key(file, "tokenizer.ggml.tokens");
    REQUIRE(width >= 0 && eps >= 0 && tokens >= 0);
    long long integer = 0;
    double number = 0;
    CHECK_OK(icf_gguf_read_integers(file, width, 0, 1, &integer, error));
    CHECK_EQUAL(N_EMBD, integer);
    CHECK_OK(icf_gguf_read_floats(file, width, 0, 1, &number, error));
    CHECK_CLOSE(N_EMBD, number, 0);
    CHECK_OK(icf_gguf_read_floats(file, eps, 0, 1, &number, error));
    CHECK_CLOSE(1e-5, number, 1e-9);
    CHECK_OK(icf_gguf_read_integers(file, width, 0, 0, NULL, error));
    CHECK_OK(icf_gguf_read_integers(file, width, 1, 0, NULL, error));

    long long ends[N_VOCAB];
    char bytes[8192];
    CHECK_OK(icf_gguf_read_texts(file, tokens, 0, N_VOCAB, NULL, 0, ends, error));
    const long long needed = ends[N_VOCAB - 1];
    REQUIRE(needed > N_VOCAB && needed <= (long long)sizeof(bytes));
    CHECK_STATUS(ICF_ERROR_CAPACITY, icf_gguf_read_texts(file, tokens, 0, N_VOCAB, bytes, needed - 1, ends, error));
    CHECK_STATUS(ICF_ERROR_CAPACITY, icf_gguf_read_texts(file, tokens, 0, N_VOCAB, bytes, -1, ends, error));
    CHECK_OK(icf_gguf_read_texts(file, tokens, 0, N_VOCAB, bytes, needed, ends, error));
    CHECK_EQUAL(needed, ends[N_VOCAB - 1]);
    long long one;
    char piece[64];
    CHECK_OK(icf_gguf_read_texts(file, tokens, 5, 1, piece, sizeof(piece), &one, error));
    CHECK_EQUAL(ends[5] - ends[4], one);
    CHECK(memcmp(piece, bytes + ends[4], (size_t)one) == 0);

    const long long ranges[][2] = {{-1, 1},        {0, -1},        {0, 2},         {1, 1},
                                   {INT64_MAX, 1}, {1, INT64_MAX}, {INT64_MIN, 1}, {0, INT64_MIN}};
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_gguf_read_integers(file, width, ranges[i][0], ranges[i][1], &integer, error));
        CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_gguf_read_floats(file, eps, ranges[i][0], ranges[i][1], &number, error));
    }
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_gguf_read_texts(file, tokens, N_VOCAB, 1, bytes, sizeof(bytes), ends, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_gguf_read_integers(file, eps, 0, 1, &integer, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_gguf_read_integers(file, tokens, 0, 1, &integer, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_gguf_read_floats(file, tokens, 0, 1, &number, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_gguf_read_texts(file, width, 0, 1, bytes, sizeof(bytes), ends, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_gguf_read_integers(file, -1, 0, 1, &integer, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_gguf_read_floats(file, 1 << 20, 0, 1, &number, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_gguf_read_texts(file, -1, 0, 1, bytes, sizeof(bytes), ends, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_gguf_read_integers(file, width, 0, 1, NULL, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_gguf_read_floats(file, width, 0, 1, NULL, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_gguf_read_texts(file, tokens, 0, 1, bytes, sizeof(bytes), NULL, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_gguf_read_integers(NULL, width, 0, 1, &integer, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_gguf_read_floats(NULL, width, 0, 1, &number, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_gguf_read_texts(NULL, tokens, 0, 1, bytes, sizeof(bytes), ends, error));
    icf_gguf_close(file);
}

/* A key's value as it lies in the file. */
static void gguf_key_bytes(void) {
    icf_gguf *file = NULL;
    REQUIRE_OK(icf_gguf_open(MODEL, &file, error));
    icf_key_info key;
    unsigned char bytes[32];
    key.struct_size = sizeof(key);
    const long long width = icf_gguf_find_key(file, "llama.embedding_length");
    CHECK_OK(icf_gguf_describe_key(file, width, &key, error));
    CHECK_EQUAL(4, key.file_type); /* u32 */
    REQUIRE(key.bytes == 4);
    CHECK_OK(icf_gguf_read_key_bytes(file, width, 0, 4, bytes, error));
    CHECK(memcmp(bytes, "\x20\0\0\0", 4) == 0);
    const long long architecture = icf_gguf_find_key(file, "general.architecture");
    CHECK_OK(icf_gguf_describe_key(file, architecture, &key, error));
    CHECK_EQUAL(8, key.file_type); /* text */
    REQUIRE(key.bytes == 8 + 5);
    CHECK_OK(icf_gguf_read_key_bytes(file, architecture, 0, 13, bytes, error));
    CHECK(memcmp(bytes, "\5\0\0\0\0\0\0\0llama", 13) == 0);
    CHECK_OK(icf_gguf_read_key_bytes(file, architecture, 10, 3, bytes, error));
    CHECK(memcmp(bytes, "ama", 3) == 0);

    const long long tokens = icf_gguf_find_key(file, "tokenizer.ggml.tokens");
    static char texts[8192];
    long long ends[N_VOCAB];
    CHECK_OK(icf_gguf_describe_key(file, tokens, &key, error));
    CHECK_EQUAL(9, key.file_type); /* array */
    CHECK_OK(icf_gguf_read_texts(file, tokens, 0, N_VOCAB, texts, sizeof(texts), ends, error));
    CHECK_EQUAL(4 + 8 + 8 * N_VOCAB + ends[N_VOCAB - 1], key.bytes);
    CHECK_OK(icf_gguf_read_key_bytes(file, tokens, 0, 20, bytes, error));
    CHECK(memcmp(bytes, "\x08\0\0\0\x14\x01\0\0\0\0\0\0", 12) == 0); /* texts, 276 of them */
    CHECK_EQUAL(ends[0], bytes[12]);

    CHECK_OK(icf_gguf_read_key_bytes(file, width, 4, 0, NULL, error));
    const long long ranges[][2] = {{-1, 1},        {0, -1},        {0, 5},         {4, 1},
                                   {INT64_MAX, 1}, {1, INT64_MAX}, {INT64_MIN, 1}, {0, INT64_MIN}};
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_gguf_read_key_bytes(file, width, ranges[i][0], ranges[i][1], bytes, error));
    }
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_gguf_read_key_bytes(file, width, 0, 1, NULL, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_gguf_read_key_bytes(file, -1, 0, 1, bytes, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_gguf_read_key_bytes(file, 1 << 20, 0, 0, bytes, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_gguf_read_key_bytes(NULL, 0, 0, 1, bytes, error));
    icf_gguf_close(file);
}

/* Data of tensors, whole and in parts, and what a caller gets wrong. */
static void gguf_tensors(void) {
    icf_gguf *file = NULL;
    REQUIRE_OK(icf_gguf_open(MODEL, &file, error));
    icf_tensor_info tensor;
    tensor.struct_size = sizeof(tensor);
    const long long embeddings = icf_gguf_find_tensor(file, "token_embd.weight");
    REQUIRE_OK(icf_gguf_describe_tensor(file, embeddings, &tensor, error));
    static float whole[N_VOCAB * N_EMBD];
    float rows[2 * N_EMBD], embedded[2 * N_EMBD];
    REQUIRE(tensor.type == ICF_TYPE_F32 && tensor.bytes == (long long)sizeof(whole));
    CHECK_OK(icf_gguf_read_tensor(file, embeddings, 0, tensor.bytes, whole, error));
    CHECK_OK(icf_gguf_read_tensor(file, embeddings, 7 * N_EMBD * 4, sizeof(rows), rows, error));
    CHECK(memcmp(rows, whole + 7 * N_EMBD, sizeof(rows)) == 0);
    icf_model *m = open_model(MODEL);
    const int32_t wanted[] = {7, 8};
    CHECK_OK(icf_model_embed_tokens(m, wanted, 2, embedded, 2 * N_EMBD, error));
    CHECK(memcmp(rows, embedded, sizeof(rows)) == 0);
    CHECK_OK(icf_gguf_read_tensor(icf_model_gguf(m), embeddings, 0, sizeof(rows), rows, error));
    CHECK(memcmp(rows, whole, sizeof(rows)) == 0);
    icf_model_close(m);

    CHECK_OK(icf_gguf_read_tensor(file, embeddings, tensor.bytes, 0, NULL, error));
    const long long ranges[][2] = {{-1, 1},        {0, -1},        {0, tensor.bytes + 1}, {tensor.bytes, 1},
                                   {INT64_MAX, 1}, {1, INT64_MAX}, {INT64_MIN, 1},        {0, INT64_MIN}};
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_gguf_read_tensor(file, embeddings, ranges[i][0], ranges[i][1], rows, error));
    }
    CHECK(strstr(check_error.message, "token_embd.weight"));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_gguf_read_tensor(file, embeddings, 0, 1, NULL, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_gguf_read_tensor(file, -1, 0, 1, rows, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_gguf_read_tensor(file, 1 << 20, 0, 0, rows, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_gguf_read_tensor(NULL, 0, 0, 1, rows, error));
    icf_gguf_close(file);
}

/* A marker as a caller reads it who opens no digester. */
static void gguf_marker(void) {
    icf_gguf *file = NULL;
    REQUIRE_OK(icf_gguf_open(FORMER, &file, error));
    float read[N_EMBD], row[N_EMBD], given[N_EMBD];
    const long long marker = icf_gguf_find_tensor(file, "marker_ft.weight");
    CHECK_OK(icf_gguf_read_tensor(file, marker, 0, sizeof(read), read, error));
    CHECK_OK(icf_dequantize_rows(ICF_TYPE_F32, read, sizeof(read), 1, N_EMBD, row, error));
    icf_digester *d = open_digester(NULL);
    CHECK_OK(icf_digester_marker(d, ICF_MARKER_FT, given, N_EMBD, error));
    CHECK(memcmp(row, given, sizeof(row)) == 0);
    icf_digester_close(d);
    icf_gguf_close(file);
}

static void gguf_vocabulary(void) {
    icf_gguf *file = NULL;
    icf_model_info info;
    info.struct_size = sizeof(info);
    icf_model *m = open_model(MODEL);
    CHECK_OK(icf_model_describe(m, &info, error));
    REQUIRE_OK(icf_gguf_open(MODEL, &file, error));
    CHECK(info.vocab_hash != 0);
    CHECK_EQUAL(info.vocab_hash, icf_gguf_vocab_hash(file));
    CHECK_EQUAL(info.vocab_hash, icf_gguf_vocab_hash(icf_model_gguf(m)));
    icf_gguf_close(file);
    icf_model_close(m);
    REQUIRE_OK(icf_gguf_open(FORMER, &file, error));
    CHECK_EQUAL(0, icf_gguf_vocab_hash(file)); /* it has no vocabulary */
    icf_gguf_close(file);
    CHECK_EQUAL(0, icf_gguf_vocab_hash(NULL));
}

/* A file that is cut short or written to while it is open: metadata stay, data are refused, and nothing crashes. */
static void gguf_changed_meanwhile(void) {
    static char bytes[200000];
    char path[] = "/tmp/icf-test-XXXXXX";
    const int descriptor = mkstemp(path);
    FILE *source = fopen(MODEL, "rb");
    REQUIRE(descriptor >= 0 && source);
    const size_t count = fread(bytes, 1, sizeof(bytes), source);
    fclose(source);
    CHECK_EQUAL(count, write(descriptor, bytes, count));
    icf_gguf *file = NULL;
    REQUIRE_OK(icf_gguf_open(path, &file, error));
    CHECK_EQUAL(0, unlink(path)); /* it stays open */
    float row[N_EMBD];
    const long long norm = icf_gguf_find_tensor(file, "output_norm.weight");
    const long long width = icf_gguf_find_key(file, "llama.embedding_length");
    CHECK_OK(icf_gguf_read_tensor(file, norm, 0, sizeof(row), row, error));
    CHECK_EQUAL(0, ftruncate(descriptor, (off_t)count / 2));
    CHECK_STATUS(ICF_ERROR_IO, icf_gguf_read_tensor(file, norm, 0, sizeof(row), row, error));
    CHECK(strstr(check_error.message, path));
    long long integer = 0;
    CHECK_OK(icf_gguf_read_integers(file, width, 0, 1, &integer, error));
    CHECK_EQUAL(N_EMBD, integer);
    CHECK_EQUAL(0, ftruncate(descriptor, 0));
    CHECK_STATUS(ICF_ERROR_IO, icf_gguf_read_tensor(file, norm, 0, sizeof(row), row, error));
    CHECK(icf_gguf_read_tensor(file, norm, 0, sizeof(row), row, NULL) == ICF_ERROR_IO);
    icf_gguf_close(file);
    CHECK_EQUAL(0, close(descriptor));
}

/* ---- Opening what is not there or not right ---- */

static void check_refused(icf_status expected, const char *path) {
    icf_gguf *file = (icf_gguf *)&check_error;
    icf_model *model = (icf_model *)&check_error;
    icf_digester *digester = (icf_digester *)&check_error;
    CHECK_STATUS(expected, icf_gguf_open(path, &file, error));
    CHECK_STATUS(expected, icf_model_open(path, NULL, &model, error));
    CHECK_STATUS(expected, icf_digester_open(path, NULL, NULL, &digester, error));
    CHECK(file == NULL && model == NULL && digester == NULL);
    CHECK(icf_model_open(path, NULL, &model, NULL) == expected);
}

static void files_that_cannot_be_opened(void) {
    icf_gguf *file = NULL;
    icf_model *model = NULL;
    icf_digester *digester = NULL;
    check_refused(ICF_ERROR_IO, "/nonexistent/file.gguf");
    CHECK(strstr(check_error.message, "/nonexistent/file.gguf"));
    check_refused(ICF_ERROR_IO, "");
    check_refused(ICF_ERROR_IO, "/tmp");
    check_refused(ICF_ERROR_ARGUMENT, NULL);
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_gguf_open(MODEL, NULL, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_model_open(MODEL, NULL, NULL, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_digester_open(FORMER, NULL, NULL, NULL, error));
    CHECK_STATUS(ICF_ERROR_UNSUPPORTED, icf_model_open(FORMER, NULL, &model, error));
    CHECK_STATUS(ICF_ERROR_FORMAT, icf_digester_open(MODEL, NULL, NULL, &digester, error));

    char path[] = "/tmp/icf-test-XXXXXX";
    const int descriptor = mkstemp(path);
    REQUIRE(descriptor >= 0);
    CHECK_EQUAL(0, close(descriptor));
    check_refused(ICF_ERROR_FORMAT, path); /* empty */
    static char bytes[200000];
    FILE *source = fopen(MODEL, "rb");
    REQUIRE(source);
    const size_t count = fread(bytes, 1, sizeof(bytes), source);
    fclose(source);
    REQUIRE(count == 113792);
    const size_t lengths[] = {3, 4, 23, 24, 100, 3000, 20000, count - 4096, count - 1};
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        FILE *target = fopen(path, "wb");
        REQUIRE(target);
        CHECK_EQUAL(lengths[i], fwrite(bytes, 1, lengths[i], target));
        fclose(target);
        check_refused(ICF_ERROR_FORMAT, path);
    }
    CHECK_EQUAL(0, unlink(path));
    CHECK(file == NULL && model == NULL && digester == NULL);
}

/* ---- Model ---- */

static void model(void) {
    icf_model *m = open_model(MODEL);
    icf_model_info info;
    info.struct_size = sizeof(info);
    CHECK_OK(icf_model_describe(m, &info, error));
    CHECK(info.n_vocab == N_VOCAB && info.n_embd == N_EMBD && info.n_layer == 2 && info.n_ctx_train == 256);
    CHECK_TEXT("llama", info.architecture);
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_model_describe(NULL, &info, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_model_describe(m, NULL, error));
    CHECK(icf_model_gguf(m) != NULL);
    CHECK(icf_model_gguf(NULL) == NULL);
    CHECK(icf_gguf_find_tensor(icf_model_gguf(m), "token_embd.weight") >= 0);

    const int32_t tokens[] = {0, 5, N_VOCAB - 1};
    float rows[3 * N_EMBD];
    CHECK_OK(icf_model_embed_tokens(m, tokens, 3, rows, 3 * N_EMBD, error));
    CHECK_OK(icf_model_embed_tokens(m, NULL, 0, NULL, 0, error));
    CHECK_STATUS(ICF_ERROR_CAPACITY, icf_model_embed_tokens(m, tokens, 3, rows, 3 * N_EMBD - 1, error));
    CHECK_STATUS(ICF_ERROR_CAPACITY, icf_model_embed_tokens(m, tokens, INT64_MAX, rows, INT64_MAX, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_model_embed_tokens(m, tokens, -1, rows, 3 * N_EMBD, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_model_embed_tokens(m, tokens, 3, rows, -1, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_model_embed_tokens(m, NULL, 3, rows, 3 * N_EMBD, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_model_embed_tokens(m, tokens, 3, NULL, 3 * N_EMBD, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_model_embed_tokens(NULL, tokens, 3, rows, 3 * N_EMBD, error));
    const int32_t outside[] = {-1, N_VOCAB, INT32_MAX, INT32_MIN};
    for (int i = 0; i < 4; i++) {
        CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_model_embed_tokens(m, outside + i, 1, rows, N_EMBD, error));
    }
    icf_model_close(m);
    icf_model_close(NULL);
}

static void model_options(void) {
    icf_model_options options;
    icf_model *m = NULL;
    icf_model_options_init(&options);
    CHECK(options.device == -1 && options.use_mmap == 1 && options.n_gpu_layers == -1);
    options.device = 1000;
    CHECK_STATUS(ICF_ERROR_DEVICE, icf_model_open(MODEL, &options, &m, error));
    options.device = -2;
    CHECK_STATUS(ICF_ERROR_DEVICE, icf_model_open(MODEL, &options, &m, error));
    options.device = 0;
    options.n_gpu_layers = -2;
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_model_open(MODEL, &options, &m, error));
    options.n_gpu_layers = 1; /* there is nothing to divide on the CPU */
    CHECK_OK(icf_model_open(MODEL, &options, &m, error));
    icf_model_close(m);
    options.use_mmap = 2;
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_model_open(MODEL, &options, &m, error));
    options.use_mmap = 0;
    CHECK_OK(icf_model_open(MODEL, &options, &m, error));
    icf_model_close(m);
}

/* ---- Digester ---- */

static void chunk_lengths(void) {
    CHECK_EQUAL(0, icf_chunk_length(0, 32));
    CHECK_EQUAL(0, icf_chunk_length(-5, 32));
    CHECK_EQUAL(32, icf_chunk_length(32, 32));
    CHECK_EQUAL(17, icf_chunk_length(33, 32));
    CHECK_EQUAL(22, icf_chunk_length(65, 32));
    CHECK_EQUAL(25, icf_chunk_length(100, 32));
    CHECK_EQUAL(100, icf_chunk_length(100, 0));
    CHECK_EQUAL(100, icf_chunk_length(100, -1));
    CHECK_EQUAL(1, icf_chunk_length(7, 1));
    CHECK_EQUAL(INT64_MAX, icf_chunk_length(INT64_MAX, INT64_MAX));
    CHECK_EQUAL(1, icf_chunk_length(INT64_MAX, 1));
    for (long long n = 1; n < 200; n++) {
        for (long long limit = 1; limit < 40; limit++) {
            const long long size = icf_chunk_length(n, limit);
            const long long chunks = (n + limit - 1) / limit;
            CHECK(size >= 1 && size <= limit && size == (n + chunks - 1) / chunks && (chunks - 1) * size < n);
        }
    }
}

static void digester(void) {
    icf_model *m = open_model(MODEL);
    icf_digester *d = open_digester(m);
    icf_digester_info info;
    info.struct_size = sizeof(info);
    CHECK_OK(icf_digester_describe(d, &info, error));
    CHECK(info.n_embd == N_EMBD && info.n_digest == N_DIGEST && info.n_layer == 2 && info.n_threads == 1);
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_digester_describe(NULL, &info, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_digester_describe(d, NULL, error));
    CHECK(icf_digester_gguf(d) && !icf_digester_gguf(NULL));

    enum {
        SIZE = N_DIGEST * N_EMBD
    };
    const int32_t tokens[] = {4, 5, 6, 7, 8, 9};
    float rows[2 * SIZE], same[2 * SIZE], embeddings[6 * N_EMBD];
    CHECK_OK(icf_digester_prepare(d, tokens, 6, error));
    CHECK_OK(icf_digester_prepare(d, NULL, 0, error));
    CHECK_OK(icf_digester_run(d, tokens, 6, rows, SIZE, error));
    CHECK_OK(icf_model_embed_tokens(m, tokens, 6, embeddings, 6 * N_EMBD, error));
    CHECK_OK(icf_digester_run_rows(d, embeddings, 6, same, SIZE, error));
    for (int i = 0; i < SIZE; i++) {
        CHECK_CLOSE(rows[i], same[i], 1e-5);
    }
    CHECK_OK(icf_digester_run(d, NULL, 0, rows, SIZE, error)); /* an empty context */
    CHECK_OK(icf_digester_run_rows(d, NULL, 0, same, SIZE, error));
    CHECK(memcmp(rows, same, SIZE * sizeof(float)) == 0);
    const long long ends[] = {2, 6};
    CHECK_OK(icf_digester_run_batch(d, tokens, ends, 2, rows, 2 * SIZE, error));
    const long long nothing[] = {0, 0};
    CHECK_OK(icf_digester_run_batch(d, NULL, nothing, 2, rows, 2 * SIZE, error));

    const long long falling[] = {4, 2};
    const long long negative[] = {-1, 2};
    const int32_t outside[] = {3, N_VOCAB, -1};
    CHECK_STATUS(ICF_ERROR_CAPACITY, icf_digester_run(d, tokens, 6, rows, SIZE - 1, error));
    CHECK_STATUS(ICF_ERROR_CAPACITY, icf_digester_run_rows(d, embeddings, 6, rows, SIZE - 1, error));
    CHECK_STATUS(ICF_ERROR_CAPACITY, icf_digester_run_batch(d, tokens, ends, 2, rows, 2 * SIZE - 1, error));
    CHECK_STATUS(ICF_ERROR_CAPACITY, icf_digester_run_batch(d, tokens, ends, INT64_MAX, rows, 2 * SIZE, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_digester_run(d, tokens, -1, rows, SIZE, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_digester_run(d, tokens, 6, rows, -1, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_digester_run(d, NULL, 6, rows, SIZE, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_digester_run(d, tokens, 6, NULL, SIZE, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_digester_run(NULL, tokens, 6, rows, SIZE, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_digester_run(d, outside, 2, rows, SIZE, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_digester_run(d, outside + 2, 1, rows, SIZE, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_digester_prepare(d, outside, 2, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_digester_prepare(d, tokens, -1, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_digester_prepare(d, NULL, 1, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_digester_prepare(NULL, tokens, 1, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_digester_run_rows(d, embeddings, -1, rows, SIZE, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_digester_run_rows(d, embeddings, 1LL << 40, rows, SIZE, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_digester_run_rows(d, NULL, 6, rows, SIZE, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_digester_run_rows(d, embeddings, 6, NULL, SIZE, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_digester_run_rows(NULL, embeddings, 6, rows, SIZE, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_digester_run_batch(d, tokens, ends, 0, rows, SIZE, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_digester_run_batch(d, tokens, ends, -1, rows, SIZE, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_digester_run_batch(d, tokens, NULL, 2, rows, 2 * SIZE, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_digester_run_batch(d, NULL, ends, 2, rows, 2 * SIZE, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_digester_run_batch(d, tokens, ends, 2, NULL, 2 * SIZE, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_digester_run_batch(d, tokens, falling, 2, rows, 2 * SIZE, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_digester_run_batch(d, tokens, negative, 2, rows, 2 * SIZE, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_digester_run_batch(NULL, tokens, ends, 2, rows, 2 * SIZE, error));
    CHECK_OK(icf_digester_run(d, tokens, 6, rows, SIZE, error)); /* after all of these */
    icf_digester_close(d);
    icf_digester_close(NULL);
    icf_model_close(m);
}

static void markers(void) {
    icf_digester *d = open_digester(NULL);
    icf_digester_info info;
    info.struct_size = sizeof(info);
    CHECK_OK(icf_digester_describe(d, &info, error));
    float row[N_EMBD];
    for (int32_t marker = 0; marker < 2; marker++) {
        const int has = marker == ICF_MARKER_FT ? info.has_marker_ft : info.has_marker_ae;
        CHECK_STATUS(has ? ICF_OK : ICF_ERROR_UNSUPPORTED, icf_digester_marker(d, marker, row, N_EMBD, error));
    }
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_digester_marker(d, 2, row, N_EMBD, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_digester_marker(d, -1, row, N_EMBD, error));
    CHECK_STATUS(ICF_ERROR_CAPACITY, icf_digester_marker(d, ICF_MARKER_FT, row, N_EMBD - 1, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_digester_marker(d, ICF_MARKER_FT, NULL, N_EMBD, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_digester_marker(NULL, ICF_MARKER_FT, row, N_EMBD, error));
    icf_digester_close(d);
}

static void digester_without_a_model(void) {
    icf_digester *d = open_digester(NULL);
    const int32_t token = 3;
    const long long end = 1;
    float rows[N_DIGEST * N_EMBD], embedding[N_EMBD] = {1};
    CHECK_STATUS(ICF_ERROR_STATE, icf_digester_run(d, &token, 1, rows, N_DIGEST * N_EMBD, error));
    CHECK_STATUS(ICF_ERROR_STATE, icf_digester_run_batch(d, &token, &end, 1, rows, N_DIGEST * N_EMBD, error));
    CHECK_STATUS(ICF_ERROR_STATE, icf_digester_prepare(d, &token, 1, error));
    CHECK_OK(icf_digester_run_rows(d, embedding, 1, rows, N_DIGEST * N_EMBD, error));
    icf_digester_close(d);
}

static void digester_options(void) {
    icf_digester_options options;
    icf_digester *d = NULL;
    icf_digester_options_init(&options);
    CHECK(options.n_threads == 0 && options.device == -1 && options.use_mmap == 1 && options.method == ICF_METHOD_FAST);
    icf_digester_options bad[6];
    const icf_status expected[] = {ICF_ERROR_ARGUMENT, ICF_ERROR_ARGUMENT, ICF_ERROR_DEVICE,
                                   ICF_ERROR_ARGUMENT, ICF_ERROR_ARGUMENT, ICF_ERROR_ARGUMENT};
    for (int i = 0; i < 6; i++) {
        bad[i] = options;
    }
    bad[0].n_threads = -1;
    bad[1].n_threads = 100000;
    bad[2].device = 99;
    bad[3].use_mmap = -1;
    bad[4].method = 7;
    bad[5].struct_size = 1;
    for (int i = 0; i < 6; i++) {
        CHECK_STATUS(expected[i], icf_digester_open(FORMER, NULL, &bad[i], &d, error));
        CHECK(d == NULL);
    }
    CHECK_OK(icf_digester_open(FORMER, NULL, NULL, &d, error));
    icf_digester_close(d);
    icf_model *wide = open_model(WIDE_MODEL);
    CHECK_STATUS(ICF_ERROR_MISMATCH, icf_digester_open(FORMER, wide, NULL, &d, error));
    icf_model_close(wide);
}

/* ---- Session ---- */

static void session(void) {
    icf_model *m = open_model(MODEL);
    icf_session *s = open_session(m, 16);
    icf_session_info info;
    info.struct_size = sizeof(info);
    CHECK_OK(icf_session_describe(s, &info, error));
    CHECK(info.n_ctx == 16 && info.n_batch == 16 && info.kv_type == ICF_TYPE_F16 && info.n_threads == 1);
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_session_describe(NULL, &info, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_session_describe(s, NULL, error));
    CHECK_EQUAL(0, icf_session_length(s));
    CHECK_EQUAL(0, icf_session_length(NULL));

    const int32_t tokens[] = {1, 2, 3, 4, 5, 6, 7, 8};
    const int32_t outside[] = {-1, N_VOCAB};
    static float logits[8 * N_VOCAB], hidden[8 * N_EMBD], rows[8 * N_EMBD];
    CHECK_OK(icf_model_embed_tokens(m, tokens, 8, rows, 8 * N_EMBD, error));
    const int both = ICF_OUTPUT_LOGITS | ICF_OUTPUT_HIDDEN;
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_session_append_tokens(NULL, tokens, 1, 1, both, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_session_append_tokens(s, NULL, 1, 1, both, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_session_append_tokens(s, tokens, 0, 0, both, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_session_append_tokens(s, tokens, -1, 0, both, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_session_append_tokens(s, tokens, 17, 0, both, error)); /* more than a batch */
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_session_append_tokens(s, tokens, 8, 9, both, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_session_append_tokens(s, tokens, 8, -1, both, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_session_append_tokens(s, tokens, 8, 1, 0, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_session_append_tokens(s, tokens, 8, 1, 4, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_session_append_tokens(s, tokens, 8, 1, -1, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_session_append_tokens(s, outside, 1, 1, both, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_session_append_tokens(s, outside + 1, 1, 1, both, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_session_append_rows(NULL, rows, ICF_TYPE_F32, 1, 1, both, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_session_append_rows(s, NULL, ICF_TYPE_F32, 1, 1, both, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_session_append_rows(s, rows, ICF_TYPE_F32, 0, 0, both, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_session_append_rows(s, rows, ICF_TYPE_Q8_0, 1, 1, both, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_session_append_rows(s, rows, -1, 1, 1, both, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_session_append_rows(s, rows, ICF_TYPE_F32, 1, 2, both, error));
    CHECK_STATUS(ICF_ERROR_STATE, icf_session_get_logits(s, 0, 1, logits, N_VOCAB, error));
    CHECK_STATUS(ICF_ERROR_STATE, icf_session_get_hidden(s, 0, 1, hidden, N_EMBD, error));
    CHECK_EQUAL(0, icf_session_length(s));

    CHECK_OK(icf_session_append_tokens(s, tokens, 8, 2, both, error));
    CHECK_OK(icf_session_append_rows(s, rows, ICF_TYPE_F32, 4, 2, both, error));
    CHECK_EQUAL(12, icf_session_length(s));
    CHECK_OK(icf_session_get_logits(s, 0, 2, logits, 2 * N_VOCAB, error));
    CHECK_OK(icf_session_get_hidden(s, 1, 1, hidden, N_EMBD, error));
    CHECK_OK(icf_session_get_logits(s, 2, 0, logits, 0, error));
    CHECK_STATUS(ICF_ERROR_CAPACITY, icf_session_append_tokens(s, tokens, 5, 1, both, error));
    CHECK_STATUS(ICF_ERROR_CAPACITY, icf_session_append_rows(s, rows, ICF_TYPE_F32, 5, 1, both, error));
    CHECK_STATUS(ICF_ERROR_CAPACITY, icf_session_get_logits(s, 0, 2, logits, 2 * N_VOCAB - 1, error));
    CHECK_STATUS(ICF_ERROR_CAPACITY, icf_session_get_hidden(s, 0, 2, hidden, 2 * N_EMBD - 1, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_session_get_logits(s, 0, 3, logits, 8 * N_VOCAB, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_session_get_logits(s, 2, 1, logits, 8 * N_VOCAB, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_session_get_logits(s, -1, 1, logits, 8 * N_VOCAB, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_session_get_logits(s, 0, -1, logits, 8 * N_VOCAB, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_session_get_logits(s, 0, 1, NULL, 8 * N_VOCAB, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_session_get_logits(NULL, 0, 1, logits, 8 * N_VOCAB, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_session_get_hidden(s, 1, 2, hidden, 8 * N_EMBD, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_session_get_hidden(s, 0, 1, NULL, 8 * N_EMBD, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_session_get_hidden(NULL, 0, 1, hidden, 8 * N_EMBD, error));

    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_session_truncate(s, -1, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_session_truncate(s, 13, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_session_truncate(NULL, 0, error));
    CHECK_OK(icf_session_truncate(s, 12, error));
    CHECK_STATUS(ICF_ERROR_STATE, icf_session_get_logits(s, 0, 1, logits, N_VOCAB, error)); /* the outputs are forgotten */
    CHECK_OK(icf_session_truncate(s, 3, error));
    CHECK_EQUAL(3, icf_session_length(s));
    icf_session_close(s);
    icf_session_close(NULL);
    icf_model_close(m);
}

static void session_options(void) {
    icf_model *m = open_model(MODEL);
    icf_session_options options;
    icf_session *s = NULL;
    icf_session_options_init(&options);
    CHECK(options.n_threads == 0 && options.n_ctx == 0 && options.n_batch == 0 && options.kv_type == ICF_TYPE_F16);
    const struct {
        int32_t n_threads, n_ctx, n_batch, kv_type;
        icf_status expected;
    } cases[] = {
        {-1, 0, 0, ICF_TYPE_F16, ICF_ERROR_ARGUMENT}, {513, 0, 0, ICF_TYPE_F16, ICF_ERROR_ARGUMENT},
        {1, -1, 0, ICF_TYPE_F16, ICF_ERROR_ARGUMENT}, {1, INT32_MAX, 0, ICF_TYPE_F16, ICF_ERROR_ARGUMENT},
        {1, 0, -1, ICF_TYPE_F16, ICF_ERROR_ARGUMENT}, {1, 0, 0, ICF_TYPE_BF16, ICF_ERROR_UNSUPPORTED},
        {1, 0, 0, -1, ICF_ERROR_UNSUPPORTED},         {1, 0, 0, ICF_TYPE_Q8_0, ICF_ERROR_UNSUPPORTED},
        {1, 8, INT32_MAX, ICF_TYPE_F32, ICF_OK},      {1, 1, 1, ICF_TYPE_F16, ICF_OK},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        icf_session_options_init(&options);
        options.n_threads = cases[i].n_threads;
        options.n_ctx = cases[i].n_ctx;
        options.n_batch = cases[i].n_batch;
        options.kv_type = cases[i].kv_type;
        CHECK_STATUS(cases[i].expected, icf_session_open(m, &options, &s, error));
        CHECK((s != NULL) == (cases[i].expected == ICF_OK));
        icf_session_close(s);
    }
    options.struct_size = -8;
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_session_open(m, &options, &s, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_session_open(NULL, NULL, &s, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_session_open(m, NULL, NULL, error));
    icf_model_close(m);
}

static void sampling(void) {
    icf_model *m = open_model(MODEL);
    icf_session *s = open_session(m, 16);
    icf_sampling sampling;
    int32_t token = -1;
    const int32_t first = 9;
    icf_sampling_init(&sampling);
    CHECK(sampling.temperature == 0 && sampling.top_k == 0 && sampling.top_p == 1 && sampling.repetition_penalty == 1);
    CHECK_STATUS(ICF_ERROR_STATE, icf_session_sample(s, NULL, &token, error));
    CHECK_OK(icf_session_append_tokens(s, &first, 1, 1, ICF_OUTPUT_LOGITS, error));
    CHECK_OK(icf_session_sample(s, NULL, &token, error));
    CHECK(token >= 0 && token < N_VOCAB);
    sampling.temperature = 1;
    int32_t again = -2;
    CHECK_OK(icf_session_sample(s, &sampling, &token, error));
    CHECK_OK(icf_session_sample(s, &sampling, &again, error));
    CHECK_EQUAL(token, again);
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_session_sample(NULL, NULL, &token, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_session_sample(s, NULL, NULL, error));
    sampling.temperature = -1;
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_session_sample(s, &sampling, &token, error));
    sampling.struct_size = 0;
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_session_sample(s, &sampling, &token, error));
    CHECK_EQUAL(1, icf_session_length(s));
    icf_session_close(s);
    icf_model_close(m);
}

static void state(void) {
    icf_model *m = open_model(MODEL);
    icf_model *other = open_model(OTHER_MODEL);
    icf_session *s = open_session(m, 16);
    icf_session *small = open_session(m, 3);
    icf_session *foreign = open_session(other, 16);
    const int32_t tokens[] = {1, 2, 3, 4};
    CHECK_OK(icf_session_append_tokens(s, tokens, 4, 1, ICF_OUTPUT_LOGITS, error));
    const long long bytes = icf_session_state_bytes(s);
    REQUIRE(bytes > 4 * N_VOCAB);
    CHECK_EQUAL(0, icf_session_state_bytes(NULL));
    char *saved = malloc((size_t)bytes);
    long long written = -7;
    CHECK_STATUS(ICF_ERROR_CAPACITY, icf_session_save_state(s, saved, bytes - 1, &written, error));
    CHECK_STATUS(ICF_ERROR_CAPACITY, icf_session_save_state(s, saved, -1, &written, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_session_save_state(s, NULL, bytes, &written, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_session_save_state(s, saved, bytes, NULL, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_session_save_state(NULL, saved, bytes, &written, error));
    CHECK_EQUAL(-7, written);
    CHECK_OK(icf_session_save_state(s, saved, bytes, &written, error));
    CHECK_EQUAL(bytes, written);
    CHECK_OK(icf_session_truncate(s, 0, error));
    CHECK_OK(icf_session_restore_state(s, saved, bytes, error));
    CHECK_EQUAL(4, icf_session_length(s));
    CHECK_STATUS(ICF_ERROR_CAPACITY, icf_session_restore_state(small, saved, bytes, error));
    CHECK_STATUS(ICF_ERROR_MISMATCH, icf_session_restore_state(foreign, saved, bytes, error));
    CHECK_STATUS(ICF_ERROR_FORMAT, icf_session_restore_state(s, saved, bytes - 1, error));
    CHECK_STATUS(ICF_ERROR_FORMAT, icf_session_restore_state(s, saved, 0, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_session_restore_state(s, saved, -1, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_session_restore_state(s, NULL, bytes, error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_session_restore_state(NULL, saved, bytes, error));
    saved[bytes - 1] ^= 1;
    CHECK_STATUS(ICF_ERROR_FORMAT, icf_session_restore_state(s, saved, bytes, error));
    CHECK_EQUAL(4, icf_session_length(s));
    free(saved);
    icf_session_close(foreign);
    icf_session_close(small);
    icf_session_close(s);
    icf_model_close(other);
    icf_model_close(m);
}

/* ---- Ownership and threads ---- */

static void any_order_of_closing(void) {
    icf_model *m = open_model(MODEL);
    icf_digester *d = open_digester(m);
    icf_session *s = open_session(m, 16);
    icf_model_close(m);
    const int32_t token = 4;
    float rows[N_DIGEST * N_EMBD];
    CHECK_OK(icf_digester_run(d, &token, 1, rows, N_DIGEST * N_EMBD, error));
    CHECK_OK(icf_session_append_rows(s, rows, ICF_TYPE_F32, N_DIGEST, 1, ICF_OUTPUT_LOGITS, error));
    icf_digester_close(d);
    CHECK_OK(icf_session_append_tokens(s, &token, 1, 1, ICF_OUTPUT_LOGITS, error));
    icf_session_close(s);
}

/* Two threads that use one handle at once: each call succeeds or is refused as busy, and both happen. */
typedef struct shared_handle {
    icf_session *session;
    icf_digester *digester;
    const float *context; /* [256, N_EMBD] */
    atomic_int succeeded;
    atomic_int refused;
    atomic_int other;
} shared_handle;

static void count_status(shared_handle *shared, icf_status status) {
    atomic_int *counter = status == ICF_OK ? &shared->succeeded : status == ICF_ERROR_STATE ? &shared->refused : &shared->other;
    atomic_fetch_add(counter, 1);
}

static void *use_handle(void *argument) {
    shared_handle *shared = argument;
    float rows[N_DIGEST * N_EMBD];
    const time_t end = time(NULL) + 10;
    while ((atomic_load(&shared->refused) < 3 || atomic_load(&shared->succeeded) < 3) && time(NULL) < end) {
        if (shared->session) {
            count_status(shared, icf_session_append_rows(shared->session, shared->context, ICF_TYPE_F32, 100, 0, 0, NULL));
            count_status(shared, icf_session_truncate(shared->session, 0, NULL));
        } else {
            count_status(shared, icf_digester_run_rows(shared->digester, shared->context, 256, rows, N_DIGEST * N_EMBD, NULL));
        }
    }
    return NULL;
}

static void busy_handles(void) {
    static float context[256 * N_EMBD];
    for (int i = 0; i < 256 * N_EMBD; i++) {
        context[i] = (float)(i % 17 - 8) / 8;
    }
    icf_model *m = open_model(MODEL);
    for (int kind = 0; kind < 2; kind++) {
        shared_handle shared = {0};
        shared.context = context;
        if (kind == 0) {
            shared.session = open_session(m, 200);
        } else {
            shared.digester = open_digester(NULL);
        }
        pthread_t threads[2];
        for (int i = 0; i < 2; i++) {
            REQUIRE(pthread_create(&threads[i], NULL, use_handle, &shared) == 0);
        }
        for (int i = 0; i < 2; i++) {
            CHECK_EQUAL(0, pthread_join(threads[i], NULL));
        }
        CHECK(atomic_load(&shared.succeeded) >= 3);
        CHECK(atomic_load(&shared.refused) >= 3);
        CHECK_EQUAL(0, atomic_load(&shared.other));
        icf_session_close(shared.session);
        icf_digester_close(shared.digester);
    }
    icf_model_close(m);
}

int main(void) {
    const char *device = getenv("ICF_TEST_DEVICE");
    setenv("ICF_DEVICE", device && *device ? device : "0", 1); /* what the defaults choose */
    RUN(library);
    RUN(devices);
    RUN(struct_sizes);
    RUN(types);
    RUN(quantize);
    RUN(gguf);
    RUN(gguf_values);
    RUN(gguf_key_bytes);
    RUN(gguf_tensors);
    RUN(gguf_marker);
    RUN(gguf_vocabulary);
    RUN(gguf_changed_meanwhile);
    RUN(files_that_cannot_be_opened);
    RUN(model);
    RUN(model_options);
    RUN(chunk_lengths);
    RUN(digester);
    RUN(markers);
    RUN(digester_without_a_model);
    RUN(digester_options);
    RUN(session);
    RUN(session_options);
    RUN(sampling);
    RUN(state);
    RUN(any_order_of_closing);
    RUN(busy_handles);
    return check_result();
}
