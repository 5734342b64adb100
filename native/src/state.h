// A session's timeline as bytes: what is saved, in which order, and what is checked before any of it is believed.
#pragma once

#include "kv_cache.h"

#include <vector>

namespace icf {

// What of a session is saved, beside its KV cache.
struct Timeline {
    std::vector<int32_t> tokens; // of every position; -1 where an embedding row was appended
    long long n_outputs = 0;
    int32_t outputs = 0;       // icf_output bits
    std::vector<float> logits; // [n_outputs, n_vocab]
    std::vector<float> hidden; // [n_outputs, n_embd]
};

// What a state belongs to.
struct StateOwner {
    long long fingerprint; // of the model
    int n_vocab;
    int n_embd;
    int n_ctx;
    std::vector<KvCache *> caches; // in the order of the layers, all of one type
};

size_t state_bytes(const StateOwner & owner, const Timeline & timeline);

// Writes state_bytes.
void save_state(const StateOwner & owner, const Timeline & timeline, char * target);

// Fills the caches, unless it fails. ICF_ERROR_MISMATCH for another owner's state, ICF_ERROR_CAPACITY for one that is too long,
// ICF_ERROR_FORMAT for what is damaged.
Timeline restore_state(const StateOwner & owner, const char * source, size_t n_bytes);

} // namespace icf
