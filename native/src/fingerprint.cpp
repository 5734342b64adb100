#include "fingerprint.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

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

static void hash_text(Hash & hash, std::string_view text) {
    hash.add(static_cast<long long>(text.size()));
    hash.add(text.data(), text.size());
}

// The keys that begin so, in the order of their names, which quantising leaves alone.
static void hash_keys(Hash & hash, const GgufFile & file, const std::string & prefix) {
    std::map<std::string, long long> keys;
    for (long long i = 0; i < file.key_count(); i++) {
        if (strncmp(file.key_name(i), prefix.c_str(), prefix.size()) == 0) {
            keys[file.key_name(i)] = i;
        }
    }
    for (const auto & [name, key] : keys) {
        hash_text(hash, name);
        hash.add(static_cast<long long>(file.key_file_type(key)));
        hash_text(hash, file.key_bytes(key));
    }
}

// So many bytes of a tensor are read at so many places, evenly from its first to its last.
static const uint64_t sample_bytes = 64;
static const uint64_t sample_places = 16;

static void hash_sample(Hash & hash, const GgufFile & file, const TensorEntry & entry) {
    char bytes[sample_bytes];
    const uint64_t count = std::min(sample_bytes, entry.bytes);
    const uint64_t places = std::min(sample_places, (entry.bytes + sample_bytes - 1) / sample_bytes);
    for (uint64_t i = 0; i < places; i++) {
        const uint64_t at = places == 1 ? 0 : (entry.bytes - count) / (places - 1) * i;
        file.handle().read(file.data_offset() + entry.offset + at, bytes, count);
        hash.add(bytes, count);
    }
}

static void hash_data(Hash & hash, const GgufFile & file, const TensorEntry & entry) {
    std::vector<char> bytes(static_cast<size_t>(std::min<uint64_t>(entry.bytes, 1 << 20)));
    for (uint64_t at = 0; at < entry.bytes; at += bytes.size()) {
        const size_t count = static_cast<size_t>(std::min<uint64_t>(bytes.size(), entry.bytes - at));
        file.handle().read(file.data_offset() + entry.offset + at, bytes.data(), count);
        hash.add(static_cast<long long>(checksum(bytes.data(), count)));
    }
}

static std::map<std::string, const TensorEntry *> by_name(const GgufFile & file) {
    std::map<std::string, const TensorEntry *> tensors;
    for (const TensorEntry & entry : file.tensors()) {
        tensors[entry.name] = &entry;
    }
    return tensors;
}

static int64_t elements_of(const TensorEntry & entry) {
    return entry.ne[0] * entry.ne[1] * entry.ne[2] * entry.ne[3];
}

// What quantising keeps: names, shapes, and the data of vectors and of what is listed in `kept`.
static void hash_tensors(Hash & hash, const GgufFile & file, const std::set<std::string> & kept) {
    for (const auto & [name, entry] : by_name(file)) {
        hash_text(hash, name);
        hash.add(entry->ne, sizeof(entry->ne));
        if (is_adapter_tensor(name)) {
            hash_sample(hash, file, *entry);
        } else if (entry->type == GGML_TYPE_F32 && (entry->ne[0] == elements_of(*entry) || kept.count(name) > 0)) {
            hash_data(hash, file, *entry);
        }
    }
}

long long fingerprint_of(const GgufFile & file, const DecoderParams & p, long long vocab_hash) {
    Hash hash;
    hash_text(hash, p.architecture);
    hash_keys(hash, file, p.architecture + ".");
    hash.add(vocab_hash);
    hash_tensors(hash, file, {});
    return hash.value();
}

// Its prompt and the LLM it was made for are not what makes a digest.
long long fingerprint_of(const GgufFile & file, const FormerParams & p) {
    Hash hash;
    for (long long size : {p.n_embd, p.n_layer, p.n_head, p.n_head_kv, p.n_ff, p.n_digest, p.cross_interval}) {
        hash.add(size);
    }
    for (const char * prefix : {"icformer.attention.", "icformer.rope.", "adapter."}) {
        hash_keys(hash, file, prefix);
    }
    hash_tensors(hash, file, {"digest_embd.weight"});
    return hash.value();
}

long long weights_fingerprint(const GgufFile & file, long long fingerprint) {
    Hash hash;
    hash.add(fingerprint);
    for (const auto & [name, entry] : by_name(file)) {
        hash_text(hash, name);
        hash.add(static_cast<long long>(entry->type));
        hash_sample(hash, file, *entry);
    }
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
