// Large results of a device on their way to memory that a user owns.
#pragma once

#include "backend.h"

#include <memory>
#include <vector>

namespace icf {

// A device writes into pinned memory at the full rate of its link and into any other at a fraction of it, so the result goes
// through pinned memory in slices: threads move on what has arrived while the rest arrives.
class Readback {
public:
    explicit Readback(const Backend & backend) : backend_(backend) {}

    // The first n_bytes of a tensor of the backend's, whose computation has been asked for → target.
    void read(const ggml_tensor * tensor, void * target, size_t n_bytes);

    long long bytes() const { return pinned_ ? static_cast<long long>(ggml_backend_buffer_get_size(pinned_.get())) : 0; }

private:
    struct EventDeleter {
        void operator()(ggml_backend_event_t event) const { ggml_backend_event_free(event); }
    };
    using Event = std::unique_ptr<ggml_backend_event, EventDeleter>;

    bool reserve(size_t n_bytes);
    void read_pinned(const ggml_tensor * tensor, size_t offset, char * target, size_t n_bytes);

    const Backend & backend_;
    BufferPtr pinned_;
    std::vector<Event> arrivals_; // one for each slice that fits into pinned_
};

} // namespace icf
