/*
 * loop MODEL [FORMER]: the measurements of `icf bench` from C, for the comparison of the two languages and with other
 * engines. Prints one line of JSON for each measurement:
 *
 *     {"name": "decode", "n": 128, "samples_ms": [...]}
 *
 * samples_ms of "decode" are of single tokens, of all runs; the others are of whole runs.
 *
 * Options: --prefill N, --decode N, --compress N, --self-attention N choose what is measured and how long it is;
 * --runs N, --warm-up N, --threads N.
 */
#define _POSIX_C_SOURCE 200809L

#include "icf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { N_BATCH = 512, N_MEMORY = 128 };

typedef struct setup {
    const char *model;
    const char *former;
    int prefill, decode, compress, self_attention; /* lengths in tokens; 0: not measured */
    int runs, warm_up, threads;
} setup;

static icf_error error;

static void check(icf_status status, const char *call) {
    if (status != ICF_OK) {
        fprintf(stderr, "loop: %s: %s\n", call, error.message);
        exit(1);
    }
}

#define CALL(call) check((call), #call)

static void *allocate(size_t bytes) {
    void *memory = malloc(bytes);
    if (!memory) {
        fprintf(stderr, "loop: out of memory\n");
        exit(1);
    }
    return memory;
}

static double milliseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec * 1e-6;
}

/* As in Java: words of the upper half of the vocabulary, two of five of them different. */
static int32_t *make_tokens(int n, int n_vocab) {
    int32_t *tokens = allocate(sizeof(int32_t) * (size_t)n);
    const int half = n_vocab / 2;
    const int distinct = 2 * n / 5 > half ? half : 2 * n / 5 < 1 ? 1 : 2 * n / 5;
    unsigned long long state = 1;
    for (int i = 0; i < n; i++) {
        tokens[i] = half + i % distinct;
    }
    for (int i = n - 1; i > 0; i--) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        const int j = (int)((state >> 33) % (unsigned long long)(i + 1));
        const int32_t token = tokens[i];
        tokens[i] = tokens[j];
        tokens[j] = token;
    }
    return tokens;
}

static void print(const char *name, int n, const double *samples, int count) {
    printf("{\"name\": \"%s\", \"n\": %d, \"samples_ms\": [", name, n);
    for (int i = 0; i < count; i++) {
        printf("%s%.6g", i ? ", " : "", samples[i]);
    }
    printf("]}\n");
    fflush(stdout);
}

static icf_session *open_session(const setup *s, icf_model *model, int n_ctx) {
    icf_session_options options;
    icf_session *session;
    icf_session_options_init(&options);
    options.n_threads = s->threads;
    options.n_ctx = n_ctx;
    options.n_batch = n_ctx < N_BATCH ? n_ctx : N_BATCH;
    CALL(icf_session_open(model, &options, &session, &error));
    return session;
}

/* Appends n tokens in batches, with the logits of the last one or none. */
static void append(icf_session *session, const int32_t *tokens, int n, int last_logits) {
    for (int first = 0; first < n; first += N_BATCH) {
        const int count = n - first < N_BATCH ? n - first : N_BATCH;
        const int outputs = last_logits && first + count == n;
        CALL(icf_session_append_tokens(session, tokens + first, count, outputs, outputs ? ICF_OUTPUT_LOGITS : 0, &error));
    }
}

static void measure_prefill(const setup *s, icf_model *model, int n_vocab) {
    icf_session *session = open_session(s, model, s->prefill);
    int32_t *tokens = make_tokens(s->prefill, n_vocab);
    double *samples = allocate(sizeof(double) * (size_t)s->runs);
    for (int run = -s->warm_up; run < s->runs; run++) {
        const double start = milliseconds();
        CALL(icf_session_truncate(session, 0, &error));
        append(session, tokens, s->prefill, 1);
        if (run >= 0) {
            samples[run] = milliseconds() - start;
        }
    }
    print("prefill", s->prefill, samples, s->runs);
    free(samples);
    free(tokens);
    icf_session_close(session);
}

static void measure_decode(const setup *s, icf_model *model, int n_vocab) {
    icf_session *session = open_session(s, model, s->decode + 1);
    int32_t *first = make_tokens(1, n_vocab);
    double *samples = allocate(sizeof(double) * (size_t)s->runs * (size_t)s->decode);
    for (int run = -s->warm_up; run < s->runs; run++) {
        CALL(icf_session_truncate(session, 0, &error));
        append(session, first, 1, 1);
        double start = milliseconds();
        for (int i = 0; i < s->decode; i++) {
            int32_t token;
            CALL(icf_session_sample(session, NULL, &token, &error));
            append(session, &token, 1, 1);
            const double end = milliseconds();
            if (run >= 0) {
                samples[run * s->decode + i] = end - start;
            }
            start = end;
        }
    }
    print("decode", s->decode, samples, s->runs * s->decode);
    free(samples);
    free(first);
    icf_session_close(session);
}

/* A context whose tokens are in the token table. */
static void measure_compress(const setup *s, icf_model *model, int n_vocab) {
    icf_digester_options options;
    icf_digester_info info;
    icf_digester *digester;
    icf_digester_options_init(&options);
    options.n_threads = s->threads;
    CALL(icf_digester_open(s->former, model, &options, &digester, &error));
    info.struct_size = sizeof(info);
    CALL(icf_digester_describe(digester, &info, &error));
    const long long length = icf_chunk_length(s->compress, info.chunk_length);
    const long long chunks = (s->compress + length - 1) / length;
    const long long n_floats = chunks * info.n_digest * info.n_embd;
    long long *ends = allocate(sizeof(long long) * (size_t)chunks);
    for (long long i = 0; i < chunks; i++) {
        ends[i] = (i + 1) * length < s->compress ? (i + 1) * length : s->compress;
    }
    float *rows = allocate(sizeof(float) * (size_t)n_floats);
    int32_t *tokens = make_tokens(s->compress, n_vocab);
    double *samples = allocate(sizeof(double) * (size_t)s->runs);
    CALL(icf_digester_prepare(digester, tokens, s->compress, &error));
    for (int run = -s->warm_up; run < s->runs; run++) {
        const double start = milliseconds();
        CALL(icf_digester_run_batch(digester, tokens, ends, chunks, rows, n_floats, &error));
        if (run >= 0) {
            samples[run] = milliseconds() - start;
        }
    }
    print("compress", s->compress, samples, s->runs);
    free(samples);
    free(tokens);
    free(rows);
    free(ends);
    icf_digester_close(digester);
}

/* The same context through the LLM, and memory rows behind it whose hidden states are read. */
static void measure_self_attention(const setup *s, icf_model *model, int n_vocab, int n_embd) {
    const int n = s->self_attention;
    icf_session *session = open_session(s, model, n + N_MEMORY);
    int32_t *tokens = make_tokens(n > N_MEMORY ? n : N_MEMORY, n_vocab);
    const long long n_floats = (long long)N_MEMORY * n_embd;
    float *memory = allocate(sizeof(float) * (size_t)n_floats);
    float *hidden = allocate(sizeof(float) * (size_t)n_floats);
    double *samples = allocate(sizeof(double) * (size_t)s->runs);
    CALL(icf_model_embed_tokens(model, tokens, N_MEMORY, memory, n_floats, &error));
    for (int run = -s->warm_up; run < s->runs; run++) {
        const double start = milliseconds();
        CALL(icf_session_truncate(session, 0, &error));
        append(session, tokens, n, 0);
        CALL(icf_session_append_rows(session, memory, ICF_TYPE_F32, N_MEMORY, N_MEMORY, ICF_OUTPUT_HIDDEN, &error));
        CALL(icf_session_get_hidden(session, 0, N_MEMORY, hidden, n_floats, &error));
        if (run >= 0) {
            samples[run] = milliseconds() - start;
        }
    }
    print("compress_self_attention", n, samples, s->runs);
    free(samples);
    free(hidden);
    free(memory);
    free(tokens);
    icf_session_close(session);
}

static int usage(void) {
    fprintf(stderr, "usage: loop MODEL [FORMER] [--prefill N] [--decode N] [--compress N] [--self-attention N] [--runs N]\n"
                    "            [--warm-up N] [--threads N]\n");
    return 2;
}

/* 0 for an unknown option. */
static int set_option(setup *s, const char *name, int value) {
    const struct {
        const char *name;
        int *target;
    } options[] = {{"--prefill", &s->prefill},   {"--decode", &s->decode},   {"--compress", &s->compress},
                   {"--self-attention", &s->self_attention}, {"--runs", &s->runs}, {"--warm-up", &s->warm_up},
                   {"--threads", &s->threads}};
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        if (strcmp(name, options[i].name) == 0) {
            *options[i].target = value;
            return value >= 0;
        }
    }
    return 0;
}

int main(int argc, char **argv) {
    setup s = {.runs = 3, .warm_up = 1};
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--", 2) == 0) {
            if (i + 1 == argc || !set_option(&s, argv[i], atoi(argv[i + 1]))) {
                return usage();
            }
            i++;
        } else if (!s.model) {
            s.model = argv[i];
        } else if (!s.former) {
            s.former = argv[i];
        } else {
            return usage();
        }
    }
    if (!s.model || s.runs < 1 || (s.compress > 0 && !s.former)) {
        return usage();
    }
    icf_model *model;
    icf_model_info info;
    CALL(icf_model_open(s.model, NULL, &model, &error));
    info.struct_size = sizeof(info);
    CALL(icf_model_describe(model, &info, &error));
    if (s.prefill > 0) {
        measure_prefill(&s, model, info.n_vocab);
    }
    if (s.decode > 0) {
        measure_decode(&s, model, info.n_vocab);
    }
    if (s.compress > 0) {
        measure_compress(&s, model, info.n_vocab);
    }
    if (s.self_attention > 0) {
        measure_self_attention(&s, model, info.n_vocab, info.n_embd);
    }
    icf_model_close(model);
    return 0;
}
