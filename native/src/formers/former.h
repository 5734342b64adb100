// An IC-Former that computes: one interface, and a strategy behind it for what the device can do.
#pragma once

#include "backend.h"
#include "formers/weights.h"
#include "icf.h"

#include <functional>
#include <vector>

namespace icf {

// Word embeddings of n tokens as float rows [n, n_embd].
using EmbedTokens = std::function<void(const int32_t * tokens, long long n, float * rows)>;

// What every strategy computes with. All of it must live as long as the former.
struct FormerParts {
    const FormerParams & params;
    const FormerWeights & weights;
    const Backend & backend;
    bool is_f16;       // keys and values that are kept have as few bits; else F32, as the weights have
    EmbedTokens embed; // NULL: there are no tokens, only given embeddings
};

class Former {
public:
    virtual ~Former() = default;

    virtual icf_method method() const = 0;

    // Room for what each of n_vocab tokens contributes, if it takes no more than max_bytes; -1: half of the free memory. A
    // strategy may have no such table.
    virtual void open_table(int /*n_vocab*/, long long /*max_bytes*/) {}

    // Puts what the tokens [n] contribute into the table.
    virtual void prepare(const int32_t * /*tokens*/, size_t /*n*/) {}

    // Most chunks of n rows that one call takes.
    virtual int max_chunks(int /*n*/) const { return 1; }

    // Chunks of n tokens each, one after the other → rows [n_chunks, n_digest, n_embd]
    virtual void run_tokens(const int32_t * tokens, int n, int n_chunks, float * rows) = 0;

    // embeddings [n, n_embd] → rows [n_digest, n_embd]
    virtual void run_rows(const float * embeddings, int n, float * rows) = 0;

    // Memory held for packed weights, constants and graphs.
    virtual long long bytes() const = 0;

    struct Table {
        long long bytes = 0; // when full; 0: there is none
        long long n_filled = 0;
    };
    virtual Table table() const { return {}; }

    // Weights that are not read any more where they came from.
    virtual std::vector<const ggml_tensor *> replaced_weights() const { return {}; }
};

} // namespace icf
