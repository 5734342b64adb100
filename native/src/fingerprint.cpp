#include "fingerprint.h"

#include <cstring>

namespace icf {

void Hash::add(const void * bytes, size_t count) {
    const unsigned char * at = static_cast<const unsigned char *>(bytes);
    for (size_t i = 0; i < count; i++) {
        state_ = (state_ ^ at[i]) * 0x100000001b3u;
    }
}

long long hash_vocabulary(const GgufFile & file) {
    const long long key = file.find_key("tokenizer.ggml.tokens");
    if (key < 0 || !file.key_is_array(key) || file.key_kind(key) != ICF_VALUE_TEXT) {
        return 0;
    }
    Hash hash;
    const unsigned char end = 0xFF;
    for (long long i = 0; i < file.key_length(key); i++) {
        const std::string_view token = file.text_at(key, i);
        hash.add(token.data(), token.size());
        hash.add(&end, 1);
    }
    return hash.value();
}

// Adds a tensor's data, read from the file.
static void hash_tensor(Hash & hash, const GgufFile & file, const char * name) {
    const TensorEntry & entry = file.tensors()[static_cast<size_t>(file.find_tensor(name))];
    std::vector<char> bytes(static_cast<size_t>(entry.bytes));
    file.handle().read(file.data_offset() + entry.offset, bytes.data(), bytes.size());
    hash.add(bytes.data(), bytes.size());
}

long long fingerprint_of(const GgufFile & file, const DecoderParams & p, long long vocab_hash) {
    Hash hash;
    hash.add(p.architecture.data(), p.architecture.size());
    for (long long size : {p.n_vocab, p.n_embd, p.n_layer, p.n_head, p.n_head_kv, p.n_ff}) {
        hash.add(size);
    }
    hash.add(vocab_hash);
    hash_tensor(hash, file, "output_norm.weight");
    return hash.value();
}

long long fingerprint_of(const GgufFile & file, const FormerParams & p) {
    Hash hash;
    for (long long size : {p.n_embd, p.n_layer, p.n_head, p.n_head_kv, p.n_ff, p.n_digest, p.cross_interval}) {
        hash.add(size);
    }
    hash_tensor(hash, file, "digest_embd.weight");
    hash_tensor(hash, file, "output_norm.weight");
    return hash.value();
}

uint64_t checksum(const char * bytes, size_t count) {
    uint64_t state = 0xcbf29ce484222325u ^ count;
    for (; count >= 8; bytes += 8, count -= 8) {
        uint64_t word;
        memcpy(&word, bytes, 8);
        state = (state ^ word) * 0x9e3779b97f4a7c15u;
        state ^= state >> 29;
    }
    for (; count > 0; bytes++, count--) {
        state = (state ^ static_cast<unsigned char>(*bytes)) * 0x100000001b3u;
    }
    return state;
}

} // namespace icf
