// Hashes by which files, models and states know each other: models/FORMAT.md.
#pragma once

#include "hparams.h"

namespace icf {

// FNV-1a, 64 bits.
class Hash {
public:
    void add(const void * bytes, size_t count);
    void add(long long value) { add(&value, sizeof(value)); }
    long long value() const { return static_cast<long long>(state_); }

private:
    uint64_t state_ = 0xcbf29ce484222325u;
};

// Over the texts of tokenizer.ggml.tokens, each followed by a byte 0xFF; 0 for a file without them.
long long hash_vocabulary(const GgufFile & file);

// The same for every quantisation: parameters, vocabulary, names and shapes of tensors, and the vectors, which stay F32
// whatever the matrices are quantised to. Of a former also its reader.
long long fingerprint_of(const GgufFile & file, const DecoderParams & params, long long vocab_hash);
long long fingerprint_of(const GgufFile & file, const FormerParams & params);

// Of these weights and no others: `fingerprint`, with every tensor's type and a sample of its bytes.
long long weights_fingerprint(const GgufFile & file, long long fingerprint);

// Not FNV-1a but eight bytes at a time: what it is taken of may be gigabytes long.
uint64_t checksum(const char * bytes, size_t count);

} // namespace icf
