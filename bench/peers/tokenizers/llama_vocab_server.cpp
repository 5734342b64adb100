// Answers questions about the vocabulary of one GGUF file with llama.cpp's own tokenizer, over stdin and stdout.
//
// Requests and replies are little-endian binary records, so that any bytes can be asked about:
//   'T' u8 add_special, u8 parse_special, i32 length, bytes          -> i32 count, ids   (count -1: llama.cpp threw)
//   'D' u8 remove_special, u8 unparse_special, i32 count, ids        -> i32 length, bytes
//   'V'                                                              -> i32 tokens, bos, eos, eot, add_bos, add_eos,
//        then per token: i32 attributes, i32 end_of_generation, i32 length, bytes of the piece
#include <cstdint>
#include <cstdio>
#include <exception>
#include <llama.h>
#include <string>
#include <vector>

namespace {

bool read_exact(void *to, size_t bytes) { return fread(to, 1, bytes, stdin) == bytes; }

int32_t read_int() {
    int32_t value = 0;
    return read_exact(&value, sizeof value) ? value : 0;
}

void write_int(int32_t value) { fwrite(&value, sizeof value, 1, stdout); }

void write_bytes(const std::string &bytes) {
    write_int(static_cast<int32_t>(bytes.size()));
    fwrite(bytes.data(), 1, bytes.size(), stdout);
}

void tokenize(const llama_vocab *vocab) {
    uint8_t flags[2];
    read_exact(flags, 2);
    std::string text(static_cast<size_t>(read_int()), '\0');
    read_exact(text.data(), text.size());
    std::vector<llama_token> ids(2 * text.size() + 16);
    int32_t count = -1;
    try {
        count = llama_tokenize(vocab, text.data(), static_cast<int32_t>(text.size()), ids.data(),
                               static_cast<int32_t>(ids.size()), flags[0] != 0, flags[1] != 0);
    } catch (const std::exception &) {
    }
    write_int(count);
    fwrite(ids.data(), sizeof(llama_token), count > 0 ? static_cast<size_t>(count) : 0, stdout);
}

void detokenize(const llama_vocab *vocab) {
    uint8_t flags[2];
    read_exact(flags, 2);
    std::vector<llama_token> ids(static_cast<size_t>(read_int()));
    read_exact(ids.data(), ids.size() * sizeof(llama_token));
    std::string text(64, '\0');
    const auto run = [&] {
        return llama_detokenize(vocab, ids.data(), static_cast<int32_t>(ids.size()), text.data(),
                                static_cast<int32_t>(text.size()), flags[0] != 0, flags[1] != 0);
    };
    int32_t length = run();
    if (length < 0) {
        text.resize(static_cast<size_t>(-length));
        length = run();
    }
    text.resize(static_cast<size_t>(length));
    write_bytes(text);
}

void describe(const llama_vocab *vocab) {
    const int32_t n_tokens = llama_vocab_n_tokens(vocab);
    write_int(n_tokens);
    write_int(llama_vocab_bos(vocab));
    write_int(llama_vocab_eos(vocab));
    write_int(llama_vocab_eot(vocab));
    write_int(llama_vocab_get_add_bos(vocab));
    write_int(llama_vocab_get_add_eos(vocab));
    for (llama_token id = 0; id < n_tokens; id++) {
        write_int(llama_vocab_get_attr(vocab, id));
        write_int(llama_vocab_is_eog(vocab, id));
        std::string piece(256, '\0');
        int32_t length = llama_token_to_piece(vocab, id, piece.data(), static_cast<int32_t>(piece.size()), 0, true);
        if (length < 0) {
            piece.resize(static_cast<size_t>(-length));
            length = llama_token_to_piece(vocab, id, piece.data(), static_cast<int32_t>(piece.size()), 0, true);
        }
        piece.resize(static_cast<size_t>(length));
        write_bytes(piece);
    }
}

} // namespace

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: %s MODEL.gguf\n", argv[0]);
        return 2;
    }
    llama_log_set([](ggml_log_level level, const char *text, void *) {
        if (level == GGML_LOG_LEVEL_ERROR) fputs(text, stderr);
    }, nullptr);
    llama_model_params params = llama_model_default_params();
    params.vocab_only = true;
    llama_model *model = llama_model_load_from_file(argv[1], params);
    if (model == nullptr) return 1;
    const llama_vocab *vocab = llama_model_get_vocab(model);
    for (int op; (op = getchar()) != EOF; fflush(stdout)) {
        if (op == 'T') tokenize(vocab);
        else if (op == 'D') detokenize(vocab);
        else if (op == 'V') describe(vocab);
        else return 2;
    }
    llama_model_free(model);
    return 0;
}
