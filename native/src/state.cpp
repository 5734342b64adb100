#include "state.h"

#include "error.h"
#include "fingerprint.h"

#include <cstring>

namespace icf {

namespace {

// Followed by tokens, logits, hidden states and the KV cache.
struct Header {
    char magic[8] = {'I', 'C', 'F', 'S', 'T', 'A', 'T', 'E'};
    int32_t version = 1;
    int32_t kv_type = 0;
    long long fingerprint = 0; // of the model
    long long length = 0;
    long long n_outputs = 0;
    int32_t outputs = 0;
    int32_t reserved = 0;
    uint64_t checksum = 0; // of this header, with 0 here, and of what follows
};

uint64_t checksum_of(Header header, const char * content, size_t count) {
    header.checksum = 0;
    return checksum(reinterpret_cast<const char *>(&header), sizeof(header)) * 31 + checksum(content, count);
}

Header header_of(const StateOwner & owner, const Timeline & timeline) {
    Header header;
    header.kv_type = owner.caches.front()->type();
    header.fingerprint = owner.fingerprint;
    header.length = static_cast<long long>(timeline.tokens.size());
    header.n_outputs = timeline.n_outputs;
    header.outputs = timeline.outputs;
    return header;
}

size_t n_logits(const StateOwner & owner, const Header & header) {
    return header.outputs & ICF_OUTPUT_LOGITS ? static_cast<size_t>(header.n_outputs) * owner.n_vocab : 0;
}

size_t n_hidden(const StateOwner & owner, const Header & header) {
    return header.outputs & ICF_OUTPUT_HIDDEN ? static_cast<size_t>(header.n_outputs) * owner.n_embd : 0;
}

size_t bytes_of(const StateOwner & owner, const Header & header) {
    size_t bytes = sizeof(header) + static_cast<size_t>(header.length) * sizeof(int32_t) +
                   (n_logits(owner, header) + n_hidden(owner, header)) * sizeof(float);
    for (const KvCache * cache : owner.caches) {
        bytes += cache->state_bytes(static_cast<int>(header.length));
    }
    return bytes;
}

// Everything but the checksum.
void check_header(const StateOwner & owner, const Header & header, size_t n_bytes) {
    const Header own;
    if (memcmp(header.magic, own.magic, sizeof(header.magic)) != 0 || header.version != own.version) {
        fail(ICF_ERROR_FORMAT, "not a session's state of version %d", own.version);
    }
    if (header.fingerprint != owner.fingerprint) {
        fail(ICF_ERROR_MISMATCH, "the state was saved with another model");
    }
    if (header.kv_type != owner.caches.front()->type()) {
        fail(ICF_ERROR_MISMATCH, "the state was saved with a KV cache of another type");
    }
    if (header.length > owner.n_ctx) {
        fail(ICF_ERROR_CAPACITY, "the state has %lld positions, the session holds %d", header.length, owner.n_ctx);
    }
    const bool possible = header.length >= 0 && header.n_outputs >= 0 && header.n_outputs <= header.length &&
                          header.reserved == 0 && (header.outputs & ~(ICF_OUTPUT_LOGITS | ICF_OUTPUT_HIDDEN)) == 0;
    if (!possible || n_bytes != bytes_of(owner, header)) {
        fail(ICF_ERROR_FORMAT, "the state is damaged: its size is not what its header says");
    }
}

// What is empty may have no address.
void copy(void * target, const void * source, size_t count) {
    if (count > 0) {
        memcpy(target, source, count);
    }
}

template <typename T> const char * take(std::vector<T> & target, size_t count, const char * source) {
    target.resize(count);
    copy(target.data(), source, count * sizeof(T));
    return source + count * sizeof(T);
}

template <typename T> char * put(const std::vector<T> & source, size_t count, char * target) {
    copy(target, source.data(), count * sizeof(T));
    return target + count * sizeof(T);
}

} // namespace

size_t state_bytes(const StateOwner & owner, const Timeline & timeline) {
    return bytes_of(owner, header_of(owner, timeline));
}

void save_state(const StateOwner & owner, const Timeline & timeline, char * target) {
    Header header = header_of(owner, timeline);
    char * at = put(timeline.tokens, timeline.tokens.size(), target + sizeof(header));
    at = put(timeline.logits, n_logits(owner, header), at);
    at = put(timeline.hidden, n_hidden(owner, header), at);
    const int length = static_cast<int>(header.length);
    for (const KvCache * cache : owner.caches) {
        cache->save(length, at);
        at += cache->state_bytes(length);
    }
    header.checksum = checksum_of(header, target + sizeof(header), bytes_of(owner, header) - sizeof(header));
    memcpy(target, &header, sizeof(header));
}

Timeline restore_state(const StateOwner & owner, const char * source, size_t n_bytes) {
    Header header;
    if (n_bytes < sizeof(header)) {
        fail(ICF_ERROR_FORMAT, "%zu bytes are not a session's state", n_bytes);
    }
    memcpy(static_cast<void *>(&header), source, sizeof(header));
    check_header(owner, header, n_bytes);
    const char * at = source + sizeof(header);
    if (checksum_of(header, at, n_bytes - sizeof(header)) != header.checksum) {
        fail(ICF_ERROR_FORMAT, "the state is damaged: its checksum differs");
    }
    Timeline timeline;
    timeline.n_outputs = header.n_outputs;
    timeline.outputs = header.outputs;
    at = take(timeline.tokens, static_cast<size_t>(header.length), at);
    at = take(timeline.logits, n_logits(owner, header), at);
    at = take(timeline.hidden, n_hidden(owner, header), at);
    for (KvCache * cache : owner.caches) { // nothing fails from here on
        cache->restore(static_cast<int>(header.length), at);
        at += cache->state_bytes(static_cast<int>(header.length));
    }
    return timeline;
}

} // namespace icf
