/*
 * icf.h: compressed contexts and quantised LLM decoding on one machine.
 *
 * An In-Context Former (arXiv 2406.13618) turns the word embeddings of a context into a few digest rows; a frozen,
 * quantised LLM reads those rows in place of the context. This header is the whole public interface.
 *
 * The contract, for every function below:
 *
 * Errors     A call that can fail returns an icf_status and, where `error` is not NULL, fills it. After a failure every
 *            handle is as it was before the call, and `*out` is NULL. No state is kept per thread. Nothing but a status
 *            ever crosses this boundary: no C++ exception, no abort, no exit.
 * Ownership  *_open gives a handle, *_close takes it back and accepts NULL. Handles may be closed in any order: a model
 *            stays in memory until its last digester, adapter and session are closed. Every other pointer is borrowed for the
 *            length of the call, unless its function says "valid until". Callers own all buffers.
 * Threads    A model, an adapter and a GGUF file may be used by any number of threads at once. A digester and a session take one call
 *            at a time, from any thread; a second one that comes meanwhile gets ICF_ERROR_STATE. No call may overlap the
 *            *_close of its own handle. OpenMP's threads spin between two operations of a
 *            computation: for milliseconds by default, which stalls every other process on the machine and, with one busy
 *            neighbour, the computation itself. A few microseconds bridge the gap; after that they should sleep. The first
 *            icf_device_count therefore sets GOMP_SPINCOUNT=10000, where neither that nor OMP_WAIT_POLICY is set. OpenMP
 *            reads it when it is loaded, which is with ggml's backends, unless ggml itself was built to need it: then
 *            whoever loads this library has to set it before.
 * Time       No call runs longer than one chunk, or one batch of at most n_batch rows: loops over a long context,
 *            progress and cancellation belong to the caller.
 * Layout     Rows are contiguous float vectors of the model's embedding width n_embd, row after row, of numbers up to 1e18:
 *            what a norm cannot square is ICF_ERROR_ARGUMENT. Sizes of buffers are counted in elements of their type. Structs that begin with `struct_size` are given to their *_init
 *            function, or have the field set to their sizeof, before use.
 */
#ifndef ICF_H
#define ICF_H

#include <stdint.h>

#if defined(__GNUC__)
#define ICF_API __attribute__((visibility("default")))
#else
#define ICF_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Library --------------------------------------------------------------------------------------------------------- */

/* Compared with icf_abi_version() by whoever loads the library at run time. */
#define ICF_ABI_VERSION 1

/* What became of a call. The values are frozen; new ones go into the gaps. */
typedef enum icf_status {
    ICF_OK = 0,
    ICF_ERROR_ARGUMENT = 10,    /* an argument is out of its range, or NULL where that is not accepted */
    ICF_ERROR_STATE = 20,       /* not possible now: the handle is busy, or what was asked for has not been computed */
    ICF_ERROR_CAPACITY = 30,    /* a buffer or the session's context is too small */
    ICF_ERROR_IO = 40,          /* a file cannot be opened or read */
    ICF_ERROR_FORMAT = 50,      /* a file is not what it claims to be */
    ICF_ERROR_UNSUPPORTED = 60, /* a valid file or request that this library does not implement */
    ICF_ERROR_MISMATCH = 70,    /* two parts do not belong together: a former and another LLM, a state and another model */
    ICF_ERROR_MEMORY = 80,      /* out of memory */
    ICF_ERROR_DEVICE = 90,      /* a device is missing or failed */
    ICF_ERROR_INTERNAL = 100    /* a defect of this library */
} icf_status;

/* Filled by a failing call; untouched by a successful one. */
typedef struct icf_error {
    int32_t status;    /* an icf_status */
    char message[508]; /* UTF-8, zero-terminated, names the file, tensor or value at fault */
} icf_error;

typedef enum icf_log_level {
    ICF_LOG_NONE = 0,
    ICF_LOG_ERROR = 1,
    ICF_LOG_WARN = 2,
    ICF_LOG_INFO = 3,
    ICF_LOG_DEBUG = 4
} icf_log_level;

/* ICF_ABI_VERSION of the loaded library. */
ICF_API int32_t icf_abi_version(void);

/* Version of this library, such as "0.1.0". Valid for the life of the process. */
ICF_API const char *icf_version(void);

/* Version of the ggml library that is loaded, such as "0.27.0". Valid for the life of the process. */
ICF_API const char *icf_ggml_version(void);

/* Lower-case name of a status, such as "argument"; "unknown" for other values. Valid for the life of the process. */
ICF_API const char *icf_status_name(int32_t status);

/* Lets messages of ggml up to this icf_log_level through to standard error. The default is ICF_LOG_ERROR. */
ICF_API void icf_set_log_level(int32_t level);

/* ---- Devices --------------------------------------------------------------------------------------------------------- */

typedef enum icf_device_kind {
    ICF_DEVICE_CPU = 0,
    ICF_DEVICE_GPU = 1,
    ICF_DEVICE_OTHER = 2
} icf_device_kind;

typedef struct icf_device_info {
    int32_t struct_size;
    int32_t kind;           /* an icf_device_kind */
    long long memory_total; /* bytes; 0 where unknown */
    long long memory_free;  /* bytes; 0 where unknown */
    char name[64];          /* "CPU", "CUDA0" */
    char description[128];  /* as the vendor names it */
    char backend[128];      /* the loaded variant and what it uses, such as "AVX512 AVX512_BF16" */
} icf_device_info;

/* Number of devices. The first call loads the backends that lie beside this library. Device 0 is a CPU. 0: none could be
 * loaded. A backend for GPUs that lies there and finds no device is told of, at ICF_LOG_ERROR.
 *
 * Where a device is chosen, -1 is the one that the environment variable ICF_DEVICE names, by index or name; where that is not
 * set the first GPU, and without a GPU the CPU. What does not fit into a device's memory is ICF_ERROR_MEMORY, whose message
 * says how much was needed and how much was free. */
ICF_API int32_t icf_device_count(void);

/* Fills `info`, whose struct_size is set, with device `index`. */
ICF_API icf_status icf_device_describe(int32_t index, icf_device_info *info, icf_error *error);

/* ---- Tensor types ---------------------------------------------------------------------------------------------------- */

/* Numbers of the GGUF file format. Every other type of that format is accepted too: see icf_type_find. */
typedef enum icf_type {
    ICF_TYPE_F32 = 0,
    ICF_TYPE_F16 = 1,
    ICF_TYPE_Q8_0 = 8,
    ICF_TYPE_BF16 = 30
} icf_type;

typedef struct icf_type_info {
    int32_t struct_size;
    int32_t block_length; /* elements in a block; a row's length must be a multiple of it */
    int32_t block_bytes;  /* bytes of a block */
    int32_t can_quantize; /* 1: icf_quantize_rows writes this type */
    char name[32];        /* "f16", "q4_K" */
} icf_type_info;

/* The type of that name, in any case; -1 if there is none. */
ICF_API int32_t icf_type_find(const char *name);

/* Fills `info`, whose struct_size is set, with a type. ICF_ERROR_ARGUMENT if ggml has no such type. */
ICF_API icf_status icf_type_describe(int32_t type, icf_type_info *info, icf_error *error);

/* Converts `n_rows` rows of `row_length` floats to `type`. `target_bytes` is the size of `target` and must be at least
 * n_rows * row_length / block_length * block_bytes. Types that cannot do without an importance matrix are
 * ICF_ERROR_UNSUPPORTED; numbers that are not finite, or beyond what the scales of a quantised type hold, ICF_ERROR_ARGUMENT. */
ICF_API icf_status icf_quantize_rows(int32_t type, const float *rows, long long n_rows, long long row_length, void *target,
                                     long long target_bytes, icf_error *error);

/* The reverse of icf_quantize_rows: `source` of `type` to `n_rows` rows of `row_length` floats. */
ICF_API icf_status icf_dequantize_rows(int32_t type, const void *source, long long source_bytes, long long n_rows,
                                       long long row_length, float *rows, icf_error *error);

/* ---- GGUF files: metadata, and tensors as they lie there --------------------------------------------------------------- */

typedef struct icf_gguf icf_gguf;

typedef enum icf_value_kind {
    ICF_VALUE_INTEGER = 0, /* signed or unsigned, of any width */
    ICF_VALUE_FLOAT = 1,
    ICF_VALUE_BOOL = 2,
    ICF_VALUE_TEXT = 3
} icf_value_kind;

typedef struct icf_gguf_info {
    int32_t struct_size;
    int32_t version;
    long long n_keys;
    long long n_tensors;
    long long file_bytes;
    long long data_offset; /* where the tensors' data begins, in bytes from the start of the file */
} icf_gguf_info;

typedef struct icf_key_info {
    int32_t struct_size;
    int32_t kind;      /* an icf_value_kind, of the elements where it is an array */
    int32_t is_array;  /* 1: an array of `count` elements */
    int32_t file_type; /* number of the value's type in the GGUF format, such as 4 (u32), 8 (text) and 9 (array) */
    long long count;   /* number of elements; 1 where it is not an array */
    const char *name;  /* UTF-8; valid until the file (or the model, the digester it belongs to) is closed */
    long long bytes;   /* size of the value in the file, for icf_gguf_read_key_bytes */
} icf_key_info;

typedef struct icf_tensor_info {
    int32_t struct_size;
    int32_t type;       /* number of the GGUF format */
    long long shape[4]; /* elements per dimension, the fastest first; 1 for dimensions it does not have */
    long long offset;   /* of its data, in bytes from data_offset */
    long long bytes;    /* of its data */
    const char *name;   /* UTF-8; valid until the file (or the model, the digester it belongs to) is closed */
} icf_tensor_info;

/* Opens a GGUF file of any architecture. `path` is UTF-8. The file stays open until it is closed here, and must not be written
 * to meanwhile. Two keys or tensors of one name, and names that are not UTF-8, are ICF_ERROR_FORMAT. */
ICF_API icf_status icf_gguf_open(const char *path, icf_gguf **out, icf_error *error);
ICF_API void icf_gguf_close(icf_gguf *file);

ICF_API icf_status icf_gguf_describe(const icf_gguf *file, icf_gguf_info *info, icf_error *error);

/* Index of a key; -1 if the file does not have it. */
ICF_API long long icf_gguf_find_key(const icf_gguf *file, const char *name);

/* Fills `info`, whose struct_size is set, with key `index`, 0 <= index < n_keys. */
ICF_API icf_status icf_gguf_describe_key(const icf_gguf *file, long long index, icf_key_info *info, icf_error *error);

/* Elements first … first + count - 1 of a key of kind INTEGER or BOOL (0 or 1). An unsigned 64-bit value keeps its bits. */
ICF_API icf_status icf_gguf_read_integers(const icf_gguf *file, long long index, long long first, long long count,
                                          long long *values, icf_error *error);

/* Elements first … first + count - 1 of a key of kind FLOAT or INTEGER. */
ICF_API icf_status icf_gguf_read_floats(const icf_gguf *file, long long index, long long first, long long count, double *values,
                                        icf_error *error);

/* Elements first … first + count - 1 of a key of kind TEXT: their bytes one after the other without terminators, and in
 * ends[i] where text i ends, counted from `bytes`. With `bytes` NULL only `ends` is filled, so that ends[count - 1] is the
 * capacity to come back with. */
ICF_API icf_status icf_gguf_read_texts(const icf_gguf *file, long long index, long long first, long long count, char *bytes,
                                       long long capacity, long long *ends, icf_error *error);

/* Bytes first_byte … first_byte + n_bytes - 1 of the value of a key of any kind, as they lie in the file, little-endian: a
 * text is its length (8 bytes) and its bytes, an array the number of its elements' type (4), their count (8) and the elements.
 * After the number of the key's `file_type` (4) they stand in another GGUF file as they are. */
ICF_API icf_status icf_gguf_read_key_bytes(const icf_gguf *file, long long index, long long first_byte, long long n_bytes,
                                           void *data, icf_error *error);

/* Hash of the file's vocabulary, as icf_model_info.vocab_hash; 0 for a file without one, and for NULL. It is computed anew
 * with each call. */
ICF_API long long icf_gguf_vocab_hash(const icf_gguf *file);

/* Index of a tensor; -1 if the file does not have it. */
ICF_API long long icf_gguf_find_tensor(const icf_gguf *file, const char *name);

/* Fills `info`, whose struct_size is set, with tensor `index`, 0 <= index < n_tensors. */
ICF_API icf_status icf_gguf_describe_tensor(const icf_gguf *file, long long index, icf_tensor_info *info, icf_error *error);

/* Bytes first_byte … first_byte + n_bytes - 1 of the data of tensor `index`, as they lie in the file: icf_dequantize_rows makes
 * floats of whole rows. They are read from the file, not from a map of it: a file that was shortened or written to since it was
 * opened is ICF_ERROR_IO. A call takes as long as its bytes are many: give large tensors in portions. */
ICF_API icf_status icf_gguf_read_tensor(const icf_gguf *file, long long index, long long first_byte, long long n_bytes,
                                        void *data, icf_error *error);

/* ---- Model: the weights of an LLM, immutable -------------------------------------------------------------------------- */

typedef struct icf_model icf_model;

typedef struct icf_model_options {
    int32_t struct_size;
    int32_t device;       /* index of the device that computes; -1: see icf_device_count */
    int32_t use_mmap;     /* 1: map the file and use its weights in place; 0: read them into memory of our own. What another
                           device computes with is copied there in either case. */
    int32_t use_repack;   /* 1: lay weights out anew, in memory of our own, where this CPU multiplies them faster then, and
                           compute by kernels of our own where they are faster; 0: operations of ggml's alone, with the
                           weights as the file has them */
    int32_t n_gpu_layers; /* where the device is not the CPU: so many layers, the last ones, and the output matrix are
                             computed there, with their part of the KV cache, and those before them on the CPU;
                             -1: as many as fit beside a cache of up to 4096 positions */
} icf_model_options;

typedef struct icf_model_info {
    int32_t struct_size;
    int32_t n_vocab;
    int32_t n_embd; /* embedding width: floats in a row */
    int32_t n_layer;
    int32_t n_head;
    int32_t n_head_kv;
    int32_t n_ff;
    int32_t n_ctx_train;  /* positions the model was trained for */
    int32_t device;       /* index of the device that computes */
    int32_t n_gpu_layers; /* layers it computes where it is not the CPU, the last ones; those before are the CPU's */
    long long n_params;
    long long weight_bytes;
    long long vocab_hash;  /* FNV-1a over the vocabulary: see models/FORMAT.md */
    long long fingerprint; /* FNV-1a over architecture, sizes, vocabulary and norms: the same for every quantisation */
    char architecture[32]; /* "llama" */
    char type[32];         /* the type that holds most of the weights, such as "q4_K" */
    char name[128];        /* general.name, cut to fit; empty where the file has none */
} icf_model_info;

/* Defaults: device -1 with as many layers as fit, mmap on, repacking on. */
ICF_API void icf_model_options_init(icf_model_options *options);

/* Opens a GGUF file that holds an LLM. `options` may be NULL: the defaults. */
ICF_API icf_status icf_model_open(const char *path, const icf_model_options *options, icf_model **out, icf_error *error);
ICF_API void icf_model_close(icf_model *model);
ICF_API icf_status icf_model_describe(const icf_model *model, icf_model_info *info, icf_error *error);

/* The file the model was opened from, never NULL for an open model. Valid until the model is closed; not to be closed. */
ICF_API const icf_gguf *icf_model_gguf(const icf_model *model);

/* Word embeddings of `n_tokens` tokens as float rows [n_tokens, n_embd]; `n_floats` is the size of `rows`. */
ICF_API icf_status icf_model_embed_tokens(const icf_model *model, const int32_t *tokens, long long n_tokens, float *rows,
                                          long long n_floats, icf_error *error);

/* ---- Digester: an IC-Former and its scratch memory -------------------------------------------------------------------- */

typedef struct icf_digester icf_digester;

/* How a digest is computed. Both give the same digests up to rounding. */
typedef enum icf_method {
    ICF_METHOD_FAST = 0, /* with the exact savings, where the device can; else as ICF_METHOD_PLAIN */
    ICF_METHOD_PLAIN = 1 /* step by step as in the reference implementation, for comparison */
} icf_method;

typedef struct icf_digester_options {
    int32_t struct_size;
    int32_t n_threads; /* 0: the number of physical cores */
    int32_t device;    /* -1: the model's; without a model see icf_device_count */
    int32_t use_mmap;  /* as in icf_model_options */
    int32_t method;    /* an icf_method */
    int32_t reserved;
    long long max_table_bytes; /* a table of what each token of the vocabulary contributes to keys and values is filled as
                                  tokens appear, if it is no larger than this; 0: no table; -1: half of the free memory */
} icf_digester_options;

typedef struct icf_digester_info {
    int32_t struct_size;
    int32_t n_embd; /* embedding width: floats in a row */
    int32_t n_layer;
    int32_t n_head;
    int32_t n_head_kv;
    int32_t n_ff;
    int32_t n_digest;       /* digest rows of a chunk */
    int32_t chunk_length;   /* longest chunk the former was trained for, in tokens */
    int32_t cross_interval; /* every cross_interval-th layer is cross-attention, the others are self-attention */
    int32_t has_marker_ft;  /* 1: icf_digester_marker gives ICF_MARKER_FT */
    int32_t has_marker_ae;  /* 1: icf_digester_marker gives ICF_MARKER_AE */
    int32_t n_threads;
    int32_t device;
    int32_t method; /* the icf_method in use */
    long long n_params;
    long long weight_bytes;
    long long scratch_bytes;     /* memory held now for packed weights, constants and graphs */
    long long table_bytes;       /* size of the token table when full; 0: there is none */
    long long table_tokens;      /* tokens it holds now */
    long long fingerprint;       /* FNV-1a over sizes, digest embeddings and norms: the same for every quantisation */
    long long target_vocab_hash; /* of the LLM it was made for; 0 where the file does not say */
    char type[32];               /* the type that holds most of the weights */
    char name[128];              /* general.name, cut to fit; empty where the file has none */
} icf_digester_info;

/* Learned rows that stand right after the digest rows (reference: FT and AE in param.pt). */
typedef enum icf_marker {
    ICF_MARKER_FT = 0, /* a question follows */
    ICF_MARKER_AE = 1  /* the context itself is to be reproduced */
} icf_marker;

/* Defaults: all cores, device -1, mmap on, ICF_METHOD_FAST, a table of at most half of the free memory. */
ICF_API void icf_digester_options_init(icf_digester_options *options);

/* Opens a GGUF file of architecture "icformer". `model` is the LLM whose word embeddings it reads; with NULL only given
 * embeddings can be digested. A former made for another LLM is ICF_ERROR_MISMATCH. `options` may be NULL. */
ICF_API icf_status icf_digester_open(const char *path, icf_model *model, const icf_digester_options *options,
                                     icf_digester **out, icf_error *error);
ICF_API void icf_digester_close(icf_digester *digester);
ICF_API icf_status icf_digester_describe(const icf_digester *digester, icf_digester_info *info, icf_error *error);

/* What a former is, as its file says: nothing of its weights is loaded. */
typedef struct icf_former_info {
    int32_t struct_size;
    int32_t n_embd; /* these and those below: as in icf_digester_info */
    int32_t n_digest;
    int32_t chunk_length;
    int32_t has_reader; /* 1: it brings an adapter for sessions that read its digests: see icf_adapter_open */
    int32_t reserved;
    long long fingerprint;
    long long target_vocab_hash;
    char type[32];
    char name[128];
} icf_former_info;

/* Fills `info`, whose struct_size is set, with the former that an open GGUF file holds. With a `model` one made for another LLM
 * is ICF_ERROR_MISMATCH, as at icf_digester_open. Whoever has a digest needs no more of a former than this and its markers,
 * the tensors "marker_ft.weight" and "marker_ae.weight". */
ICF_API icf_status icf_gguf_describe_former(const icf_gguf *file, const icf_model *model, icf_former_info *info,
                                            icf_error *error);

/* The file the former was opened from. Valid until the digester is closed; not to be closed. */
ICF_API const icf_gguf *icf_digester_gguf(const icf_digester *digester);

/* Length of the even chunks a context is divided into: ceil(n / ceil(n / max_chunk)); the last may be shorter, none is
 * empty. `max_chunk` 0 or less: one chunk of n. 0 where n is 0 or less. */
ICF_API long long icf_chunk_length(long long n, long long max_chunk);

/* Fills the token table for `n_tokens` tokens, so that digesting them later costs no more than a look-up: the whole
 * vocabulary ahead of time, or a context as it arrives. Without a table only the tokens are checked. The
 * call takes as long as its tokens are many: give them in portions. */
ICF_API icf_status icf_digester_prepare(icf_digester *digester, const int32_t *tokens, long long n_tokens, icf_error *error);

/* Digests one chunk: `tokens` [n_tokens] to `rows` [n_digest, n_embd]; `n_floats` is the size of `rows`. n_tokens may be 0
 * and may exceed chunk_length (quality then is the caller's concern). ICF_ERROR_STATE if opened without a model. */
ICF_API icf_status icf_digester_run(icf_digester *digester, const int32_t *tokens, long long n_tokens, float *rows,
                                    long long n_floats, icf_error *error);

/* The same for given word embeddings [n_rows, n_embd]. */
ICF_API icf_status icf_digester_run_rows(icf_digester *digester, const float *embeddings, long long n_rows, float *rows,
                                         long long n_floats, icf_error *error);

/* Digests several chunks: chunk i is tokens[ends[i - 1]] … tokens[ends[i] - 1] (from 0 for the first), and its rows follow
 * those of chunk i - 1: `rows` [n_chunks, n_digest, n_embd]. `ends` never decreases; `tokens` holds ends[n_chunks - 1]. */
ICF_API icf_status icf_digester_run_batch(icf_digester *digester, const int32_t *tokens, const long long *ends,
                                          long long n_chunks, float *rows, long long n_floats, icf_error *error);

/* The learned row of an icf_marker, n_embd floats. ICF_ERROR_UNSUPPORTED if the former has none. */
ICF_API icf_status icf_digester_marker(const icf_digester *digester, int32_t marker, float *row, long long n_floats,
                                       icf_error *error);

/* ---- Adapter: low-rank changes of an LLM's weights --------------------------------------------------------------------- */

/* LoRA (arXiv 2106.09685): beside a weight W lie A [rank, n_in] and B [n_out, rank], and y = W x becomes
 * y = W x + scale * B (A x). Immutable; any number of sessions and threads may use one at once. */
typedef struct icf_adapter icf_adapter;

typedef struct icf_adapter_info {
    int32_t struct_size;
    int32_t n_pairs; /* matrices of the LLM that it changes */
    int32_t max_rank;
    int32_t is_reader; /* 1: it is the reader of an IC-Former, for sessions that read its digests */
    long long n_params;
    long long weight_bytes;
    long long fingerprint; /* FNV-1a over its tensors and its alpha */
    char name[128];        /* general.name, cut to fit; empty where the file has none */
} icf_adapter_info;

/* Opens an adapter for `model`: a GGUF file as llama.cpp's convert_lora_to_gguf.py writes it (general.type "adapter",
 * adapter.type "lora", pairs of tensors NAME.lora_a and NAME.lora_b), or an IC-Former that brings a reader in the same form.
 * The scale is adapter.lora.alpha / rank, or 1 where alpha is missing or 0. A pair for the word embeddings changes the output
 * matrix too where the two are one. A tensor that belongs to no matrix of the model, or has another shape, is
 * ICF_ERROR_MISMATCH or ICF_ERROR_FORMAT; numbers that are not finite are ICF_ERROR_FORMAT. */
ICF_API icf_status icf_adapter_open(const char *path, icf_model *model, icf_adapter **out, icf_error *error);
ICF_API void icf_adapter_close(icf_adapter *adapter);
ICF_API icf_status icf_adapter_describe(const icf_adapter *adapter, icf_adapter_info *info, icf_error *error);

/* ---- Session: one timeline of an LLM, its KV cache and last outputs ----------------------------------------------------- */

typedef struct icf_session icf_session;

typedef struct icf_session_options {
    int32_t struct_size;
    int32_t n_threads; /* 0: the number of physical cores */
    int32_t n_ctx;     /* positions the KV cache holds; 0: what the model was trained for, at most 4096 */
    int32_t n_batch;   /* most rows of one append; 0: 512 */
    int32_t kv_type;   /* ICF_TYPE_F16, ICF_TYPE_F32, or ICF_TYPE_Q8_0 (heads of a multiple of 32 elements) */
    int32_t reserved;
} icf_session_options;

typedef struct icf_session_info {
    int32_t struct_size;
    int32_t n_ctx;
    int32_t n_batch;
    int32_t n_threads;
    int32_t kv_type;
    int32_t reserved;
    long long kv_bytes;      /* memory of the KV cache */
    long long scratch_bytes; /* scratch memory held now, beside what the model's sessions share for batches of several rows: as
                                much as calls run at once */
} icf_session_info;

/* What an append keeps of its last n_outputs rows. May be combined. */
typedef enum icf_output {
    ICF_OUTPUT_LOGITS = 1, /* for icf_session_get_logits and icf_session_sample */
    ICF_OUTPUT_HIDDEN = 2  /* for icf_session_get_hidden; alone it skips the output matrix */
} icf_output;

/* Applied in this order: repetition penalty, temperature, top-k, top-p, min-p; then one token is drawn. */
typedef struct icf_sampling {
    int32_t struct_size;
    int32_t top_k;             /* keep the k most likely tokens; 0: all */
    float temperature;         /* 0: greedy, the most likely token (the lowest id among equals) */
    float top_p;               /* keep the fewest tokens whose probabilities reach this; 1: all */
    float min_p;               /* drop tokens less likely than this times the most likely one; 0: none */
    float repetition_penalty;  /* 1: none. Positive logits of recent tokens are divided by it, others multiplied */
    int32_t repetition_window; /* how many last positions count as recent; -1: all */
    int32_t reserved;
    long long seed; /* the draw depends on the seed, the position and the logits alone */
} icf_sampling;

/* Defaults: all cores, n_ctx and n_batch 0, F16 cache. */
ICF_API void icf_session_options_init(icf_session_options *options);

/* Opens an empty timeline. `options` may be NULL. */
ICF_API icf_status icf_session_open(icf_model *model, const icf_session_options *options, icf_session **out, icf_error *error);
ICF_API void icf_session_close(icf_session *session);
ICF_API icf_status icf_session_describe(const icf_session *session, icf_session_info *info, icf_error *error);

/* Puts `n_adapters` adapters, opened for the session's model, in the place of those in use; 0: the LLM as it is. `scales`
 * [n_adapters] multiply the adapters' own, NULL: 1 each; at most 64. They are in use until they are replaced, also when their handles have
 * been closed. ICF_ERROR_STATE unless the session is empty: positions that were computed with others would be wrong. */
ICF_API icf_status icf_session_set_adapters(icf_session *session, const icf_adapter *const *adapters, const float *scales,
                                            long long n_adapters, icf_error *error);

/* Appends 1 … n_batch tokens and computes `outputs` (icf_output bits) of the last `n_outputs` of them, 0 … n_tokens. They
 * replace the outputs of the call before. ICF_ERROR_CAPACITY, with nothing appended, if n_ctx would be exceeded. Where a
 * device other than the CPU fails while it computes, the outputs of the call before may be lost as well. */
ICF_API icf_status icf_session_append_tokens(icf_session *session, const int32_t *tokens, long long n_tokens,
                                             long long n_outputs, int32_t outputs, icf_error *error);

/* The same for embedding rows [n_rows, n_embd] of `type` ICF_TYPE_F32 or ICF_TYPE_F16, read where they lie. Digest rows are
 * the caller's in between, in the host's memory: another device writes them there and reads them back, 4 * n_embd bytes per
 * row each way. */
ICF_API icf_status icf_session_append_rows(icf_session *session, const void *rows, int32_t type, long long n_rows,
                                           long long n_outputs, int32_t outputs, icf_error *error);

/* Positions in use; 0 for NULL. */
ICF_API long long icf_session_length(const icf_session *session);

/* Forgets everything from position `length` on, and the outputs. */
ICF_API icf_status icf_session_truncate(icf_session *session, long long length, icf_error *error);

/* Logits [n_rows, n_vocab] of rows first … first + n_rows - 1 of the last append's n_outputs. */
ICF_API icf_status icf_session_get_logits(const icf_session *session, long long first, long long n_rows, float *logits,
                                          long long n_floats, icf_error *error);

/* Last hidden states after the final norm [n_rows, n_embd] of rows first … first + n_rows - 1 of the last append's
 * n_outputs. Appending a context and k memory rows and reading k hidden rows is compression by the LLM's own
 * self-attention (ICAE, arXiv 2307.06945), the baseline of the IC-Former paper. */
ICF_API icf_status icf_session_get_hidden(const icf_session *session, long long first, long long n_rows, float *hidden,
                                          long long n_floats, icf_error *error);

/* Defaults: greedy; every filter off. */
ICF_API void icf_sampling_init(icf_sampling *sampling);

/* Chooses a token from the logits of the last row. `sampling` NULL: greedy. The session is not changed: append the token to
 * go on. ICF_ERROR_STATE where a logit is not a number. A device with a memory of its own chooses the most likely tokens there, greedy or with top-k and without a
 * repetition penalty: the other logits stay where they are, and among equals any may be taken. */
ICF_API icf_status icf_session_sample(const icf_session *session, const icf_sampling *sampling, int32_t *token,
                                      icf_error *error);

/* Bytes icf_session_save_state needs now; 0 for NULL. */
ICF_API long long icf_session_state_bytes(const icf_session *session);

/* Writes the timeline (KV cache, tokens, last logits) into `state`; *written is the number of bytes. */
ICF_API icf_status icf_session_save_state(const icf_session *session, void *state, long long capacity, long long *written,
                                          icf_error *error);

/* Replaces the timeline by a saved one. The state of another model, cache type or set of adapters is ICF_ERROR_MISMATCH, a damaged one
 * ICF_ERROR_FORMAT, one longer than n_ctx ICF_ERROR_CAPACITY; the session is then unchanged. */
ICF_API icf_status icf_session_restore_state(icf_session *session, const void *state, long long n_bytes, icf_error *error);

#ifdef __cplusplus
}
#endif

#endif
