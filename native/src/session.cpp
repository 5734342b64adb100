#include "session.h"

#include "error.h"
#include "fingerprint.h"
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

static long long next_number() {
    static std::atomic<long long> last{0};
    return ++last;
}

Session::Part::Part(const Session & session, const Model::Part & part, const icf_session_options & options)
    : device(part.device), layers(part.layers),
      own(device, options.n_threads, session.model().params(), session.model().packed(), session.model().repacked()),
      cache(own.backend(), session.model().params(), layers, session.n_ctx_, options.kv_type) {}

Session::Session(std::shared_ptr<const Model> model, const icf_session_options & options)
    : model_(std::move(model)), n_ctx_(choose_n_ctx(options.n_ctx, model_->params())),
      n_batch_(choose_n_batch(options.n_batch, n_ctx_)), number_(next_number()) {
    for (const Model::Part & part : model_->parts()) {
        parts_.push_back(std::make_unique<Part>(*this, part, options));
    }
    if (!parts_.back()->own.backend().is_cpu()) {
        device_sampling_ = std::make_unique<DeviceSampling>(parts_.back()->own.backend());
    }
}

void Session::describe(icf_session_info & info) const {
    info.n_ctx = n_ctx_;
    info.n_batch = n_batch_;
    info.n_threads = parts_.front()->own.backend().n_threads();
    info.kv_type = parts_.front()->cache.type();
    for (const auto & part : parts_) {
        info.kv_bytes += part->cache.bytes();
        info.scratch_bytes += part->own.bytes() + (part->shared ? part->shared->bytes() : 0);
    }
}

void Session::set_adapters(ActiveAdapters adapters) {
    if (length() > 0) {
        fail(ICF_ERROR_STATE, "adapters can be set on an empty session only: %lld positions are in use", length());
    }
    drop_outputs();
    give_back();
    number_ = next_number(); // no graph that is kept was built with these
    adapters_ = std::move(adapters);
}

// ---- Appending ----

void Session::append_tokens(const int32_t * tokens, long long n, long long n_outputs, int32_t outputs) {
    check_append(n, n_outputs, outputs);
    model_->check_tokens(tokens, n);
    append(tokens, n, n_outputs, outputs, [&](float * rows) {
        model_->embed(tokens, n, rows);
        for (const ActiveAdapter & active : adapters_) {
            active.adapter->add_embeddings(tokens, n, active.factor, rows);
        }
    });
}

void Session::append_rows(const void * rows, int32_t type, long long n, long long n_outputs, int32_t outputs) {
    check_append(n, n_outputs, outputs);
    if (type != ICF_TYPE_F32 && type != ICF_TYPE_F16) {
        fail(ICF_ERROR_ARGUMENT, "rows of type %d: f32 and f16 are possible", type);
    }
    const size_t count = static_cast<size_t>(n) * model_->params().n_embd;
    if (type == ICF_TYPE_F16) {
        std::vector<float> wide(count);
        ggml_fp16_to_fp32_row(static_cast<const ggml_fp16_t *>(rows), wide.data(), static_cast<int64_t>(count));
        append_floats(wide.data(), n, n_outputs, outputs);
    } else {
        append_floats(static_cast<const float *>(rows), n, n_outputs, outputs);
    }
}

void Session::append_floats(const float * rows, long long n, long long n_outputs, int32_t outputs) {
    check_rows(rows, n, model_->params().n_embd);
    const size_t count = static_cast<size_t>(n) * model_->params().n_embd;
    append(nullptr, n, n_outputs, outputs, [&](float * target) { memcpy(target, rows, count * sizeof(float)); });
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
    part.current().runner().set(tensor, staging.data());
}

void Session::append(const int32_t * tokens, long long n, long long n_outputs, int32_t outputs, const FillRows & fill) {
    model_->check_unchanged();
    DecodeShape shape;
    shape.n_rows = static_cast<int>(n);
    shape.n_kv = KvCache::visible(static_cast<int>(length() + n));
    shape.n_outputs = static_cast<int>(n_outputs);
    shape.outputs = n_outputs > 0 ? outputs : 0;
    timeline_.tokens.reserve(static_cast<size_t>(length() + n));
    build(shape);
    fill_input(*parts_.front(), parts_.front()->current().graph().rows, staging_, fill);
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
        timeline_.tokens.push_back(tokens ? tokens[i] : -1);
    }
    length_.store(length() + n, std::memory_order_relaxed);
    if (!logits_elsewhere_) {
        give_back();
    }
}

// Chooses what computes, and has it ready.
void Session::build(const DecodeShape & shape) {
    const bool is_large = shape.n_rows > 1;
    const Part & last = *parts_.back();
    if (is_large != (last.shared != nullptr) || !last.current().is_built_for(number_, shape)) {
        fetch_logits(); // their memory is another graph's
    }
    if (!is_large) {
        give_back();
    }
    for (const auto & part : parts_) {
        if (is_large && !part->shared) {
            part->shared = model_->computations().take(part->device, part->own.backend().n_threads(), model_->params(),
                                                       model_->packed(), model_->repacked(), number_);
        }
        part->current().build(number_, model_->weights(), part->layers, part->cache, adapters_, shape);
    }
    shape_ = shape;
}

void Session::give_back() {
    for (const auto & part : parts_) {
        part->shared.reset();
    }
}

// The parts one after the other, the stream of rows handed on from device to device.
void Session::compute() {
    for (size_t i = 0; i < parts_.size(); i++) {
        if (i > 0) {
            ggml_backend_tensor_copy(parts_[i - 1]->current().graph().stream, parts_[i]->current().graph().rows);
        }
        parts_[i]->current().compute();
    }
}

void Session::fill_inputs(const Part & part, int n) {
    const int first = static_cast<int>(length());
    const DecodeGraph & graph = part.current().graph();
    fill_input(part, graph.positions, positions_, [&](int32_t * p) {
        for (int i = 0; i < n; i++) {
            p[i] = first + i;
        }
    });
    fill_input(part, graph.slots, slots_, [&](int64_t * s) {
        for (int i = 0; i < n; i++) {
            s[i] = first + i;
        }
    });
    if (graph.last) {
        const int n_outputs = shape_.n_outputs;
        fill_input(part, graph.last, last_, [&](int32_t * rows) { std::iota(rows, rows + n_outputs, n - n_outputs); });
        fill_input(part, graph.last_positions, last_positions_,
                   [&](int32_t * p) { std::iota(p, p + n_outputs, first + n - n_outputs); });
    }
    fill_mask(part, n);
}

// Row i stands at position p = length + i and sees positions p - window + 1 … p.
void Session::fill_mask(const Part & part, int n) {
    ggml_tensor * tensor = part.current().graph().mask;
    if (!tensor->buffer) {
        return; // nobody asks: a graph without outputs of a model of one layer
    }
    const int n_kv = shape_.n_kv;
    const int first = static_cast<int>(length());
    const int window = model_->params().n_window;
    fill_input(part, tensor, mask_, [&](ggml_fp16_t * mask) {
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
    timeline_.logits.reserve(n_logits);
    timeline_.hidden.reserve(n_hidden);
    timeline_.logits.resize(n_logits);
    timeline_.hidden.resize(n_hidden);
    const DecodeGraph & graph = parts_.back()->current().graph();
    logits_elsewhere_ = n_logits > 0;
    if (!device_sampling_) {
        fetch_logits();
    }
    if (n_hidden > 0) {
        ggml_backend_tensor_get(graph.hidden, timeline_.hidden.data(), 0, ggml_nbytes(graph.hidden));
    }
    timeline_.n_outputs = n_outputs;
    timeline_.outputs = outputs;
}

void Session::fetch_logits() const {
    if (logits_elsewhere_) {
        const ggml_tensor * logits = parts_.back()->current().graph().logits;
        ggml_backend_tensor_get(logits, timeline_.logits.data(), 0, ggml_nbytes(logits));
        logits_elsewhere_ = false;
    }
}

void Session::drop_outputs() {
    timeline_.n_outputs = 0;
    timeline_.outputs = 0;
    logits_elsewhere_ = false;
}

void Session::truncate(long long length) {
    if (length < 0 || length > this->length()) {
        fail(ICF_ERROR_ARGUMENT, "cannot truncate to %lld positions: %lld are in use", length, this->length());
    }
    timeline_.tokens.resize(static_cast<size_t>(length));
    length_.store(length, std::memory_order_relaxed);
    drop_outputs();
    give_back();
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
    check_rows(first, n, timeline_.outputs & ICF_OUTPUT_LOGITS ? timeline_.n_outputs : 0, "logits");
    fetch_logits();
    return timeline_.logits.data() + first * model_->params().n_vocab;
}

const float * Session::hidden(long long first, long long n) const {
    check_rows(first, n, timeline_.outputs & ICF_OUTPUT_HIDDEN ? timeline_.n_outputs : 0, "hidden states");
    return timeline_.hidden.data() + first * model_->params().n_embd;
}

int32_t Session::sample(const icf_sampling & sampling) const {
    check_sampling(sampling);
    const size_t window =
        sampling.repetition_window < 0 ? timeline_.tokens.size() : static_cast<size_t>(sampling.repetition_window);
    const size_t n_recent = std::min(window, timeline_.tokens.size());
    if (logits_elsewhere_ && !penalises(sampling, n_recent) && sample_there(sampling)) {
        return draw_among(candidates_, sampling, length());
    }
    const float * last = logits(std::max(0LL, timeline_.n_outputs - 1), 1);
    check_logits(last, model_->params().n_vocab);
    return draw(last, model_->params().n_vocab, sampling, timeline_.tokens.data() + timeline_.tokens.size() - n_recent,
                n_recent, length(), candidates_);
}

// The candidates that a draw is among, where they are few enough for the device to choose them; else false.
bool Session::sample_there(const icf_sampling & sampling) const {
    const int k = sampling.temperature == 0 ? 1 : sampling.top_k;
    const bool few = k > 0 && k <= model_->params().n_vocab / 8;
    return few && timeline_.n_outputs == 1 &&
           device_sampling_->most_likely(parts_.back()->current().graph().logits, k, candidates_);
}

// ---- State ----

// Of the model and of what changes it.
long long Session::fingerprint() const {
    if (adapters_.empty()) {
        return model_->weights_fingerprint();
    }
    Hash hash;
    hash.add(model_->weights_fingerprint());
    for (const ActiveAdapter & active : adapters_) {
        hash.add(active.adapter->fingerprint());
        hash.add(&active.factor, sizeof(active.factor));
    }
    return hash.value();
}

StateOwner Session::state_owner() const {
    StateOwner owner = {fingerprint(), model_->params().n_vocab, model_->params().n_embd, n_ctx_, {}};
    for (const auto & part : parts_) {
        owner.caches.push_back(&part->cache);
    }
    return owner;
}

size_t Session::state_bytes() const {
    return icf::state_bytes(state_owner(), timeline_);
}

void Session::save_state(char * target) const {
    fetch_logits();
    icf::save_state(state_owner(), timeline_, target);
}

void Session::restore_state(const char * source, size_t n_bytes) {
    timeline_ = icf::restore_state(state_owner(), source, n_bytes);
    logits_elsewhere_ = false;
    give_back();
    length_.store(static_cast<long long>(timeline_.tokens.size()), std::memory_order_relaxed);
}

} // namespace icf
