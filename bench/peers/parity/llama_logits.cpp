// Writes the logits that llama.cpp computes for every row of a prompt, and for greedy tokens behind it.
//
//   llama_logits MODEL TOKENS OUTPUT BACKENDS GENERATED THREADS CACHE LAYOUT
//
// TOKENS holds the ids of the prompt, int32. OUTPUT gets, in the order of this machine's bytes: the logits of the prompt's rows
// [n, vocabulary] float, the greedy ids [GENERATED] int32, and the logits they were taken from [GENERATED, vocabulary] float.
// CACHE is f16, read by flash attention, or f32, read without it: llama.cpp would round an F32 cache to F16 for it. LAYOUT of the
// weights is plain, as in the file, or repacked where ggml can do so.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ggml-backend.h>
#include <llama.h>
#include <vector>

namespace {

std::vector<int32_t> read_ids(const char *path) {
    std::vector<int32_t> ids;
    if (FILE *file = fopen(path, "rb")) {
        int32_t id;
        while (fread(&id, sizeof id, 1, file) == 1) ids.push_back(id);
        fclose(file);
    }
    return ids;
}

// Appends tokens at a position and asks for the logits of all of them.
bool append(llama_context *context, const int32_t *ids, int32_t count, llama_pos position) {
    llama_batch batch = llama_batch_init(count, 0, 1);
    batch.n_tokens = count;
    for (int32_t i = 0; i < count; i++) {
        batch.token[i] = ids[i];
        batch.pos[i] = position + i;
        batch.n_seq_id[i] = 1;
        batch.seq_id[i][0] = 0;
        batch.logits[i] = 1;
    }
    const bool done = llama_decode(context, batch) == 0;
    llama_batch_free(batch);
    return done;
}

} // namespace

int main(int argc, char **argv) {
    if (argc != 9) {
        fprintf(stderr, "usage: %s MODEL TOKENS OUTPUT BACKENDS GENERATED THREADS CACHE LAYOUT\n", argv[0]);
        return 2;
    }
    const std::vector<int32_t> ids = read_ids(argv[2]);
    const int32_t n = static_cast<int32_t>(ids.size());
    const int32_t generated = atoi(argv[5]);
    const bool exact = strcmp(argv[7], "f32") == 0;
    llama_log_set([](ggml_log_level level, const char *text, void *) {
        if (level == GGML_LOG_LEVEL_ERROR || getenv("PARITY_VERBOSE")) fputs(text, stderr);
    }, nullptr);
    ggml_backend_load_all_from_path(argv[4]);
    llama_model_params model_params = llama_model_default_params();
    model_params.n_gpu_layers = 0;
    model_params.use_extra_bufts = strcmp(argv[8], "repacked") == 0;
    llama_model *model = llama_model_load_from_file(argv[1], model_params);
    if (model == nullptr || n == 0) return 1;
    llama_context_params params = llama_context_default_params();
    params.n_ctx = static_cast<uint32_t>(n + generated + 1);
    params.n_batch = params.n_ubatch = static_cast<uint32_t>(n);
    params.n_threads = params.n_threads_batch = atoi(argv[6]);
    params.type_k = params.type_v = exact ? GGML_TYPE_F32 : GGML_TYPE_F16;
    params.flash_attn_type = exact ? LLAMA_FLASH_ATTN_TYPE_DISABLED : LLAMA_FLASH_ATTN_TYPE_ENABLED;
    llama_context *context = llama_init_from_model(model, params);
    FILE *output = fopen(argv[3], "wb");
    if (context == nullptr || output == nullptr || !append(context, ids.data(), n, 0)) return 1;

    const size_t vocabulary = static_cast<size_t>(llama_vocab_n_tokens(llama_model_get_vocab(model)));
    fwrite(llama_get_logits(context), sizeof(float), static_cast<size_t>(n) * vocabulary, output);
    std::vector<int32_t> greedy;
    std::vector<float> taken;
    for (int32_t i = 0; i < generated; i++) {
        const float *row = llama_get_logits_ith(context, -1);
        taken.insert(taken.end(), row, row + vocabulary);
        greedy.push_back(static_cast<int32_t>(std::max_element(row, row + vocabulary) - row));
        if (i + 1 < generated && !append(context, &greedy.back(), 1, n + i)) return 1;
    }
    fwrite(greedy.data(), sizeof(int32_t), greedy.size(), output);
    fwrite(taken.data(), sizeof(float), taken.size(), output);
    fclose(output);
    llama_free(context);
    llama_model_free(model);
    return 0;
}
