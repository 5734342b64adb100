// One timeline of an LLM: its KV cache, its tokens, and the outputs of the last append.
#pragma once

#include "device_sampling.h"
#include "graph_decode.h"
#include "model.h"
#include "sampling.h"
#include "state.h"

#include <atomic>
#include <functional>

namespace icf {

class Session {
public:
    Session(std::shared_ptr<const Model> model, const icf_session_options & options);

    const Model & model() const { return *model_; }
    long long length() const { return length_.load(std::memory_order_relaxed); }
    void describe(icf_session_info & info) const;

    // In the place of those in use; ICF_ERROR_STATE unless the session is empty.
    void set_adapters(ActiveAdapters adapters);

    void append_tokens(const int32_t * tokens, long long n, long long n_outputs, int32_t outputs);
    void append_rows(const void * rows, int32_t type, long long n, long long n_outputs, int32_t outputs);
    void truncate(long long length);

    // Rows first … first + n - 1 of the last append's outputs; ICF_ERROR_STATE if they were not computed.
    const float * logits(long long first, long long n) const;
    const float * hidden(long long first, long long n) const;

    int32_t sample(const icf_sampling & sampling) const;

    size_t state_bytes() const;
    void save_state(char * target) const;
    void restore_state(const char * source, size_t n_bytes);

private:
    // Writes the batch's embeddings [n, n_embd] to where the graph reads them.
    using FillRows = std::function<void(float * rows)>;

    // Layers that one device computes.
    struct Part {
        Part(const Session & session, const Model::Part & part, const icf_session_options & options);

        // What the last graph was computed by.
        const Computation & current() const { return shared ? *shared : own; }
        Computation & current() { return shared ? *shared : own; }

        int device;
        LayerRange layers;
        Computation own; // for single rows
        KvCache cache;
        ComputationPool::Lease shared; // for more rows: for the length of a call, or until logits that lie there are not needed
    };

    void append(const int32_t * tokens, long long n, long long n_outputs, int32_t outputs, const FillRows & fill);
    void append_floats(const float * rows, long long n, long long n_outputs, int32_t outputs);
    void check_append(long long n, long long n_outputs, int32_t outputs) const;
    void build(const DecodeShape & shape);
    void give_back();
    void fill_inputs(const Part & part, int n);
    void fill_mask(const Part & part, int n);
    void compute();
    void keep_outputs(long long n_outputs, int32_t outputs);
    void drop_outputs();
    void fetch_logits() const;
    bool sample_there(const icf_sampling & sampling) const;
    long long fingerprint() const;
    StateOwner state_owner() const;

    std::shared_ptr<const Model> model_; // outlives the parts, which give back to it
    int n_ctx_;
    int n_batch_;
    std::vector<std::unique_ptr<Part>> parts_; // in the order of the computation
    ActiveAdapters adapters_;
    long long number_;  // unlike that of any other session
    DecodeShape shape_; // of the last graphs

    std::atomic<long long> length_{0};
    mutable Timeline timeline_;
    mutable bool logits_elsewhere_ = false; // still in the memory of the device, not in `timeline_`

    std::vector<float> staging_; // rows on their way to another device
    std::vector<int32_t> positions_;
    std::vector<int64_t> slots_;
    std::vector<int32_t> last_;
    std::vector<int32_t> last_positions_;
    std::vector<ggml_fp16_t> mask_;
    mutable std::vector<Candidate> candidates_;
    mutable std::unique_ptr<DeviceSampling> device_sampling_; // NULL where the last layers are the CPU's
};

} // namespace icf
