#include "session.h"

#include "error.h"
#include "graph_ops.h"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace icf {

// ---- Opening ----

static int choose_n_ctx(int asked, const DecoderParams & p) {
    if (asked < 0 || asked > (1 << 24)) {
        fail(ICF_ERROR_ARGUMENT, "a context of %d positions: 0 (the model's) to %d are possible", asked, 1 << 24);
    }
    return asked == 0 ? std::min(p.n_ctx_train, 4096) : asked;
}

static int choose_n_batch(int asked, int n_ctx) {
    if (asked < 0) {
        fail(ICF_ERROR_ARGUMENT, "a batch of %d rows: 0 (512) or more is possible", asked);
    }
    return std::min(asked == 0 ? 512 : asked, n_ctx);
}

Session::Part::Part(const Session & session, const Model::Part & part, const icf_session_options & options)
    : layers(part.layers), backend(part.device, options.n_threads),
      cache(backend, session.model().params(), layers, session.n_ctx_, options.kv_type),
      runner(backend, decode_graph_nodes(session.model().params())), products(session.model().packed()),
      attention(session.model().params(), backend, session.model().repacked()) {}

Session::Session(std::shared_ptr<const Model> model, const icf_session_options & options)
    : model_(std::move(model)), n_ctx_(choose_n_ctx(options.n_ctx, model_->params())),
      n_batch_(choose_n_batch(options.n_batch, n_ctx_)) {
    for (const Model::Part & part : model_->parts()) {
        parts_.push_back(std::make_unique<Part>(*this, part, options));
    }
    if (!parts_.back()->backend.is_cpu()) {
        device_sampling_ = std::make_unique<DeviceSampling>(parts_.back()->backend);
    }
}

void Session::describe(icf_session_info & info) const {
    info.n_ctx = n_ctx_;
    info.n_batch = n_batch_;
    info.n_threads = parts_.front()->backend.n_threads();
    info.kv_type = parts_.front()->cache.type();
    for (const auto & part : parts_) {
        info.kv_bytes += part->cache.bytes();
        info.scratch_bytes += part->runner.bytes() + part->attention.bytes();
    }
}

// ---- Appending ----

void Session::append_tokens(const int32_t * tokens, long long n, long long n_outputs, int32_t outputs) {
    check_append(n, n_outputs, outputs);
    model_->check_tokens(tokens, n);
    append(tokens, n, n_outputs, outputs, [&](float * rows) { model_->embed(tokens, n, rows); });
}

void Session::append_rows(const void * rows, int32_t type, long long n, long long n_outputs, int32_t outputs) {
    check_append(n, n_outputs, outputs);
    if (type != ICF_TYPE_F32 && type != ICF_TYPE_F16) {
        fail(ICF_ERROR_ARGUMENT, "rows of type %d: f32 and f16 are possible", type);
    }
    const size_t count = static_cast<size_t>(n) * model_->params().n_embd;
    append(nullptr, n, n_outputs, outputs, [&](float * target) {
        if (type == ICF_TYPE_F32) {
            memcpy(target, rows, count * sizeof(float));
        } else {
            ggml_fp16_to_fp32_row(static_cast<const ggml_fp16_t *>(rows), target, static_cast<int64_t>(count));
        }
    });
}

void Session::check_append(long long n, long long n_outputs, int32_t outputs) const {
    if (n < 1 || n > n_batch_) {
        fail(ICF_ERROR_ARGUMENT, "a batch of %lld rows: 1 to %d are possible", n, n_batch_);
    }
    if (n_outputs < 0 || n_outputs > n) {
        fail(ICF_ERROR_ARGUMENT, "outputs of %lld of %lld rows", n_outputs, n);
    }
    if ((outputs & ~(ICF_OUTPUT_LOGITS | ICF_OUTPUT_HIDDEN)) != 0 || (n_outputs > 0 && outputs == 0)) {
        fail(ICF_ERROR_ARGUMENT, "%d does not say which outputs are wanted", outputs);
    }
    if (length() + n > n_ctx_) {
        fail(ICF_ERROR_CAPACITY, "the session holds %d positions: %lld are in use, %lld more do not fit", n_ctx_, length(), n);
    }
}

// Fills an input in place where the device shares the host's memory. Otherwise the values stay in `staging` until the graph
// has been computed.
template <typename Part, typename T, typename Fill>
static void fill_input(const Part & part, ggml_tensor * tensor, std::vector<T> & staging, const Fill & fill) {
    if (ggml_backend_buffer_is_host(tensor->buffer)) {
        fill(static_cast<T *>(tensor->data));
        return;
    }
    staging.resize(static_cast<size_t>(ggml_nelements(tensor)));
    fill(staging.data());
    part.runner.set(tensor, staging.data());
}

void Session::append(const int32_t * tokens, long long n, long long n_outputs, int32_t outputs, const FillRows & fill) {
    model_->check_unchanged();
    DecodeShape shape;
    shape.n_rows = static_cast<int>(n);
    shape.n_kv = KvCache::visible(static_cast<int>(length() + n));
    shape.n_outputs = static_cast<int>(n_outputs);
    shape.outputs = n_outputs > 0 ? outputs : 0;
    tokens_.reserve(static_cast<size_t>(length() + n));
    build(shape);
    fill_input(*parts_.front(), parts_.front()->graph.rows, staging_, fill);
    for (const auto & part : parts_) {
        part->cache.prepare(static_cast<int>(length() + n));
        fill_inputs(*part, shape.n_rows);
    }
    if (logits_elsewhere_) {
        drop_outputs(); // they are overwritten where they are
    }
    compute();
    keep_outputs(shape.n_outputs, shape.outputs);
    for (long long i = 0; i < n; i++) {
        tokens_.push_back(tokens ? tokens[i] : -1);
    }
    length_.store(length() + n, std::memory_order_relaxed);
}

void Session::build(const DecodeShape & shape) {
    if (shape == shape_) {
        return;
    }
    fetch_logits(); // their memory is the next graph's
    shape_ = DecodeShape();
    for (const auto & part : parts_) {
        part->graph = build_decode_graph(part->runner, model_->params(), model_->weights(), part->layers, part->products,
                                         part->attention, part->cache, shape);
        part->runner.allocate();
        part->backend.use_threads_for(static_cast<double>(model_->product_bytes(part->layers)) * shape.n_rows,
                                      ggml_graph_n_nodes(part->runner.graph()));
    }
    shape_ = shape;
}

// The parts one after the other, the stream of rows handed on from device to device.
void Session::compute() {
    for (size_t i = 0; i < parts_.size(); i++) {
        if (i > 0) {
            ggml_backend_tensor_copy(parts_[i - 1]->graph.stream, parts_[i]->graph.rows);
        }
        parts_[i]->runner.compute();
    }
}

void Session::fill_inputs(const Part & part, int n) {
    const int first = static_cast<int>(length());
    fill_input(part, part.graph.positions, positions_, [&](int32_t * p) {
        for (int i = 0; i < n; i++) {
            p[i] = first + i;
        }
    });
    fill_input(part, part.graph.slots, slots_, [&](int64_t * s) {
        for (int i = 0; i < n; i++) {
            s[i] = first + i;
        }
    });
    if (part.graph.last) {
        const int n_outputs = shape_.n_outputs;
        fill_input(part, part.graph.last, last_, [&](int32_t * rows) { std::iota(rows, rows + n_outputs, n - n_outputs); });
        fill_input(part, part.graph.last_positions, last_positions_,
                   [&](int32_t * p) { std::iota(p, p + n_outputs, first + n - n_outputs); });
    }
    fill_mask(part, n);
}

// Row i stands at position p = length + i and sees positions p - window + 1 … p.
void Session::fill_mask(const Part & part, int n) {
    if (!part.graph.mask->buffer) {
        return; // nobody asks: a graph without outputs of a model of one layer
    }
    const int n_kv = shape_.n_kv;
    const int first = static_cast<int>(length());
    const int window = model_->params().n_window;
    fill_input(part, part.graph.mask, mask_, [&](ggml_fp16_t * mask) {
        for (int i = 0; i < n; i++) {
            ggml_fp16_t * row = mask + static_cast<size_t>(i) * n_kv;
            const int end = first + i + 1;
            const int begin = window > 0 ? std::max(0, end - window) : 0;
            std::fill(row, row + begin, mask_hidden);
            std::fill(row + begin, row + end, mask_visible);
            std::fill(row + end, row + n_kv, mask_hidden);
        }
    });
}

void Session::keep_outputs(long long n_outputs, int32_t outputs) {
    // Where memory runs out, the outputs of the call before are still whole.
    const size_t n_logits = outputs & ICF_OUTPUT_LOGITS ? static_cast<size_t>(n_outputs) * model_->params().n_vocab : 0;
    const size_t n_hidden = outputs & ICF_OUTPUT_HIDDEN ? static_cast<size_t>(n_outputs) * model_->params().n_embd : 0;
    logits_.reserve(n_logits);
    hidden_.reserve(n_hidden);
    logits_.resize(n_logits);
    hidden_.resize(n_hidden);
    const DecodeGraph & graph = parts_.back()->graph;
    logits_elsewhere_ = n_logits > 0;
    if (!device_sampling_) {
        fetch_logits();
    }
    if (n_hidden > 0) {
        ggml_backend_tensor_get(graph.hidden, hidden_.data(), 0, ggml_nbytes(graph.hidden));
    }
    n_outputs_ = n_outputs;
    outputs_ = outputs;
}

void Session::fetch_logits() const {
    if (logits_elsewhere_) {
        const ggml_tensor * logits = parts_.back()->graph.logits;
        ggml_backend_tensor_get(logits, logits_.data(), 0, ggml_nbytes(logits));
        logits_elsewhere_ = false;
    }
}

void Session::drop_outputs() {
    n_outputs_ = 0;
    outputs_ = 0;
    logits_elsewhere_ = false;
}

void Session::truncate(long long length) {
    if (length < 0 || length > this->length()) {
        fail(ICF_ERROR_ARGUMENT, "cannot truncate to %lld positions: %lld are in use", length, this->length());
    }
    tokens_.resize(static_cast<size_t>(length));
    length_.store(length, std::memory_order_relaxed);
    drop_outputs();
}

// ---- Outputs ----

static void check_rows(long long first, long long n, long long n_outputs, const char * what) {
    if (n_outputs == 0) {
        fail(ICF_ERROR_STATE, "the last append did not compute %s", what);
    }
    if (first < 0 || n < 0 || first > n_outputs - n) {
        fail(ICF_ERROR_ARGUMENT, "%s of %lld rows from row %lld on: the last append kept %lld rows", what, n, first, n_outputs);
    }
}

const float * Session::logits(long long first, long long n) const {
    check_rows(first, n, outputs_ & ICF_OUTPUT_LOGITS ? n_outputs_ : 0, "logits");
    fetch_logits();
    return logits_.data() + first * model_->params().n_vocab;
}

const float * Session::hidden(long long first, long long n) const {
    check_rows(first, n, outputs_ & ICF_OUTPUT_HIDDEN ? n_outputs_ : 0, "hidden states");
    return hidden_.data() + first * model_->params().n_embd;
}

int32_t Session::sample(const icf_sampling & sampling) const {
    check_sampling(sampling);
    const size_t window = sampling.repetition_window < 0 ? tokens_.size() : static_cast<size_t>(sampling.repetition_window);
    const size_t n_recent = std::min(window, tokens_.size());
    if (logits_elsewhere_ && !penalises(sampling, n_recent) && sample_there(sampling)) {
        return draw_among(candidates_, sampling, length());
    }
    const float * last = logits(std::max(0LL, n_outputs_ - 1), 1);
    return draw(last, model_->params().n_vocab, sampling, tokens_.data() + tokens_.size() - n_recent, n_recent, length(), candidates_);
}

// The candidates that a draw is among, where they are few enough for the device to choose them; else false.
bool Session::sample_there(const icf_sampling & sampling) const {
    const int k = sampling.temperature == 0 ? 1 : sampling.top_k;
    const bool few = k > 0 && k <= model_->params().n_vocab / 8;
    return few && n_outputs_ == 1 && device_sampling_->most_likely(parts_.back()->graph.logits, k, candidates_);
}

// ---- State ----

// Followed by tokens, logits, hidden states and the KV cache.
struct Session::StateHeader {
    char magic[8] = {'I', 'C', 'F', 'S', 'T', 'A', 'T', 'E'};
    int32_t version = 1;
    int32_t kv_type;
    long long fingerprint; // of the model
    long long length;
    long long n_outputs;
    int32_t outputs;
    int32_t reserved = 0;
    uint64_t checksum; // of this header, with 0 here, and of what follows
};

// Eight bytes at a time: a state may be gigabytes long.
static uint64_t checksum(const char * bytes, size_t count) {
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

uint64_t Session::state_checksum(StateHeader header, const char * content, size_t count) {
    header.checksum = 0;
    return checksum(reinterpret_cast<const char *>(&header), sizeof(header)) * 31 + checksum(content, count);
}

Session::StateHeader Session::state_header() const {
    StateHeader header;
    header.kv_type = parts_.front()->cache.type();
    header.fingerprint = model_->fingerprint();
    header.length = length();
    header.n_outputs = n_outputs_;
    header.outputs = outputs_;
    header.checksum = 0;
    return header;
}

// Floats of one kind of output that a state holds.
static size_t output_floats(int32_t outputs, int32_t kind, long long n_outputs, int width) {
    return outputs & kind ? static_cast<size_t>(n_outputs) * width : 0;
}

size_t Session::cache_bytes(long long length) const {
    size_t bytes = 0;
    for (const auto & part : parts_) {
        bytes += part->cache.state_bytes(static_cast<int>(length));
    }
    return bytes;
}

size_t Session::state_bytes() const {
    const size_t floats = output_floats(outputs_, ICF_OUTPUT_LOGITS, n_outputs_, model_->params().n_vocab) +
                          output_floats(outputs_, ICF_OUTPUT_HIDDEN, n_outputs_, model_->params().n_embd);
    return sizeof(StateHeader) + tokens_.size() * sizeof(int32_t) + floats * sizeof(float) + cache_bytes(length());
}

void Session::save_state(char * target) const {
    fetch_logits();
    StateHeader header = state_header();
    char * at = target + sizeof(header);
    const auto put = [&](const void * source, size_t count) {
        if (count > 0) { // what is empty may have no address
            memcpy(at, source, count);
            at += count;
        }
    };
    put(tokens_.data(), tokens_.size() * sizeof(int32_t));
    put(logits_.data(), sizeof(float) * output_floats(outputs_, ICF_OUTPUT_LOGITS, n_outputs_, model_->params().n_vocab));
    put(hidden_.data(), sizeof(float) * output_floats(outputs_, ICF_OUTPUT_HIDDEN, n_outputs_, model_->params().n_embd));
    for (const auto & part : parts_) {
        part->cache.save(static_cast<int>(length()), at);
        at += part->cache.state_bytes(static_cast<int>(length()));
    }
    header.checksum = state_checksum(header, target + sizeof(header), state_bytes() - sizeof(header));
    memcpy(target, &header, sizeof(header));
}

void Session::check_state(const StateHeader & header, size_t n_bytes) const {
    const DecoderParams & p = model_->params();
    if (header.fingerprint != model_->fingerprint()) {
        fail(ICF_ERROR_MISMATCH, "the state was saved with another model");
    }
    if (header.kv_type != parts_.front()->cache.type()) {
        fail(ICF_ERROR_MISMATCH, "the state was saved with a KV cache of another type");
    }
    if (header.length > n_ctx_) {
        fail(ICF_ERROR_CAPACITY, "the state has %lld positions, the session holds %d", header.length, n_ctx_);
    }
    const bool possible = header.length >= 0 && header.n_outputs >= 0 && header.n_outputs <= header.length &&
                          header.reserved == 0 && (header.outputs & ~(ICF_OUTPUT_LOGITS | ICF_OUTPUT_HIDDEN)) == 0;
    if (!possible || n_bytes != sizeof(header) + static_cast<size_t>(header.length) * sizeof(int32_t) +
                                    output_floats(header.outputs, ICF_OUTPUT_LOGITS, header.n_outputs, p.n_vocab) * sizeof(float) +
                                    output_floats(header.outputs, ICF_OUTPUT_HIDDEN, header.n_outputs, p.n_embd) * sizeof(float) +
                                    cache_bytes(header.length)) {
        fail(ICF_ERROR_FORMAT, "the state is damaged: its size is not what its header says");
    }
}

void Session::restore_state(const char * source, size_t n_bytes) {
    StateHeader header;
    const StateHeader expected = state_header();
    if (n_bytes < sizeof(header)) {
        fail(ICF_ERROR_FORMAT, "%zu bytes are not a session's state", n_bytes);
    }
    memcpy(&header, source, sizeof(header));
    if (memcmp(header.magic, expected.magic, sizeof(header.magic)) != 0 || header.version != expected.version) {
        fail(ICF_ERROR_FORMAT, "not a session's state of version %d", expected.version);
    }
    check_state(header, n_bytes);
    const char * at = source + sizeof(header);
    if (state_checksum(header, at, n_bytes - sizeof(header)) != header.checksum) {
        fail(ICF_ERROR_FORMAT, "the state is damaged: its checksum differs");
    }
    std::vector<int32_t> tokens(static_cast<size_t>(header.length));
    std::vector<float> logits(output_floats(header.outputs, ICF_OUTPUT_LOGITS, header.n_outputs, model_->params().n_vocab));
    std::vector<float> hidden(output_floats(header.outputs, ICF_OUTPUT_HIDDEN, header.n_outputs, model_->params().n_embd));
    const auto get = [&](void * target, size_t count) {
        if (count > 0) {
            memcpy(target, at, count);
            at += count;
        }
    };
    get(tokens.data(), tokens.size() * sizeof(int32_t));
    get(logits.data(), logits.size() * sizeof(float));
    get(hidden.data(), hidden.size() * sizeof(float));
    for (const auto & part : parts_) {
        part->cache.restore(static_cast<int>(header.length), at);
        at += part->cache.state_bytes(static_cast<int>(header.length));
    }
    tokens_.swap(tokens);
    logits_.swap(logits);
    hidden_.swap(hidden);
    logits_elsewhere_ = false;
    n_outputs_ = header.n_outputs;
    outputs_ = header.outputs;
    length_.store(header.length, std::memory_order_relaxed);
}

} // namespace icf
