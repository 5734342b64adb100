#include "gguf_builder.h"
#include "model.h"
#include "utf8.h"

using namespace icf;
using namespace test;

static const TempFolder folder;

static void description() {
    GgufBuilder file = tiny_decoder();
    file.set_text("general.name", "Tiny");
    const ModelPtr model = open_model(folder.write("tiny.gguf", file.build()));
    const icf_model_info info = describe(model.get());
    CHECK_TEXT("llama", info.architecture);
    CHECK_TEXT("Tiny", info.name);
    CHECK_TEXT("f32", info.type);
    CHECK(info.n_vocab == 16 && info.n_embd == 8 && info.n_layer == 1 && info.n_head == 2 && info.n_head_kv == 1);
    CHECK(info.n_ff == 8 && info.n_ctx_train == 64 && info.device == check_device());
    const long long n_params = 16 * 8 + 3 * 8 + 2 * 64 + 2 * 32 + 3 * 64;
    CHECK_EQUAL(n_params, info.n_params);
    CHECK_EQUAL(n_params * 4, info.weight_bytes);
    const icf_gguf * metadata = icf_model_gguf(model.get());
    CHECK(icf_gguf_find_key(metadata, "general.name") >= 0);
}

// A long name is cut, and never within a character.
static void long_names() {
    std::string name;
    while (name.size() < 300) {
        name += "é";
    }
    for (const char * prefix : {"", "x"}) {
        const ModelPtr model =
            open_model(folder.write("name.gguf", tiny_decoder().set_text("general.name", prefix + name).build()));
        const std::string cut = describe(model.get()).name;
        CHECK(cut.size() <= 127 && cut.size() >= 126);
        CHECK_EQUAL(0, (cut.size() - strlen(prefix)) % 2);
        CHECK((prefix + name).compare(0, cut.size(), cut) == 0);
    }
}

static long long fingerprint(const GgufBuilder & file) {
    return describe(open_model(folder.write("print.gguf", file.build())).get()).fingerprint;
}

static void fingerprints() {
    const GgufBuilder base = tiny_decoder();
    CHECK_EQUAL(fingerprint(base), fingerprint(base));
    GgufBuilder half = base; // another type of a matrix: the same model
    for (GgufBuilder::Tensor & tensor : half.tensors) {
        if (tensor.shape.size() == 2) {
            std::vector<ggml_fp16_t> values(tensor.data.size() / 4);
            ggml_fp32_to_fp16_row(reinterpret_cast<const float *>(tensor.data.data()), values.data(), int64_t(values.size()));
            tensor.data.assign(reinterpret_cast<const char *>(values.data()), values.size() * 2);
            tensor.type = ICF_TYPE_F16;
        }
    }
    CHECK_EQUAL(fingerprint(base), fingerprint(half));
    GgufBuilder norm = base;
    norm.tensor("output_norm.weight").data.replace(0, 4, bytes_of(0.25f));
    CHECK(fingerprint(base) != fingerprint(norm));
    GgufBuilder vocabulary = base;
    vocabulary.set_texts("tokenizer.ggml.tokens", tiny_vocabulary(15)).set_u32("llama.vocab_size", 16);
    CHECK(fingerprint(base) != fingerprint(vocabulary));
    GgufBuilder rope = base; // the same weights read another way
    rope.set_f32("llama.rope.freq_base", 12345.0f);
    CHECK(fingerprint(base) != fingerprint(rope));
    GgufBuilder layer_norm = base;
    layer_norm.tensor("blk.0.attn_norm.weight").data.replace(0, 4, bytes_of(0.25f));
    CHECK(fingerprint(base) != fingerprint(layer_norm));
}

// A state is of these weights alone: not of another quantisation, nor of a fine-tune that shares the norms.
static void states_of_other_weights() {
    const GgufBuilder base = tiny_decoder();
    GgufBuilder tuned = base;
    tuned.tensor("blk.0.ffn_up.weight").data.replace(0, 4, bytes_of(0.25f));
    GgufBuilder rope = base;
    rope.set_f32("llama.rope.freq_base", 12345.0f);
    CHECK_EQUAL(fingerprint(base), fingerprint(tuned));
    const ModelPtr model = open_model(folder.write("base.gguf", base.build()));
    const SessionPtr session = open_session(model.get());
    const int32_t tokens[] = {1, 2};
    CHECK_OK(icf_session_append_tokens(session.get(), tokens, 2, 1, ICF_OUTPUT_LOGITS, &check_error));
    std::vector<char> state(static_cast<size_t>(icf_session_state_bytes(session.get())));
    long long written = 0;
    CHECK_OK(icf_session_save_state(session.get(), state.data(), (long long)state.size(), &written, &check_error));
    CHECK_OK(icf_session_restore_state(session.get(), state.data(), written, &check_error));
    for (const GgufBuilder & file : {tuned, rope}) {
        const ModelPtr other = open_model(folder.write("other.gguf", file.build()));
        const SessionPtr reader = open_session(other.get());
        CHECK_STATUS(ICF_ERROR_MISMATCH, icf_session_restore_state(reader.get(), state.data(), written, &check_error));
    }
}

static void embeddings() {
    GgufBuilder file = tiny_decoder();
    std::vector<float> table(16 * 8);
    memcpy(table.data(), file.tensor("token_embd.weight").data.data(), table.size() * 4);
    const int32_t tokens[] = {3, 0, 15, 3};
    for (int use_mmap : {0, 1}) {
        const ModelPtr model = open_model(folder.write("embed.gguf", file.build()), use_mmap);
        std::vector<float> rows(4 * 8);
        CHECK_OK(icf_model_embed_tokens(model.get(), tokens, 4, rows.data(), 32, &check_error));
        for (size_t i = 0; i < 4; i++) {
            CHECK(memcmp(rows.data() + i * 8, table.data() + tokens[i] * 8, 32) == 0);
        }
    }
}

// Devices lack products with some types. They say so when something is computed.
static bool device_lacks_type(icf_model * model) {
    const int32_t token = 0;
    const SessionPtr session = open_session(model);
    const icf_status status = icf_session_append_tokens(session.get(), &token, 1, 1, ICF_OUTPUT_LOGITS, &check_error);
    return check_device() != 0 && status == ICF_ERROR_UNSUPPORTED;
}

// Every type that ggml can widen can hold the weights, and gives what its widened values give.
static void every_type_of_weights() {
    TinySizes sizes;
    sizes.n_embd = 256;
    sizes.n_ff = 256;
    sizes.n_head = 4;
    sizes.n_head_kv = 2;
    sizes.n_vocab = 19; // not a multiple of anything that a layout may ask for
    const GgufBuilder base = tiny_decoder(sizes);
    const std::vector<int32_t> tokens = Random(5).tokens(6, sizes.n_vocab);
    int tried = 0;
    for (int32_t type = 0; type < GGML_TYPE_COUNT; type++) {
        icf_type_info info;
        info.struct_size = sizeof(info);
        if (icf_type_describe(type, &info, nullptr) != ICF_OK || !info.can_quantize) {
            continue;
        }
        if (strcmp(info.name, "iq2_s") == 0) {
            continue; // ggml takes five seconds to make the tables it is quantised with
        }
        const QuantisedFiles files = quantise_matrices(base, type);
        const ModelPtr exact = open_model(folder.write("widened.gguf", files.widened.build()));
        const std::vector<float> expected = append_all(open_session(exact.get()).get(), sizes.n_vocab, tokens);
        for (int use_mmap : {0, 1}) {
            const ModelPtr model = open_model(folder.write("packed.gguf", files.packed.build()), use_mmap);
            CHECK_TEXT(info.name, describe(model.get()).type);
            if (device_lacks_type(model.get())) {
                continue;
            }
            const std::vector<float> logits = append_all(open_session(model.get()).get(), sizes.n_vocab, tokens);
            // Rows are rounded too, to F16, BF16 or 8 bits (ternary types: to 8 bits per 256).
            const double allowed = type == ICF_TYPE_F32 ? 1e-6 : quantised_tolerance(check_device(), info.name, 0.1);
            CHECK_SAYING(relative_l2(logits, expected) <= allowed, "%s: %.4f", info.name, relative_l2(logits, expected));
        }
        tried++;
    }
    CHECK(tried >= 20);
}

// The last layers go first; a tenth of the memory is left alone.
static void layers_on_a_device() {
    const std::vector<long long> sizes = {100, 100, 100, 400};
    CHECK_EQUAL(4, layers_that_fit(0, 1000, sizes)); // unknown
    CHECK_EQUAL(4, layers_that_fit(1000, 200, sizes));
    CHECK_EQUAL(3, layers_that_fit(998, 200, sizes));
    CHECK_EQUAL(1, layers_that_fit(1000, 500, sizes));
    CHECK_EQUAL(0, layers_that_fit(1000, 501, sizes));
    CHECK_EQUAL(0, layers_that_fit(1000, 5000, sizes));
    CHECK_EQUAL(0, layers_that_fit(1000, 0, {}));
}

static void fields_are_cut() {
    char field[8];
    copy_field(field, sizeof(field), "abc");
    CHECK_TEXT("abc", field);
    copy_field(field, sizeof(field), "abcdefghij");
    CHECK_TEXT("abcdefg", field);
    copy_field(field, sizeof(field), "abcdefé");
    CHECK_TEXT("abcdef", field);
}

int main() {
    RUN(description);
    RUN(long_names);
    RUN(fingerprints);
    RUN(states_of_other_weights);
    RUN(embeddings);
    RUN(every_type_of_weights);
    RUN(layers_on_a_device);
    RUN(fields_are_cut);
    return check_result();
}
