// Writes GGUF files, whole or damaged, and tiny models to damage.
#pragma once

#include "fixtures.h"

#include <optional>

namespace test {

// Value types of the GGUF specification.
enum GgufValueType : uint32_t {
    GGUF_U8,
    GGUF_I8,
    GGUF_U16,
    GGUF_I16,
    GGUF_U32,
    GGUF_I32,
    GGUF_F32,
    GGUF_BOOL,
    GGUF_TEXT,
    GGUF_ARRAY,
    GGUF_U64,
    GGUF_I64,
    GGUF_F64
};

template <typename T> std::string bytes_of(T value) {
    return {reinterpret_cast<const char *>(&value), sizeof(T)};
}

// A text as GGUF has it: its length, then its bytes.
inline std::string gguf_text(const std::string & text) {
    return bytes_of(uint64_t(text.size())) + text;
}

inline std::string gguf_array(uint32_t type, uint64_t count, const std::string & elements) {
    return bytes_of(type) + bytes_of(count) + elements;
}

inline std::string gguf_texts(const std::vector<std::string> & texts) {
    std::string elements;
    for (const std::string & text : texts) {
        elements += gguf_text(text);
    }
    return gguf_array(GGUF_TEXT, texts.size(), elements);
}

inline std::string floats_data(const std::vector<float> & values) {
    return {reinterpret_cast<const char *>(values.data()), values.size() * sizeof(float)};
}

// What is not set is written as the specification asks for.
class GgufBuilder {
public:
    struct Key {
        std::string name;
        uint32_t type;
        std::string value; // as it stands in the file
    };

    struct Tensor {
        std::string name;
        std::vector<uint64_t> shape;
        uint32_t type;
        std::string data;
        std::optional<uint64_t> offset;
        std::optional<uint32_t> n_dims;
    };

    std::string magic = "GGUF";
    uint32_t version = 3;
    uint64_t alignment = 32; // of the data; the key general.alignment is the caller's
    std::optional<uint64_t> n_keys;
    std::optional<uint64_t> n_tensors;
    std::vector<Key> keys;
    std::vector<Tensor> tensors;

    template <typename T> GgufBuilder & set(const std::string & name, uint32_t type, T value) {
        return set_raw(name, type, bytes_of(value));
    }
    GgufBuilder & set_u32(const std::string & name, uint32_t value) { return set(name, GGUF_U32, value); }
    GgufBuilder & set_f32(const std::string & name, float value) { return set(name, GGUF_F32, value); }
    GgufBuilder & set_text(const std::string & name, const std::string & value) {
        return set_raw(name, GGUF_TEXT, gguf_text(value));
    }
    GgufBuilder & set_texts(const std::string & name, const std::vector<std::string> & values) {
        return set_raw(name, GGUF_ARRAY, gguf_texts(values));
    }

    // Replaces the key of that name, or adds it.
    GgufBuilder & set_raw(const std::string & name, uint32_t type, const std::string & value) {
        for (Key & key : keys) {
            if (key.name == name) {
                key.type = type;
                key.value = value;
                return *this;
            }
        }
        keys.push_back({name, type, value});
        return *this;
    }

    GgufBuilder & remove_key(const std::string & name) {
        keys.erase(std::remove_if(keys.begin(), keys.end(), [&](const Key & key) { return key.name == name; }), keys.end());
        return *this;
    }

    GgufBuilder & add_tensor(const std::string & name, const std::vector<uint64_t> & shape, uint32_t type,
                             const std::string & data) {
        tensors.push_back({name, shape, type, data, {}, {}});
        return *this;
    }

    GgufBuilder & add_floats(const std::string & name, const std::vector<uint64_t> & shape, const std::vector<float> & values) {
        return add_tensor(name, shape, ICF_TYPE_F32, floats_data(values));
    }

    Tensor & tensor(const std::string & name) {
        const auto found = std::find_if(tensors.begin(), tensors.end(), [&](const Tensor & t) { return t.name == name; });
        REQUIRE(found != tensors.end());
        return *found;
    }

    GgufBuilder & remove_tensor(const std::string & name) {
        tensors.erase(std::remove_if(tensors.begin(), tensors.end(), [&](const Tensor & t) { return t.name == name; }),
                      tensors.end());
        return *this;
    }

    // The file up to where the padding before the data begins.
    std::string header() const {
        std::string bytes =
            magic + bytes_of(version) + bytes_of(n_tensors.value_or(tensors.size())) + bytes_of(n_keys.value_or(keys.size()));
        for (const Key & key : keys) {
            bytes += gguf_text(key.name) + bytes_of(key.type) + key.value;
        }
        uint64_t offset = 0;
        for (const Tensor & tensor : tensors) {
            bytes += gguf_text(tensor.name) + bytes_of(tensor.n_dims.value_or(static_cast<uint32_t>(tensor.shape.size())));
            for (uint64_t size : tensor.shape) {
                bytes += bytes_of(size);
            }
            bytes += bytes_of(tensor.type) + bytes_of(tensor.offset.value_or(offset));
            offset += padded(tensor.data.size());
        }
        return bytes;
    }

    std::string build() const {
        std::string bytes = header();
        bytes.resize(padded(bytes.size()));
        for (const Tensor & tensor : tensors) {
            bytes += tensor.data;
            bytes.resize(padded(bytes.size()));
        }
        return bytes;
    }

private:
    size_t padded(size_t size) const { return (size + alignment - 1) / alignment * alignment; }
};

// Sizes of a tiny model: a few kilobytes of F32.
struct TinySizes {
    int n_embd = 8;
    int n_ff = 8;
    int n_layer = 1;
    int n_head = 2;
    int n_head_kv = 1;
    int n_vocab = 16;
    int n_digest = 2;
    uint64_t seed = 1;
};

// A matrix of random weights [n_in, n_out], or a norm near 1.
inline void add_matrix(GgufBuilder & file, Random & random, const std::string & name, int n_in, int n_out) {
    file.add_floats(name, {uint64_t(n_in), uint64_t(n_out)},
                    random.floats(size_t(n_in) * size_t(n_out), 1.7 / std::sqrt(n_in)));
}

inline void add_norm(GgufBuilder & file, Random & random, const std::string & name, int n) {
    std::vector<float> values = random.floats(static_cast<size_t>(n), 0.5);
    for (float & value : values) {
        value += 1.0f;
    }
    file.add_floats(name, {uint64_t(n)}, values);
}

inline void add_layers(GgufBuilder & file, Random & random, const TinySizes & s, bool former) {
    const int n_kv = s.n_embd / s.n_head * s.n_head_kv;
    for (int i = 0; i < s.n_layer; i++) {
        const std::string block = "blk." + std::to_string(i) + ".";
        if (former) {
            add_norm(file, random, block + "context_norm.weight", s.n_embd);
        }
        add_norm(file, random, block + "attn_norm.weight", s.n_embd);
        add_matrix(file, random, block + "attn_q.weight", s.n_embd, s.n_embd);
        add_matrix(file, random, block + "attn_k.weight", s.n_embd, n_kv);
        add_matrix(file, random, block + "attn_v.weight", s.n_embd, n_kv);
        add_matrix(file, random, block + "attn_output.weight", s.n_embd, s.n_embd);
        add_norm(file, random, block + "ffn_norm.weight", s.n_embd);
        add_matrix(file, random, block + "ffn_gate.weight", s.n_embd, s.n_ff);
        add_matrix(file, random, block + "ffn_up.weight", s.n_embd, s.n_ff);
        add_matrix(file, random, block + "ffn_down.weight", s.n_ff, s.n_embd);
    }
}

inline void set_sizes(GgufBuilder & file, const std::string & architecture, const TinySizes & s) {
    file.set_text("general.architecture", architecture);
    file.set_u32(architecture + ".embedding_length", static_cast<uint32_t>(s.n_embd));
    file.set_u32(architecture + ".block_count", static_cast<uint32_t>(s.n_layer));
    file.set_u32(architecture + ".feed_forward_length", static_cast<uint32_t>(s.n_ff));
    file.set_u32(architecture + ".attention.head_count", static_cast<uint32_t>(s.n_head));
    file.set_u32(architecture + ".attention.head_count_kv", static_cast<uint32_t>(s.n_head_kv));
    file.set_f32(architecture + ".attention.layer_norm_rms_epsilon", 1e-5f);
    file.set_f32(architecture + ".rope.freq_base", 10000.0f);
}

inline std::vector<std::string> tiny_vocabulary(int n_vocab) {
    std::vector<std::string> tokens;
    for (int i = 0; i < n_vocab; i++) {
        tokens.push_back("t" + std::to_string(i));
    }
    return tokens;
}

inline GgufBuilder tiny_decoder(const TinySizes & s = {}) {
    GgufBuilder file;
    Random random(s.seed);
    set_sizes(file, "llama", s);
    file.set_u32("llama.context_length", 64);
    file.set_texts("tokenizer.ggml.tokens", tiny_vocabulary(s.n_vocab));
    add_matrix(file, random, "token_embd.weight", s.n_embd, s.n_vocab);
    add_norm(file, random, "output_norm.weight", s.n_embd);
    add_layers(file, random, s, false);
    return file;
}

inline GgufBuilder tiny_former(const TinySizes & s = {}) {
    GgufBuilder file;
    Random random(s.seed + 1000);
    set_sizes(file, "icformer", s);
    file.set_u32("icformer.digest_count", static_cast<uint32_t>(s.n_digest));
    file.set_u32("icformer.chunk_length", 16);
    file.set_u32("icformer.cross_attention_interval", 1);
    add_matrix(file, random, "digest_embd.weight", s.n_embd, s.n_digest);
    add_norm(file, random, "output_norm.weight", s.n_embd);
    add_layers(file, random, s, true);
    return file;
}

// F32 data [n_in, n_out] as `type`. Only the first rows are used, again and again: some types take long to search for.
inline std::string quantised(int32_t type, const std::string & floats, long long n_in, long long n_out) {
    icf_type_info info;
    info.struct_size = sizeof(info);
    REQUIRE_OK(icf_type_describe(type, &info, &check_error));
    const long long n_rows = std::min(n_out, 8LL);
    std::string part(size_t(n_rows * n_in / info.block_length * info.block_bytes), '\0');
    REQUIRE_OK(icf_quantize_rows(type, reinterpret_cast<const float *>(floats.data()), n_rows, n_in, part.data(),
                                 (long long)part.size(), &check_error));
    std::string bytes;
    while (bytes.size() < size_t(n_out) * part.size() / size_t(n_rows)) {
        bytes += part;
    }
    bytes.resize(size_t(n_out) * part.size() / size_t(n_rows));
    return bytes;
}

// A file with its matrices in another type, and with what they then hold as floats.
struct QuantisedFiles {
    GgufBuilder packed;
    GgufBuilder widened;
};

// All matrices but the digest embeddings, which stay F32.
inline QuantisedFiles quantise_matrices(const GgufBuilder & base, int32_t type) {
    QuantisedFiles files = {base, base};
    for (size_t i = 0; i < base.tensors.size(); i++) {
        const GgufBuilder::Tensor & tensor = base.tensors[i];
        if (tensor.shape.size() != 2 || tensor.name == "digest_embd.weight") {
            continue;
        }
        const long long n_in = (long long)tensor.shape[0], n_out = (long long)tensor.shape[1];
        const std::string bytes = quantised(type, tensor.data, n_in, n_out);
        REQUIRE_OK(icf_dequantize_rows(type, bytes.data(), (long long)bytes.size(), n_out, n_in,
                                       reinterpret_cast<float *>(files.widened.tensors[i].data.data()), &check_error));
        files.packed.tensors[i].type = uint32_t(type);
        files.packed.tensors[i].data = bytes;
    }
    return files;
}

} // namespace test
