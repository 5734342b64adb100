// The devices of this machine, and streams of computation on them.
#pragma once

#include "ggml-alloc.h"
#include "ggml-backend.h"
#include "ggml.h"
#include "icf.h"

#include <memory>
#include <string>
#include <vector>

namespace icf {

struct Device {
    ggml_backend_dev_t handle;
    icf_device_kind kind;
};

// All devices, the CPU first. The first call loads the backends beside this library; without a CPU it is empty.
const std::vector<Device> & devices();

// The device of that index. -1 is the one that the environment variable ICF_DEVICE names, by index or name; where that is
// not set the first GPU, else the CPU. ICF_ERROR_DEVICE if there is none.
const Device & device_at(int index);
int resolve_device(int index);

// The device of that name, in any case, or of that index; -1 if there is none.
int find_device(const char * name);

struct DeviceMemory {
    size_t free; // bytes; 0 where unknown
    size_t total;
};
DeviceMemory device_memory(const Device & device);

// ICF_ERROR_MEMORY: what `purpose` needs on the device, and what is free there.
[[noreturn]] void fail_out_of_memory(const Device & device, const char * purpose, size_t bytes);

// What the variant that was loaded makes use of, such as "AVX512 AVX512_BF16".
std::string device_features(const Device & device);

// Whether the device converts a matrix in F16 to F32 for each product whose sums are to be in F32. CUDA has matrix units for
// sums of halves in F32, but ggml uses them with BF16 alone.
bool widens_halves(const Device & device);

// The buffer type of the device in which products with that weight [n_in, n_out] run faster than where it lies, because the
// weight is laid out anew for this CPU; NULL where there is none. The weight has no buffer yet.
ggml_backend_buffer_type_t repacking_type(const Device & device, const ggml_tensor * weight);

// Cores this process may run on, without their hyper-threads, within the limits of its container.
int physical_cores();

// Threads to use: `asked`, or all physical cores for 0. ICF_ERROR_ARGUMENT outside 0 … 512.
int resolve_threads(int asked);

void set_log_level(int level);

struct BufferDeleter {
    void operator()(ggml_backend_buffer_t buffer) const { ggml_backend_buffer_free(buffer); }
};
using BufferPtr = std::unique_ptr<ggml_backend_buffer, BufferDeleter>;

// Memory for the description of tensors, whose data lies elsewhere.
class TensorContext {
public:
    explicit TensorContext(size_t max_tensors, size_t max_nodes = 0);

    ggml_context * get() const { return context_.get(); }
    void reset() { ggml_reset(context_.get()); }

private:
    struct Deleter {
        void operator()(ggml_context * context) const { ggml_free(context); }
    };

    std::vector<char> memory_;
    std::unique_ptr<ggml_context, Deleter> context_;
};

// Places tensors one after the other in a buffer that has room for them.
void place_tensors(ggml_backend_buffer_t buffer, ggml_tensor * const * tensors, size_t n);

// One stream of computation on a device.
class Backend {
public:
    Backend(int device, int n_threads);

    ggml_backend_t get() const { return backend_.get(); }
    const Device & device() const { return device_; }
    bool is_cpu() const { return device_.kind == ICF_DEVICE_CPU; }
    int n_threads() const { return n_threads_; }
    // Has the following graphs computed by as many of the threads as pay for so many bytes of weights, times rows, and so
    // many operations: between two operations the threads wait for each other.
    void use_threads_for(double work, int n_nodes) const;

    ggml_backend_buffer_type_t buffer_type() const { return ggml_backend_get_default_buffer_type(backend_.get()); }

    bool can_compute(const ggml_tensor * node) const { return ggml_backend_dev_supports_op(device_.handle, node); }

    // ICF_ERROR_MEMORY if the device has not that much left.
    BufferPtr allocate(size_t bytes, const char * purpose) const;

    // Memory for all tensors of the context, which are placed there.
    BufferPtr place(const TensorContext & context, const char * purpose) const;

private:
    struct Deleter {
        void operator()(ggml_backend_t backend) const { ggml_backend_free(backend); }
    };

    const Device & device_;
    int n_threads_;
    ggml_backend_set_n_threads_t set_threads_;
    std::unique_ptr<ggml_backend, Deleter> backend_;
};

// A graph that is built, allocated, and then computed as often as its inputs change.
//
// For devices with a memory of their own a scheduler allocates it, though there is nothing to divide: graphs that it hands on
// have an identity, by which a backend sees that one is still the same. A graph without is compared node by node, each time,
// with the one that was captured as a CUDA graph.
class GraphRunner {
public:
    GraphRunner(const Backend & backend, size_t max_nodes);

    // Starts a new graph, with room for `max_nodes` where that is more than before; the one before is forgotten.
    ggml_context * begin(size_t max_nodes = 0);
    ggml_context * context() const { return context_->get(); }
    ggml_cgraph * graph() const { return graph_; }
    const Backend & backend() const { return backend_; }

    // ICF_ERROR_UNSUPPORTED if the device lacks an operation, ICF_ERROR_MEMORY if the graph does not fit.
    void allocate();

    // Fills an input. Its values must stay where they are until compute() returns.
    void set(ggml_tensor * input, const void * values) const;
    void compute();

    long long bytes() const;

private:
    struct Deleter {
        void operator()(ggml_gallocr_t allocator) const { ggml_gallocr_free(allocator); }
        void operator()(ggml_backend_sched_t scheduler) const { ggml_backend_sched_free(scheduler); }
        void operator()(ggml_backend_t backend) const { ggml_backend_free(backend); }
    };

    void make_allocator();
    bool allocate_by_scheduler();

    const Backend & backend_;
    size_t max_nodes_;
    std::unique_ptr<TensorContext> context_;
    ggml_cgraph * graph_ = nullptr;
    std::unique_ptr<ggml_gallocr, Deleter> allocator_;       // on the CPU
    std::unique_ptr<ggml_backend, Deleter> unused_;          // the CPU, which every scheduler asks for
    std::unique_ptr<ggml_backend_sched, Deleter> scheduler_; // on other devices
};

} // namespace icf
