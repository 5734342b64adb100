// Malformed GGUF files, class by class: each must be refused with the right status within one second and 64 MiB more memory
// than the file is long, and whatever is odd but valid must open. test_hostile --write FOLDER leaves the files there.
#include "child.h"
#include "gguf_builder.h"

#include <algorithm>
#include <cmath>
#include <set>

#include <fcntl.h>

using namespace test;

static const TempFolder folder;

enum class Target {
    GGUF,
    MODEL,
    FORMER
};

struct Case {
    std::string group;
    std::string name;
    Target target;
    int32_t expected;
    std::function<void(const std::string & path)> write;
};

static std::vector<Case> cases;

static void add(const std::string & group, const std::string & name, Target target, int32_t expected,
                const std::string & bytes) {
    cases.push_back({group, name, target, expected, [bytes](const std::string & path) { write_file(path, bytes); }});
}

static void add(const std::string & group, const std::string & name, Target target, int32_t expected,
                const GgufBuilder & file) {
    add(group, name, target, expected, file.build());
}

// A model, changed.
static void add_model(const std::string & group, const std::string & name, int32_t expected,
                      const std::function<void(GgufBuilder &)> & change) {
    GgufBuilder file = tiny_decoder();
    file.set_text("tokenizer.ggml.model", "none").set_u32("llama.vocab_size", 16); // as other programs want to have it
    change(file);
    add(group, name, Target::MODEL, expected, file);
}

static void add_former(const std::string & group, const std::string & name, int32_t expected,
                       const std::function<void(GgufBuilder &)> & change) {
    GgufBuilder file = tiny_former();
    change(file);
    add(group, name, Target::FORMER, expected, file);
}

// ---- The classes ----

static const uint64_t huge[] = {uint64_t(1) << 32, uint64_t(1) << 62, uint64_t(1) << 63,
                                ~uint64_t(0),      ~uint64_t(0) - 7,  ~uint64_t(0) - 0x200};

static std::string with_length(uint64_t length, const std::string & bytes) {
    return bytes_of(length) + bytes;
}

static void string_lengths() {
    for (uint64_t length : huge) {
        const std::string name = std::to_string(length);
        const std::string start = "GGUF" + bytes_of(uint32_t(3)) + bytes_of(uint64_t(0)) + bytes_of(uint64_t(1));
        add("string lengths", "key of " + name, Target::GGUF, ICF_ERROR_FORMAT,
            start + with_length(length, "some.key") + std::string(64, '\0'));
        add_model("string lengths", "text of " + name, ICF_ERROR_FORMAT,
                  [&](GgufBuilder & f) { f.set_raw("general.name", GGUF_TEXT, with_length(length, "Tiny")); });
        add_model("string lengths", "token of " + name, ICF_ERROR_FORMAT, [&](GgufBuilder & f) {
            f.set_raw("tokenizer.ggml.tokens", GGUF_ARRAY,
                      gguf_array(GGUF_TEXT, 16, gguf_text("a") + with_length(length, "b")));
        });
    }
    add_model("string lengths", "one byte beyond the file", ICF_ERROR_FORMAT, [&](GgufBuilder & f) {
        const size_t size = f.build().size();
        f.keys.insert(f.keys.begin(), {"general.name", GGUF_TEXT, with_length(size, "")});
    });
    GgufBuilder file;
    file.add_floats("x", {1}, {0});
    std::string bytes = file.build();
    for (uint64_t length : huge) {
        std::string damaged = bytes;
        damaged.replace(24, 8, bytes_of(length)); // of the tensor's name
        add("string lengths", "tensor name of " + std::to_string(length), Target::GGUF, ICF_ERROR_FORMAT, damaged);
    }
}

static std::string hexadecimal(const std::string & bytes) {
    std::string digits;
    for (char byte : bytes) {
        char two[3];
        snprintf(two, sizeof(two), "%02x", static_cast<unsigned>(static_cast<unsigned char>(byte)));
        digits += two;
    }
    return digits;
}

static void names() {
    add_model("names", "empty key", ICF_ERROR_FORMAT, [](GgufBuilder & f) { f.set_u32("", 1); });
    add_model("names", "zero byte in key", ICF_ERROR_FORMAT, [](GgufBuilder & f) { f.set_u32(std::string("a\0b", 3), 1); });
    add_model("names", "empty tensor name", ICF_ERROR_FORMAT, [](GgufBuilder & f) { f.add_floats("", {1}, {0}); });
    add_model("names", "zero byte in tensor name", ICF_ERROR_FORMAT,
              [](GgufBuilder & f) { f.add_floats(std::string("a\0b", 3), {1}, {0}); });
    add_model("names", "tensor name of 64 bytes", ICF_ERROR_FORMAT,
              [](GgufBuilder & f) { f.add_floats(std::string(64, 'n'), {1}, {0}); });
    for (const char * name : {"\xff", "a\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\x80"}) {
        add_model("names", "key that is not UTF-8: " + hexadecimal(name), ICF_ERROR_FORMAT,
                  [&](GgufBuilder & f) { f.set_u32(name, 1); });
        add_model("names", "tensor whose name is not UTF-8: " + hexadecimal(name), ICF_ERROR_FORMAT,
                  [&](GgufBuilder & f) { f.add_floats(name, {1}, {0}); });
    }
    add_model("names", "escape sequence in a key of the wrong kind", ICF_ERROR_UNSUPPORTED,
              [](GgufBuilder & f) { f.set_text("general.architecture", "\x1b]0;title\x07\xff\xfe"); });
}

static void array_counts() {
    for (uint64_t count : huge) {
        const std::string name = std::to_string(count);
        for (uint32_t type : {uint32_t(GGUF_U8), uint32_t(GGUF_F64), uint32_t(GGUF_TEXT)}) {
            add_model(
                "array counts", name + " elements of type " + std::to_string(type), ICF_ERROR_FORMAT,
                [&](GgufBuilder & f) { f.set_raw("some.array", GGUF_ARRAY, gguf_array(type, count, std::string(64, '\0'))); });
        }
    }
    add_model("array counts", "bytes that wrap to 8", ICF_ERROR_FORMAT, [](GgufBuilder & f) {
        f.set_raw("some.array", GGUF_ARRAY, gguf_array(GGUF_U64, (uint64_t(1) << 61) + 1, std::string(8, '\0')));
    });
    add_model("array counts", "one element too many", ICF_ERROR_FORMAT, [](GgufBuilder & f) {
        const size_t size = f.build().size();
        f.set_raw("some.array", GGUF_ARRAY, gguf_array(GGUF_U8, size, ""));
    });
    for (uint32_t type : {uint32_t(GGUF_ARRAY), 13u, 255u, ~0u}) {
        add_model("value types", "array of type " + std::to_string(type), ICF_ERROR_FORMAT,
                  [&](GgufBuilder & f) { f.set_raw("some.array", GGUF_ARRAY, gguf_array(type, 1, std::string(32, '\0'))); });
    }
    for (uint32_t type : {13u, 100u, 1u << 31, ~0u}) {
        add_model("value types", "value of type " + std::to_string(type), ICF_ERROR_FORMAT,
                  [&](GgufBuilder & f) { f.set_raw("some.key", type, std::string(32, '\0')); });
    }
}

static void file_counts() {
    for (uint64_t count : huge) {
        add_model("counts", std::to_string(count) + " keys", ICF_ERROR_FORMAT, [&](GgufBuilder & f) { f.n_keys = count; });
        add_model("counts", std::to_string(count) + " tensors", ICF_ERROR_FORMAT,
                  [&](GgufBuilder & f) { f.n_tensors = count; });
    }
    add_model("counts", "one key more", ICF_ERROR_FORMAT, [](GgufBuilder & f) { f.n_keys = f.keys.size() + 1; });
    add_model("counts", "one key less", ICF_ERROR_FORMAT, [](GgufBuilder & f) { f.n_keys = f.keys.size() - 1; });
    add_model("counts", "one tensor more", ICF_ERROR_FORMAT, [](GgufBuilder & f) { f.n_tensors = f.tensors.size() + 1; });
    add_model("counts", "one tensor less", ICF_ERROR_FORMAT, [](GgufBuilder & f) { f.n_tensors = f.tensors.size() - 1; });
    add_model("counts", "no tensors", ICF_ERROR_FORMAT, [](GgufBuilder & f) { f.tensors.clear(); });
    add_model("counts", "65537 keys", ICF_ERROR_FORMAT, [](GgufBuilder & f) {
        for (int i = 0; f.keys.size() < 65537; i++) {
            f.keys.push_back({"k" + std::to_string(i), GGUF_U8, "x"});
        }
    });
}

static GgufBuilder one_tensor(std::vector<uint64_t> shape, uint32_t type, size_t bytes) {
    GgufBuilder file;
    return file.add_tensor("x", shape, type, std::string(bytes, '\0'));
}

static void dimensions() {
    const uint64_t big = uint64_t(1) << 32;
    const std::vector<std::pair<std::string, std::vector<uint64_t>>> shapes = {
        {"zero", {0}},
        {"zero last", {4, 0}},
        {"zero in the middle", {4, 0, 4}},
        {"zero first", {0, 4}},
        {"negative", {~uint64_t(0)}},
        {"negative last", {4, ~uint64_t(0)}},
        {"two negative", {~uint64_t(3), ~uint64_t(3)}},
        {"most negative", {uint64_t(1) << 63}},
        {"product wraps to 0", {big, big}},
        {"product wraps to 16", {4 + big, big, big}},
        {"bytes wrap", {uint64_t(1) << 62}},
        {"bytes wrap by rows", {1, uint64_t(1) << 62}},
        {"2^61 rows", {1, uint64_t(1) << 61}},
        {"largest dimension", {~uint64_t(0) >> 1}},
        {"four of 2^16", {1 << 16, 1 << 16, 1 << 16, 1 << 16}},
        {"four of 2^15", {1 << 15, 1 << 15, 1 << 15, 1 << 15}},
        {"one row beyond the file", {4, 5}},
        {"one element beyond", {17}},
    };
    for (const auto & [name, shape] : shapes) {
        add("dimensions", name, Target::GGUF, ICF_ERROR_FORMAT, one_tensor(shape, ICF_TYPE_F32, 64));
    }
    for (uint64_t length : {uint64_t(1), uint64_t(31), uint64_t(33), (uint64_t(1) << 62) + 1}) {
        add("dimensions", "Q8_0 rows of " + std::to_string(length), Target::GGUF, ICF_ERROR_FORMAT,
            one_tensor({length}, ICF_TYPE_Q8_0, 64));
    }
    for (uint32_t n_dims : {0u, 5u, 1u << 30, ~0u}) {
        GgufBuilder file = one_tensor({16}, ICF_TYPE_F32, 64);
        file.tensors[0].n_dims = n_dims;
        add("dimensions", std::to_string(n_dims) + " of them", Target::GGUF, ICF_ERROR_FORMAT, file);
    }
}

static void offsets() {
    const auto two = [](uint64_t first, uint64_t second) {
        GgufBuilder file;
        file.add_tensor("a", {16}, ICF_TYPE_F32, std::string(64, '\0'))
            .add_tensor("b", {16}, ICF_TYPE_F32, std::string(64, '\0'));
        file.tensors[0].offset = first;
        file.tensors[1].offset = second;
        return file;
    };
    const std::vector<std::pair<std::string, GgufBuilder>> files = {
        {"both at 0", two(0, 0)},
        {"overlap by half", two(0, 32)},
        {"overlap, second first", two(32, 0)},
        {"hole at the start", two(32, 96)},
        {"hole between", two(0, 96)},
        {"misaligned", two(0, 68)},
        {"misaligned by 1", two(1, 65)},
        {"beyond the file", two(0, 1 << 20)},
        {"end wraps", two(0, ~uint64_t(31))},
        {"largest", two(0, ~uint64_t(0))},
        {"half of the range", two(0, uint64_t(1) << 63)},
        {"just at the end", two(64, 128)},
    };
    for (const auto & [name, file] : files) {
        add("offsets", name, Target::GGUF, ICF_ERROR_FORMAT, file);
    }
    const std::string whole = two(0, 64).build();
    add("offsets", "last byte missing", Target::GGUF, ICF_ERROR_FORMAT, whole.substr(0, whole.size() - 1));
    add("offsets", "second tensor missing", Target::GGUF, ICF_ERROR_FORMAT, whole.substr(0, whole.size() - 64));
    add("offsets", "no data", Target::GGUF, ICF_ERROR_FORMAT, two(0, 64).header());
}

static void tensor_types() {
    for (uint32_t type : {4u, 5u, 36u, 37u, 38u, 1000u, 1u << 31, ~0u}) { // 4, 5 and 36 to 38 once were types
        add("tensor types", std::to_string(type), Target::GGUF, ICF_ERROR_FORMAT, one_tensor({256}, type, 4096));
    }
    for (const char * name : {"i8", "i16", "i32", "i64", "f64", "q8_1", "q8_K"}) {
        add_model("tensor types", std::string("a matrix of ") + name, ICF_ERROR_UNSUPPORTED, [&](GgufBuilder & f) {
            TinySizes sizes;
            sizes.n_embd = 256;
            sizes.n_ff = 256;
            f = tiny_decoder(sizes);
            icf_type_info info;
            info.struct_size = sizeof(info);
            REQUIRE_OK(icf_type_describe(icf_type_find(name), &info, &check_error));
            GgufBuilder::Tensor & tensor = f.tensor("blk.0.ffn_up.weight");
            tensor.type = uint32_t(icf_type_find(name));
            tensor.data = std::string(size_t(256 * 256 / info.block_length * info.block_bytes), '\0');
        });
    }
    add_model("tensor types", "a norm of F16", ICF_ERROR_UNSUPPORTED, [](GgufBuilder & f) {
        f.tensor("output_norm.weight").type = ICF_TYPE_F16;
        f.tensor("output_norm.weight").data.resize(16);
    });
    add_former("tensor types", "digest embeddings of F16", ICF_ERROR_UNSUPPORTED, [](GgufBuilder & f) {
        f.tensor("digest_embd.weight").type = ICF_TYPE_F16;
        f.tensor("digest_embd.weight").data.resize(32);
    });
}

static void alignments() {
    for (uint32_t alignment : {0u, 3u, 24u, 33u, 1u << 21, 1u << 31, ~0u}) {
        add_model("alignment", std::to_string(alignment), ICF_ERROR_FORMAT,
                  [&](GgufBuilder & f) { f.set_u32("general.alignment", alignment); });
    }
    add_model("alignment", "of 64 bits", ICF_ERROR_FORMAT,
              [](GgufBuilder & f) { f.set("general.alignment", GGUF_U64, uint64_t(32)); });
    add_model("alignment", "a text", ICF_ERROR_FORMAT, [](GgufBuilder & f) { f.set_text("general.alignment", "32"); });
    add_model("alignment", "negative", ICF_ERROR_FORMAT,
              [](GgufBuilder & f) { f.set("general.alignment", GGUF_I32, int32_t(-32)); });
    add_model("alignment", "an array", ICF_ERROR_FORMAT,
              [](GgufBuilder & f) { f.set_raw("general.alignment", GGUF_ARRAY, gguf_array(GGUF_U32, 0, "")); });
    add_model("alignment", "other than the data has", ICF_ERROR_FORMAT,
              [](GgufBuilder & f) { f.set_u32("general.alignment", 4096); });
}

// A metadata value that is impossible or contradicts the tensors.
static void sizes() {
    const struct {
        const char * key;
        long long value;
        int32_t expected;
    } model_sizes[] = {
        {"embedding_length", 0, ICF_ERROR_FORMAT},
        {"embedding_length", 4, ICF_ERROR_FORMAT},
        {"embedding_length", 16, ICF_ERROR_FORMAT},
        {"embedding_length", -8, ICF_ERROR_FORMAT},
        {"embedding_length", 1LL << 40, ICF_ERROR_FORMAT},
        {"block_count", 0, ICF_ERROR_FORMAT},
        {"block_count", 2, ICF_ERROR_FORMAT},
        {"block_count", 1024, ICF_ERROR_FORMAT},
        {"block_count", 1LL << 62, ICF_ERROR_FORMAT},
        {"feed_forward_length", 0, ICF_ERROR_FORMAT},
        {"feed_forward_length", 9, ICF_ERROR_FORMAT},
        {"attention.head_count", 0, ICF_ERROR_FORMAT},
        {"attention.head_count", 3, ICF_ERROR_FORMAT},
        {"attention.head_count", 1 << 20, ICF_ERROR_FORMAT},
        {"attention.head_count_kv", 0, ICF_ERROR_FORMAT},
        {"attention.head_count_kv", 2, ICF_ERROR_FORMAT},
        {"attention.head_count_kv", 4, ICF_ERROR_FORMAT},
        {"attention.key_length", 0, ICF_ERROR_FORMAT},
        {"attention.key_length", 8, ICF_ERROR_FORMAT},
        {"attention.key_length", 5, ICF_ERROR_FORMAT},
        {"attention.value_length", 8, ICF_ERROR_UNSUPPORTED},
        {"rope.dimension_count", 0, ICF_ERROR_FORMAT},
        {"rope.dimension_count", 3, ICF_ERROR_FORMAT},
        {"rope.dimension_count", 1 << 30, ICF_ERROR_FORMAT},
        {"context_length", 0, ICF_ERROR_FORMAT},
        {"context_length", -1, ICF_ERROR_FORMAT},
        {"vocab_size", 0, ICF_ERROR_FORMAT},
        {"vocab_size", 15, ICF_ERROR_FORMAT},
        {"vocab_size", 17, ICF_ERROR_FORMAT},
        {"vocab_size", 1LL << 33, ICF_ERROR_FORMAT},
        {"attention.sliding_window", -1, ICF_ERROR_FORMAT},
        {"attention.sliding_window", 1LL << 40, ICF_ERROR_FORMAT},
        {"expert_count", 4, ICF_ERROR_UNSUPPORTED},
    };
    for (const auto & c : model_sizes) {
        add_model("sizes", std::string(c.key) + " " + std::to_string(c.value), c.expected,
                  [&](GgufBuilder & f) { f.set(std::string("llama.") + c.key, GGUF_I64, int64_t(c.value)); });
    }
    const struct {
        const char * key;
        long long value;
    } former_sizes[] = {
        {"embedding_length", 0},
        {"embedding_length", 10},
        {"block_count", 2},
        {"feed_forward_length", 4},
        {"attention.head_count", 0},
        {"attention.head_count", 8},
        {"attention.head_count_kv", 0},
        {"digest_count", 0},
        {"digest_count", 3},
        {"digest_count", 1 << 20},
        {"chunk_length", 0},
        {"chunk_length", 1LL << 40},
        {"cross_attention_interval", 0},
        {"target.embedding_length", 4},
    };
    for (const auto & c : former_sizes) {
        add_former("sizes", std::string("former's ") + c.key + " " + std::to_string(c.value), ICF_ERROR_FORMAT,
                   [&](GgufBuilder & f) { f.set(std::string("icformer.") + c.key, GGUF_I64, int64_t(c.value)); });
    }
    add_model("sizes", "heads whose product wraps", ICF_ERROR_FORMAT, [](GgufBuilder & f) {
        f.set_u32("llama.attention.head_count", 1 << 20).set_u32("llama.attention.key_length", 1 << 20);
    });
}

static void numbers() {
    for (double value : {0.0, -1.0, 1e300, double(INFINITY), std::nan("")}) {
        add_model("numbers", "rope.freq_base " + std::to_string(value), ICF_ERROR_FORMAT,
                  [&](GgufBuilder & f) { f.set("llama.rope.freq_base", GGUF_F64, value); });
    }
    for (float value : {-1.0f, INFINITY, std::nanf("")}) {
        add_former("numbers", "epsilon " + std::to_string(value), ICF_ERROR_FORMAT,
                   [&](GgufBuilder & f) { f.set_f32("icformer.attention.layer_norm_rms_epsilon", value); });
    }
    add_former("numbers", "rope scaling by 0", ICF_ERROR_FORMAT, [](GgufBuilder & f) {
        f.set_text("icformer.rope.scaling.type", "linear").set_f32("icformer.rope.scaling.factor", 0);
    });
    add_former("numbers", "rope scaling of an unknown kind", ICF_ERROR_UNSUPPORTED,
               [](GgufBuilder & f) { f.set_text("icformer.rope.scaling.type", "su"); });
}

static void kinds() {
    const std::string embedding = "llama.embedding_length";
    add_model("kinds", "architecture a number", ICF_ERROR_FORMAT,
              [](GgufBuilder & f) { f.set_u32("general.architecture", 1); });
    add_model("kinds", "architecture an array", ICF_ERROR_FORMAT,
              [](GgufBuilder & f) { f.set_texts("general.architecture", {"llama"}); });
    add_model("kinds", "name a number", ICF_ERROR_FORMAT, [](GgufBuilder & f) { f.set_u32("general.name", 1); });
    add_former("kinds", "former's name an array", ICF_ERROR_FORMAT,
               [](GgufBuilder & f) { f.set_texts("general.name", {"x"}); });
    add_model("kinds", "width a text", ICF_ERROR_FORMAT, [&](GgufBuilder & f) { f.set_text(embedding, "8"); });
    add_model("kinds", "width a float", ICF_ERROR_FORMAT, [&](GgufBuilder & f) { f.set_f32(embedding, 8); });
    add_model("kinds", "width an array", ICF_ERROR_FORMAT,
              [&](GgufBuilder & f) { f.set_raw(embedding, GGUF_ARRAY, gguf_array(GGUF_U32, 1, bytes_of(uint32_t(8)))); });
    add_model("kinds", "width an empty array", ICF_ERROR_FORMAT,
              [&](GgufBuilder & f) { f.set_raw(embedding, GGUF_ARRAY, gguf_array(GGUF_U32, 0, "")); });
    add_model("kinds", "epsilon a text", ICF_ERROR_FORMAT,
              [](GgufBuilder & f) { f.set_text("llama.attention.layer_norm_rms_epsilon", "1e-5"); });
    add_model("kinds", "heads per layer", ICF_ERROR_FORMAT, [](GgufBuilder & f) {
        f.set_raw("llama.attention.head_count", GGUF_ARRAY, gguf_array(GGUF_U32, 1, bytes_of(uint32_t(2))));
    });
    add_model("kinds", "rope scaling a number", ICF_ERROR_FORMAT,
              [](GgufBuilder & f) { f.set_u32("llama.rope.scaling.type", 1); });
    add_former("kinds", "target a number", ICF_ERROR_FORMAT,
               [](GgufBuilder & f) { f.set_u32("icformer.target.architecture", 1); });
    add_former("kinds", "target's hash a text", ICF_ERROR_FORMAT,
               [](GgufBuilder & f) { f.set_text("icformer.target.vocab_hash", "1"); });
    add_former("kinds", "a model for a former", ICF_ERROR_FORMAT, [](GgufBuilder & f) { f = tiny_decoder(); });
    add_model("kinds", "a former for a model", ICF_ERROR_UNSUPPORTED, [](GgufBuilder & f) { f = tiny_former(); });
    add_model("kinds", "an unknown architecture", ICF_ERROR_UNSUPPORTED,
              [](GgufBuilder & f) { f.set_text("general.architecture", "xyz"); });
}

static void missing_parts() {
    for (const char * key : {"general.architecture", "llama.embedding_length", "llama.block_count",
                             "llama.attention.head_count", "llama.feed_forward_length"}) {
        add_model("missing", key, ICF_ERROR_FORMAT, [&](GgufBuilder & f) { f.remove_key(key); });
    }
    add_model("missing", "the vocabulary and its size", ICF_ERROR_FORMAT,
              [](GgufBuilder & f) { f.remove_key("tokenizer.ggml.tokens").remove_key("llama.vocab_size"); });
    for (const GgufBuilder::Tensor & tensor : tiny_decoder().tensors) {
        add_model("missing", tensor.name, ICF_ERROR_FORMAT, [&](GgufBuilder & f) { f.remove_tensor(tensor.name); });
    }
    for (const GgufBuilder::Tensor & tensor : tiny_former().tensors) {
        add_former("missing", "former's " + tensor.name, ICF_ERROR_FORMAT,
                   [&](GgufBuilder & f) { f.remove_tensor(tensor.name); });
    }
    add_model("missing", "nothing, but a tensor too many", ICF_ERROR_UNSUPPORTED,
              [](GgufBuilder & f) { f.add_floats("blk.0.ffn_gate_inp.weight", {8}, std::vector<float>(8)); });
    add_model("missing", "nothing, but a layer too many", ICF_ERROR_UNSUPPORTED, [](GgufBuilder & f) {
        TinySizes two;
        two.n_layer = 2;
        f = tiny_decoder(two).set_u32("llama.block_count", 1);
    });
}

static void duplicates() {
    const auto repeat = [](GgufBuilder & f, const char * name, uint32_t type, const std::string & value) {
        f.keys.push_back({name, type, value});
    };
    add_model("duplicates", "a key twice the same", ICF_ERROR_FORMAT,
              [&](GgufBuilder & f) { repeat(f, "llama.block_count", GGUF_U32, bytes_of(uint32_t(1))); });
    add_model("duplicates", "a key twice of different kinds", ICF_ERROR_FORMAT,
              [&](GgufBuilder & f) { repeat(f, "llama.block_count", GGUF_TEXT, gguf_text("1")); });
    add_model("duplicates", "alignment twice", ICF_ERROR_FORMAT, [&](GgufBuilder & f) {
        repeat(f, "general.alignment", GGUF_U32, bytes_of(uint32_t(32)));
        repeat(f, "general.alignment", GGUF_U32, bytes_of(uint32_t(32)));
    });
    add_model("duplicates", "a tensor twice", ICF_ERROR_FORMAT,
              [](GgufBuilder & f) { f.tensors.push_back(f.tensor("output_norm.weight")); });
    add_model("duplicates", "a tensor twice at one place", ICF_ERROR_FORMAT, [](GgufBuilder & f) {
        f.tensors.push_back(f.tensor("token_embd.weight"));
        f.tensors.back().offset = 0;
    });
}

static void vocabularies() {
    const char * tokens = "tokenizer.ggml.tokens";
    const char * size = "llama.vocab_size";
    add_model("vocabulary", "empty", ICF_ERROR_FORMAT, [&](GgufBuilder & f) { f.remove_key(size).set_texts(tokens, {}); });
    add_model("vocabulary", "one text", ICF_ERROR_FORMAT, [&](GgufBuilder & f) { f.set_text(tokens, "abc"); });
    add_model("vocabulary", "numbers", ICF_ERROR_FORMAT,
              [&](GgufBuilder & f) { f.set_raw(tokens, GGUF_ARRAY, gguf_array(GGUF_U32, 16, std::string(64, '\0'))); });
    add_model("vocabulary", "fewer tokens than embeddings", ICF_ERROR_FORMAT,
              [&](GgufBuilder & f) { f.remove_key(size).set_texts(tokens, tiny_vocabulary(15)); });
    add_model("vocabulary", "more tokens than embeddings", ICF_ERROR_FORMAT,
              [&](GgufBuilder & f) { f.remove_key(size).set_texts(tokens, tiny_vocabulary(17)); });
    add_model("vocabulary", "cut within a token", ICF_ERROR_FORMAT, [&](GgufBuilder & f) {
        f.set_raw(tokens, GGUF_ARRAY, gguf_array(GGUF_TEXT, 16, gguf_text("a") + with_length(1 << 20, "b")));
    });
}

static void values_that_are_none() {
    for (float value : {std::nanf(""), INFINITY, -INFINITY}) {
        const std::string name = std::to_string(value);
        for (const char * tensor : {"output_norm.weight", "blk.0.attn_norm.weight", "blk.0.ffn_norm.weight"}) {
            add_model("values", name + " in " + tensor, ICF_ERROR_FORMAT,
                      [&](GgufBuilder & f) { f.tensor(tensor).data.replace(8, 4, bytes_of(value)); });
        }
        for (const char * tensor : {"digest_embd.weight", "blk.0.context_norm.weight"}) {
            add_former("values", name + " in " + tensor, ICF_ERROR_FORMAT,
                       [&](GgufBuilder & f) { f.tensor(tensor).data.replace(8, 4, bytes_of(value)); });
        }
        add_former("values", name + " in a marker", ICF_ERROR_FORMAT,
                   [&](GgufBuilder & f) { f.add_floats("marker_ft.weight", {8}, std::vector<float>(8, value)); });
        add_model("values", name + " in a bias", ICF_ERROR_FORMAT,
                  [&](GgufBuilder & f) { f.add_floats("blk.0.attn_q.bias", {8}, std::vector<float>(8, value)); });
    }
}

static void other_files() {
    const std::string model = tiny_decoder().build();
    for (const char * magic : {"GGUf", "GGJT", "ggml", "PK\3\4",
                               "\x7f"
                               "ELF",
                               "\0\0\0\0"}) {
        add("other files",
            "magic " + std::to_string(static_cast<unsigned char>(magic[0])) + ", " +
                std::to_string(static_cast<unsigned char>(magic[3])),
            Target::MODEL, ICF_ERROR_FORMAT, std::string(magic, 4) + model.substr(4));
    }
    add("other files", "empty", Target::MODEL, ICF_ERROR_FORMAT, std::string());
    add("other files", "zeros", Target::MODEL, ICF_ERROR_FORMAT, std::string(4096, '\0'));
    add("other files", "ones", Target::MODEL, ICF_ERROR_FORMAT, std::string(4096, '\xff'));
    add("other files", "safetensors", Target::FORMER, ICF_ERROR_FORMAT, read_file(fixture("former-gqa.safetensors")));
    add("other files", "JSON", Target::FORMER, ICF_ERROR_FORMAT, read_file(fixture("manifest.json")));
    for (uint32_t version : {0u, 1u, 4u, 0x03000000u, ~0u}) {
        add_model("versions", std::to_string(version), ICF_ERROR_UNSUPPORTED, [&](GgufBuilder & f) { f.version = version; });
    }
    std::string swapped = model; // as a machine of the other byte order would write it
    std::reverse(swapped.begin() + 4, swapped.begin() + 8);
    std::reverse(swapped.begin() + 8, swapped.begin() + 16);
    std::reverse(swapped.begin() + 16, swapped.begin() + 24);
    add("versions", "the other byte order", Target::MODEL, ICF_ERROR_UNSUPPORTED, swapped);
}

// Files that are large, and claim to be larger.
static void large_files() {
    cases.push_back({"large files", "8 GiB of empty texts", Target::GGUF, ICF_ERROR_FORMAT, [](const std::string & path) {
                         const std::string start = "GGUF" + bytes_of(uint32_t(3)) + bytes_of(uint64_t(0)) +
                                                   bytes_of(uint64_t(1)) + gguf_text("texts") + bytes_of(uint32_t(GGUF_ARRAY)) +
                                                   bytes_of(uint32_t(GGUF_TEXT)) + bytes_of((uint64_t(1) << 30) - 100);
                         write_file(path, start);
                         std::filesystem::resize_file(path, uint64_t(8) << 30); // a hole, which reads as zeros
                     }});
    cases.push_back({"large files", "8 GiB of one text", Target::GGUF, ICF_ERROR_FORMAT, [](const std::string & path) {
                         write_file(path, "GGUF" + bytes_of(uint32_t(3)) + bytes_of(uint64_t(0)) + bytes_of(uint64_t(1)) +
                                              gguf_text("text") + bytes_of(uint32_t(GGUF_TEXT)) +
                                              bytes_of(uint64_t(8000000000)));
                         std::filesystem::resize_file(path, uint64_t(8) << 30);
                     }});
    cases.push_back({"large files", "16 MiB of empty texts", Target::GGUF, ICF_OK, [](const std::string & path) {
                         GgufBuilder file;
                         file.set_raw("texts", GGUF_ARRAY, gguf_array(GGUF_TEXT, 2 << 20, std::string(16 << 20, '\0')));
                         write_file(path, file.build());
                     }});
    cases.push_back({"large files", "60000 keys", Target::GGUF, ICF_OK, [](const std::string & path) {
                         GgufBuilder file;
                         for (int i = 0; i < 60000; i++) {
                             file.keys.push_back({"k" + std::to_string(i), GGUF_U8, "x"});
                         }
                         write_file(path, file.build());
                     }});
    cases.push_back({"large files", "60000 tensors", Target::GGUF, ICF_OK, [](const std::string & path) {
                         GgufBuilder file;
                         file.alignment = 1;
                         file.set_u32("general.alignment", 1);
                         for (int i = 0; i < 60000; i++) {
                             file.tensors.push_back({"t" + std::to_string(i), {1}, ICF_TYPE_F16, "xx", {}, {}});
                         }
                         write_file(path, file.build());
                     }});
    cases.push_back(
        {"large files", "60000 tensors of a model", Target::MODEL, ICF_ERROR_UNSUPPORTED, [](const std::string & path) {
             GgufBuilder file = tiny_decoder();
             for (int i = 0; i < 60000; i++) {
                 file.tensors.push_back({"t" + std::to_string(i), {1}, ICF_TYPE_F16, "xx", {}, {}});
             }
             write_file(path, file.build());
         }});
}

// ---- What is odd and valid ----

static void odd_but_valid() {
    const auto odd = [](const std::string & name, const std::function<void(GgufBuilder &)> & change) {
        add_model("valid", name, ICF_OK, change);
    };
    const auto odd_former = [](const std::string & name, const std::function<void(GgufBuilder &)> & change) {
        add_former("valid", "a former: " + name, ICF_OK, change);
    };
    odd("as it is", [](GgufBuilder &) {});
    odd("version 2", [](GgufBuilder & f) { f.version = 2; });
    odd("unknown keys of every type", [](GgufBuilder & f) {
        f.set("a", GGUF_U8, uint8_t(1)).set("b", GGUF_BOOL, uint8_t(7)).set("c", GGUF_F64, std::nan(""));
        f.set_u32("größe 大小 \U0001F5DC", 1); // two, three and four bytes a character
        f.set_text("d", "").set_texts("e", {}).set_texts("f", {"", std::string("\0", 1), "\xff\xfe"});
    });
    odd("sizes of 64 bits and 8 bits", [](GgufBuilder & f) {
        f.set("llama.embedding_length", GGUF_U64, uint64_t(8)).set("llama.block_count", GGUF_U8, uint8_t(1));
        f.set("llama.attention.head_count", GGUF_I16, int16_t(2));
    });
    odd("numbers as integers and doubles", [](GgufBuilder & f) {
        f.set_u32("llama.rope.freq_base", 10000).set("llama.attention.layer_norm_rms_epsilon", GGUF_F64, 1e-5);
    });
    odd("an epsilon of 0", [](GgufBuilder & f) { f.set_f32("llama.attention.layer_norm_rms_epsilon", 0); });
    odd("tokens that are empty, repeated or not UTF-8", [](GgufBuilder & f) {
        f.set_texts("tokenizer.ggml.tokens", {"", "", "a", "a", "\xff", "\xc0\x80", std::string("\0", 1), "\xed\xa0\x80", "b",
                                              "c", "d", "e", "f", "g", "h", std::string(1000, 'x')});
    });
    odd("no vocabulary but its size",
        [](GgufBuilder & f) { f.remove_key("tokenizer.ggml.tokens").set_u32("llama.vocab_size", 16); });
    odd("fewer tokens than vocab_size",
        [](GgufBuilder & f) { f.set_texts("tokenizer.ggml.tokens", tiny_vocabulary(3)).set_u32("llama.vocab_size", 16); });
    odd("special ids out of range", [](GgufBuilder & f) { f.set_u32("tokenizer.ggml.bos_token_id", ~0u); });
    odd("shapes with trailing ones", [](GgufBuilder & f) {
        f.tensor("output_norm.weight").shape = {8, 1, 1, 1};
        f.tensor("blk.0.attn_q.weight").shape = {8, 8, 1};
    });
    odd("tensors in another order than their data", [](GgufBuilder & f) {
        // The first two descriptions change places; their data stays where it is.
        f.tensors[0].offset = 0;
        f.tensors[1].offset = f.tensors[0].data.size();
        const std::string data = f.tensors[0].data + f.tensors[1].data;
        std::swap(f.tensors[0], f.tensors[1]);
        f.tensors[0].data = data.substr(0, f.tensors[0].data.size());
        f.tensors[1].data = data.substr(f.tensors[0].data.size());
    });
    odd("an alignment of 8, so that the map is not used", [](GgufBuilder & f) {
        f.alignment = 8;
        f.set_u32("general.alignment", 8).set_text("padding", "1234567");
    });
    odd("an alignment of 65536", [](GgufBuilder & f) {
        f.alignment = 65536;
        f.set_u32("general.alignment", 65536);
    });
    odd("NaN in a matrix",
        [](GgufBuilder & f) { f.tensor("blk.0.attn_k.weight").data.replace(0, 4, bytes_of(std::nanf(""))); });
    odd("infinity in the embeddings",
        [](GgufBuilder & f) { f.tensor("token_embd.weight").data.replace(0, 4, bytes_of(INFINITY)); });
    odd("only zeros", [](GgufBuilder & f) {
        for (GgufBuilder::Tensor & tensor : f.tensors) {
            tensor.data.assign(tensor.data.size(), '\0');
        }
    });
    odd("a context of 2^30", [](GgufBuilder & f) { f.set_u32("llama.context_length", 1 << 30); });
    odd("a tiny RoPE base and scaling", [](GgufBuilder & f) {
        f.set_f32("llama.rope.freq_base", 1e-20f).set_text("llama.rope.scaling.type", "linear");
        f.set_f32("llama.rope.scaling.factor", 1e-20f);
    });
    odd("YaRN with extreme numbers", [](GgufBuilder & f) {
        f.set_text("llama.rope.scaling.type", "yarn").set_u32("llama.rope.scaling.original_context_length", 1);
        f.set_f32("llama.rope.scaling.factor", 1e20f).set_f32("llama.rope.scaling.yarn_beta_fast", 1e-20f);
        f.set_f32("llama.rope.scaling.yarn_beta_slow", 1e20f).set_f32("llama.rope.freq_base", 1.0f);
    });
    odd("a window of one position", [](GgufBuilder & f) { f.set_u32("llama.attention.sliding_window", 1); });
    odd("heads longer than the width", [](GgufBuilder & f) {
        f.set_u32("llama.attention.key_length", 64).set_u32("llama.attention.value_length", 64);
        for (const auto & [name, n_in, n_out] :
             {std::tuple<const char *, uint64_t, uint64_t>{"q", 8, 128}, {"k", 8, 64}, {"v", 8, 64}, {"output", 128, 8}}) {
            GgufBuilder::Tensor & tensor = f.tensor(std::string("blk.0.attn_") + name + ".weight");
            tensor.shape = {n_in, n_out};
            tensor.data.assign(size_t(n_in * n_out * 4), '\0');
        }
    });
    odd("heads of an odd length", [](GgufBuilder & f) {
        f.set_u32("llama.attention.key_length", 3)
            .set_u32("llama.attention.value_length", 3)
            .set_u32("llama.rope.dimension_count", 2);
        for (const auto & [name, n_in, n_out] :
             {std::tuple<const char *, uint64_t, uint64_t>{"q", 8, 6}, {"k", 8, 3}, {"v", 8, 3}, {"output", 6, 8}}) {
            GgufBuilder::Tensor & tensor = f.tensor(std::string("blk.0.attn_") + name + ".weight");
            tensor.shape = {n_in, n_out};
            tensor.data.assign(size_t(n_in * n_out * 4), '\x01');
        }
    });
    odd_former("as it is", [](GgufBuilder &) {});
    odd_former("NaN in a matrix",
               [](GgufBuilder & f) { f.tensor("blk.0.ffn_up.weight").data.replace(0, 4, bytes_of(std::nanf(""))); });
    odd_former("chunks of 2^20", [](GgufBuilder & f) { f.set_u32("icformer.chunk_length", 1 << 20); });
    odd_former("an interval beyond its layers", [](GgufBuilder & f) { f.set_u32("icformer.cross_attention_interval", 1000); });
    odd_former("a tiny RoPE base and scaling", [](GgufBuilder & f) {
        f.set_f32("icformer.rope.freq_base", 1e-20f).set_text("icformer.rope.scaling.type", "linear");
        f.set_f32("icformer.rope.scaling.factor", 1e-20f);
    });
    odd_former("norms near the largest float", [](GgufBuilder & f) {
        for (GgufBuilder::Tensor & tensor : f.tensors) {
            if (tensor.shape.size() == 1) {
                tensor.data = floats_data(std::vector<float>(8, 3e38f));
            }
        }
    });
    const std::string model = tiny_decoder().build();
    add("valid", "bytes after the last tensor", Target::MODEL, ICF_OK, model + std::string(1000, '?'));
    add("valid", "no keys and no tensors", Target::GGUF, ICF_OK, GgufBuilder());
    add("valid", "a tensor of every type", Target::GGUF, ICF_OK, [] {
        GgufBuilder file;
        for (int32_t type = 0; type < 200; type++) {
            icf_type_info info;
            info.struct_size = sizeof(info);
            if (icf_type_describe(type, &info, nullptr) == ICF_OK) {
                file.add_tensor(info.name, {uint64_t(info.block_length), 3}, uint32_t(type),
                                std::string(size_t(3 * info.block_bytes), 'x'));
            }
        }
        return file;
    }());
}

// ---- Opening and using ----

// A few tokens through whatever opened: odd weights may give NaN, never a crash.
static void use(icf_model * model) {
    icf_model_info info;
    info.struct_size = sizeof(info);
    CHECK(icf_model_describe(model, &info, nullptr) == ICF_OK);
    icf_session_options options;
    icf_session_options_init(&options);
    options.n_threads = 1;
    options.n_ctx = 16;
    options.kv_type = ICF_TYPE_F32;
    icf_session * session = nullptr;
    CHECK(icf_session_open(model, &options, &session, nullptr) == ICF_OK);
    const int32_t tokens[] = {0, 1, 2, 15};
    int32_t token = -1;
    CHECK(icf_session_append_tokens(session, tokens, 4, 1, ICF_OUTPUT_LOGITS, nullptr) == ICF_OK);
    icf_sampling sampling;
    icf_sampling_init(&sampling);
    sampling.temperature = 1;
    std::vector<float> logits(static_cast<size_t>(info.n_vocab));
    CHECK(icf_session_get_logits(session, 0, 1, logits.data(), info.n_vocab, nullptr) == ICF_OK);
    const bool numbers = std::none_of(logits.begin(), logits.end(), [](float x) { return std::isnan(x); });
    const icf_status status = icf_session_sample(session, &sampling, &token, nullptr);
    CHECK(numbers ? status == ICF_OK && token >= 0 && token < info.n_vocab : status == ICF_ERROR_STATE);
    icf_session_close(session);
}

static void use(icf_digester * digester) {
    icf_digester_info info;
    info.struct_size = sizeof(info);
    CHECK(icf_digester_describe(digester, &info, nullptr) == ICF_OK);
    const std::vector<float> context = Random(1).floats(size_t(5 * info.n_embd));
    std::vector<float> rows(size_t(info.n_digest * info.n_embd));
    CHECK(icf_digester_run_rows(digester, context.data(), 5, rows.data(), (long long)rows.size(), nullptr) == ICF_OK);
}

static int32_t open_and_use(Target target, const std::string & path, int use_mmap, icf_error * error) {
    int32_t status = ICF_ERROR_INTERNAL;
    if (target == Target::GGUF) {
        icf_gguf * file = nullptr;
        status = icf_gguf_open(path.c_str(), &file, error);
        icf_gguf_close(file);
    } else if (target == Target::MODEL) {
        icf_model_options options;
        icf_model_options_init(&options);
        options.device = 0;
        options.use_mmap = use_mmap;
        icf_model * model = nullptr;
        status = icf_model_open(path.c_str(), &options, &model, error);
        CHECK((model != nullptr) == (status == ICF_OK));
        if (model) {
            use(model);
        }
        icf_model_close(model);
    } else {
        icf_digester_options options;
        icf_digester_options_init(&options);
        options.device = 0;
        options.n_threads = 1;
        options.use_mmap = use_mmap;
        icf_digester * digester = nullptr;
        status = icf_digester_open(path.c_str(), nullptr, &options, &digester, error);
        CHECK((digester != nullptr) == (status == ICF_OK));
        if (digester) {
            use(digester);
        }
        icf_digester_close(digester);
    }
    return status;
}

static void collect_cases() {
    for (const auto collect :
         {string_lengths, names, array_counts, file_counts, dimensions, offsets, tensor_types, alignments, sizes, numbers,
          kinds, missing_parts, duplicates, vocabularies, values_that_are_none, other_files, large_files, odd_but_valid}) {
        collect();
    }
}

static void every_case() {
    std::set<std::string> seen;
    std::map<std::string, int> groups;
    int refused = 0;
    for (const Case & c : cases) {
        CHECK_SAYING(seen.insert(c.group + ": " + c.name).second, "two cases '%s: %s'", c.group.c_str(), c.name.c_str());
        const std::string path = folder.file("case.gguf");
        std::filesystem::remove(path);
        c.write(path);
        const size_t size = std::filesystem::file_size(path);
        for (int use_mmap : {1, 0}) {
            const ChildResult result =
                in_child(size + (64u << 20), [&](icf_error * error) { return open_and_use(c.target, path, use_mmap, error); });
            CHECK_SAYING(result.signal == 0 && result.exit_code == 0 && result.status == c.expected,
                         "%s: %s: gives '%s' (%s), signal %d, exit code %d, expected '%s'", c.group.c_str(), c.name.c_str(),
                         icf_status_name(result.status), result.error.message, result.signal, result.exit_code,
                         icf_status_name(c.expected));
            CHECK_SAYING(c.expected == ICF_OK || strstr(result.error.message, "case.gguf"),
                         "%s: %s: the message does not name the file: %s", c.group.c_str(), c.name.c_str(),
                         result.error.message);
        }
        groups[c.group]++;
        refused += c.expected != ICF_OK;
    }
    for (const auto & [group, count] : groups) {
        printf("       %3d %s\n", count, group.c_str());
    }
    printf("       %3d to be refused in %zu classes, %zu valid\n", refused, groups.size() - 1, cases.size() - size_t(refused));
    CHECK(refused >= 100);
}

// A file cut off after any byte of its header, and at any tensor, is refused.
static void truncation() {
    for (const Target target : {Target::MODEL, Target::FORMER}) {
        const GgufBuilder file = target == Target::MODEL ? tiny_decoder() : tiny_former();
        const std::string whole = file.build();
        const size_t header = file.header().size();
        const ChildResult result = in_child((64u << 20), [&](icf_error *) {
            const std::string path = folder.file("cut.gguf");
            std::filesystem::remove(path);
            write_file(path, whole);
            for (size_t size = whole.size() - 1;; size = size > header + 40 ? size - 32 : size - 1) {
                REQUIRE(truncate(path.c_str(), off_t(size)) == 0);
                icf_error error = {ICF_OK, ""};
                const int32_t status = open_and_use(target, path, 1, &error);
                CHECK_SAYING(status == ICF_ERROR_FORMAT, "%zu of %zu bytes: '%s' (%s)", size, whole.size(),
                             icf_status_name(status), error.message);
                if (size == 0) {
                    break;
                }
            }
            return ICF_OK;
        });
        CHECK_SAYING(result.signal == 0 && result.exit_code == 0, "signal %d, exit code %d", result.signal, result.exit_code);
    }
}

// Damage at random places: whatever it does, it must not crash, hang or take memory.
static void random_damage() {
    Random random(1);
    for (int round = 0; round < (sanitized ? 10 : 40); round++) {
        const Target target = round % 2 ? Target::MODEL : Target::FORMER;
        const GgufBuilder file = target == Target::MODEL ? tiny_decoder() : tiny_former();
        const std::string whole = file.build();
        const size_t header = file.header().size();
        const uint64_t seed = random.bits();
        const ChildResult result = in_child((64u << 20), [&](icf_error *) {
            Random damage(seed);
            const std::string path = folder.file("damaged.gguf");
            for (int i = 0; i < 50; i++) {
                std::string bytes = whole;
                for (int n = 1 + damage.below(3); n > 0; n--) {
                    const size_t at = size_t(damage.below(int(header)));
                    switch (damage.below(4)) {
                        case 0: bytes[at] = char(damage.bits()); break;
                        case 1: bytes[at] = char(bytes[at] ^ (1 << damage.below(8))); break;
                        case 2: bytes.insert(at, size_t(1 + damage.below(8)), char(damage.bits())); break;
                        default: bytes.erase(at, size_t(1 + damage.below(8))); break;
                    }
                }
                std::filesystem::remove(path);
                write_file(path, bytes);
                icf_error error = {ICF_OK, ""};
                const int32_t status = open_and_use(target, path, i % 2, &error);
                CHECK(status == ICF_OK ||
                      (error.message[0] != '\0' && status != ICF_ERROR_INTERNAL && status != ICF_ERROR_MEMORY));
            }
            return ICF_OK;
        });
        CHECK_SAYING(result.signal == 0 && result.exit_code == 0, "seed %llu: signal %d, exit code %d",
                     (unsigned long long)seed, result.signal, result.exit_code);
    }
}

// The files themselves, numbered, with a list of what they are and what they must give.
static void write_cases(const std::string & target) {
    std::filesystem::create_directories(target);
    std::string list;
    for (size_t i = 0; i < cases.size(); i++) {
        char name[32];
        snprintf(name, sizeof(name), "%03zu.gguf", i);
        cases[i].write(target + "/" + name);
        const char * kinds[] = {"file", "model", "former"};
        list += std::string(name) + "\t" + kinds[int(cases[i].target)] + "\t" + icf_status_name(cases[i].expected) + "\t" +
                cases[i].group + "\t" + cases[i].name + "\n";
    }
    write_file(target + "/cases.tsv", list);
}

int main(int argc, char ** argv) {
    collect_cases();
    if (argc == 3 && strcmp(argv[1], "--write") == 0) {
        write_cases(argv[2]);
        return 0;
    }
    REQUIRE(icf_device_count() >= 1); // loads the backends once, before any limit
    RUN_ON_CPU(every_case);
    RUN_ON_CPU(truncation);
    RUN_ON_CPU(random_damage);
    return check_result();
}
