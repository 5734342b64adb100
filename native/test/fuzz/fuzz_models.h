// The tiny models that the targets play with, as files in memory that stay for the life of the process.
#pragma once

#include "fuzz.h"
#include "gguf_builder.h"

namespace fuzz {

const int n_vocab = 16;
const int n_embd = 32;
const int n_digest = 3;

inline test::TinySizes model_sizes() {
    test::TinySizes sizes;
    sizes.n_embd = n_embd;
    sizes.n_head = 1; // of 32 elements, as a cache of Q8_0 needs
    sizes.n_vocab = n_vocab;
    sizes.n_digest = n_digest;
    return sizes;
}

inline const MemoryFile & model_file() {
    static const std::string bytes = test::tiny_decoder(model_sizes()).build();
    static const MemoryFile file(bytes.data(), bytes.size());
    return file;
}

inline const MemoryFile & former_file() {
    static const std::string bytes = test::tiny_former(model_sizes()).build();
    static const MemoryFile file(bytes.data(), bytes.size());
    return file;
}

} // namespace fuzz
