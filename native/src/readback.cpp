#include "readback.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <system_error>
#include <thread>

namespace icf {

static const size_t slice_bytes = size_t(2) << 20;
static const size_t most_pinned = size_t(128) << 20; // larger results take several rounds
static const size_t most_threads = 8;                // that keep up with a link between host and device

// Makes room for n_bytes, most_pinned at the most; false where the device has no pinned memory, or no events to wait for.
bool Readback::reserve(size_t n_bytes) {
    const size_t wanted = std::min(n_bytes, most_pinned);
    if (pinned_ && ggml_backend_buffer_get_size(pinned_.get()) >= wanted) {
        return true;
    }
    ggml_backend_dev_t device = backend_.device().handle;
    ggml_backend_buffer_type_t type = ggml_backend_dev_host_buffer_type(device);
    if (!type) {
        return false;
    }
    pinned_.reset(); // first, so that both are never there at once
    pinned_.reset(ggml_backend_buft_alloc_buffer(type, wanted));
    if (!pinned_) {
        return false;
    }
    while (arrivals_.size() * slice_bytes < wanted) {
        Event event(ggml_backend_event_new(device));
        if (!event) {
            pinned_.reset();
            return false;
        }
        arrivals_.push_back(std::move(event));
    }
    return true;
}

void Readback::read(const ggml_tensor * tensor, void * target, size_t n_bytes) {
    if (n_bytes <= slice_bytes / 2 || ggml_backend_buffer_is_host(tensor->buffer) || !reserve(n_bytes)) {
        ggml_backend_synchronize(backend_.get());
        ggml_backend_tensor_get(tensor, target, 0, n_bytes);
        return;
    }
    for (size_t at = 0; at < n_bytes; at += most_pinned) {
        read_pinned(tensor, at, static_cast<char *>(target) + at, std::min(most_pinned, n_bytes - at));
    }
}

void Readback::read_pinned(const ggml_tensor * tensor, size_t offset, char * target, size_t n_bytes) {
    char * pinned = static_cast<char *>(ggml_backend_buffer_get_base(pinned_.get()));
    const size_t n_slices = (n_bytes + slice_bytes - 1) / slice_bytes;
    const auto length = [&](size_t i) { return std::min(slice_bytes, n_bytes - i * slice_bytes); };
    for (size_t i = 0; i < n_slices; i++) {
        const size_t at = i * slice_bytes;
        ggml_backend_tensor_get_async(backend_.get(), tensor, pinned + at, offset + at, length(i));
        ggml_backend_event_record(arrivals_[i].get(), backend_.get());
    }
    std::atomic<size_t> next{0};
    const auto move_on = [&] {
        for (size_t i = next++; i < n_slices; i = next++) {
            ggml_backend_event_synchronize(arrivals_[i].get());
            memcpy(target + i * slice_bytes, pinned + i * slice_bytes, length(i));
        }
    };
    std::vector<std::thread> helpers;
    try {
        for (size_t i = 1; i < std::min({most_threads, n_slices, static_cast<size_t>(backend_.n_threads())}); i++) {
            helpers.emplace_back(move_on);
        }
    } catch (const std::system_error &) { // no more threads: those that are there do it all
    }
    move_on();
    for (std::thread & helper : helpers) {
        helper.join();
    }
}

} // namespace icf
