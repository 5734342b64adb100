#include "backend.h"

#include "error.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <fstream>
#include <sched.h>
#include <set>
#include <strings.h>
#include <unistd.h>

namespace icf {

// ---- Messages of ggml ----

static std::atomic<int> log_level{ICF_LOG_ERROR};

static int level_of(ggml_log_level level) {
    switch (level) {
        case GGML_LOG_LEVEL_ERROR: return ICF_LOG_ERROR;
        case GGML_LOG_LEVEL_WARN: return ICF_LOG_WARN;
        case GGML_LOG_LEVEL_INFO: return ICF_LOG_INFO;
        default: return ICF_LOG_DEBUG;
    }
}

static void log_to_stderr(ggml_log_level level, const char * message, void *) {
    if (level_of(level) <= log_level.load(std::memory_order_relaxed)) {
        fputs(message, stderr);
    }
}

void set_log_level(int level) {
    log_level.store(level, std::memory_order_relaxed);
}

// ---- Devices ----

// The folder this library was loaded from.
static std::string library_folder() {
    Dl_info info;
    if (!dladdr(reinterpret_cast<const void *>(&library_folder), &info) || !info.dli_fname) {
        return ".";
    }
    const std::string path = info.dli_fname;
    const size_t slash = path.rfind('/');
    return slash == std::string::npos ? "." : path.substr(0, slash);
}

// Why is told in icf.h, Threads. A user's own setting is kept.
static void bound_openmp_spinning() {
    if (!getenv("OMP_WAIT_POLICY") && !getenv("GOMP_SPINCOUNT")) {
        setenv("GOMP_SPINCOUNT", "10000", 1);
    }
}

// A backend that lies beside this library and finds no device, or cannot be loaded, is told of: what then runs on the CPU would
// only be slow.
static void report_backend_without_device(const char * registry, const char * library) {
    const std::string path = library_folder() + "/" + library;
    ggml_backend_reg_t loaded = ggml_backend_reg_by_name(registry);
    if (access(path.c_str(), F_OK) != 0 || (loaded && ggml_backend_reg_dev_count(loaded) > 0)) {
        return;
    }
    std::string reason = "it finds no device";
    if (!loaded) {
        void * handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
        const char * message = handle ? nullptr : dlerror();
        reason = message ? message : "it cannot be used";
        if (handle) {
            dlclose(handle);
        }
    }
    log_to_stderr(GGML_LOG_LEVEL_ERROR, text("icf: %s is there, but %s\n", library, reason.c_str()).c_str(), nullptr);
}

static std::vector<Device> load_devices() {
    ggml_log_set(log_to_stderr, nullptr);
    bound_openmp_spinning();
    ggml_backend_load_all_from_path(library_folder().c_str());
    report_backend_without_device("CUDA", "libggml-cuda.so");
    report_backend_without_device("Vulkan", "libggml-vulkan.so");
    std::vector<Device> found;
    for (size_t i = 0; i < ggml_backend_dev_count(); i++) {
        ggml_backend_dev_t handle = ggml_backend_dev_get(i);
        switch (ggml_backend_dev_type(handle)) {
            case GGML_BACKEND_DEVICE_TYPE_CPU: found.push_back({handle, ICF_DEVICE_CPU}); break;
            case GGML_BACKEND_DEVICE_TYPE_GPU:
            case GGML_BACKEND_DEVICE_TYPE_IGPU: found.push_back({handle, ICF_DEVICE_GPU}); break;
            default: found.push_back({handle, ICF_DEVICE_OTHER}); break;
        }
    }
    std::stable_sort(found.begin(), found.end(), [](const Device & a, const Device & b) { return a.kind < b.kind; });
    if (found.empty() || found[0].kind != ICF_DEVICE_CPU) {
        found.clear();
    }
    return found;
}

const std::vector<Device> & devices() {
    static std::vector<Device> loaded = load_devices();
    return loaded;
}

int find_device(const char * name) {
    const std::vector<Device> & all = devices();
    for (size_t i = 0; i < all.size(); i++) {
        if (strcasecmp(ggml_backend_dev_name(all[i].handle), name) == 0 || std::to_string(i) == name) {
            return static_cast<int>(i);
        }
    }
    return -1;
}

static int automatic_device() {
    const std::vector<Device> & all = devices();
    const char * name = getenv("ICF_DEVICE");
    if (!name || !*name) {
        return all.size() > 1 && all[1].kind == ICF_DEVICE_GPU ? 1 : 0;
    }
    const int found = find_device(name);
    if (found < 0 || all[static_cast<size_t>(found)].kind == ICF_DEVICE_OTHER) {
        fail(ICF_ERROR_DEVICE, "ICF_DEVICE is '%s', which is no device to compute on", name);
    }
    return found;
}

int resolve_device(int index) {
    const std::vector<Device> & all = devices();
    if (all.empty()) {
        fail(ICF_ERROR_DEVICE, "no ggml backend for this CPU could be loaded from %s", library_folder().c_str());
    }
    if (index == -1) {
        return automatic_device();
    }
    if (index < 0 || static_cast<size_t>(index) >= all.size() || all[static_cast<size_t>(index)].kind == ICF_DEVICE_OTHER) {
        fail(ICF_ERROR_DEVICE, "there is no device %d to compute on; devices are 0 … %zu", index, all.size() - 1);
    }
    return index;
}

const Device & device_at(int index) {
    return devices()[static_cast<size_t>(resolve_device(index))];
}

DeviceMemory device_memory(const Device & device) {
    DeviceMemory memory = {0, 0};
    ggml_backend_dev_memory(device.handle, &memory.free, &memory.total);
    return memory;
}

void fail_out_of_memory(const Device & device, const char * purpose, size_t bytes) {
    const DeviceMemory memory = device_memory(device);
    fail(ICF_ERROR_MEMORY, "out of memory on %s: %.1f MiB are needed for %s, %.1f MiB of %.1f MiB are free",
         ggml_backend_dev_name(device.handle), double(bytes) / 1048576, purpose, double(memory.free) / 1048576,
         double(memory.total) / 1048576);
}

template <typename Function> static Function backend_function(const Device & device, const char * name) {
    ggml_backend_reg_t registry = ggml_backend_dev_backend_reg(device.handle);
    return reinterpret_cast<Function>(ggml_backend_reg_get_proc_address(registry, name));
}

std::string device_features(const Device & device) {
    const auto get_features = backend_function<ggml_backend_get_features_t>(device, "ggml_backend_get_features");
    std::string names;
    if (get_features) {
        for (const ggml_backend_feature * f = get_features(ggml_backend_dev_backend_reg(device.handle)); f->name; f++) {
            if (strcmp(f->value, "0") != 0) {
                names += names.empty() ? "" : " ";
                names += strcmp(f->value, "1") == 0 ? f->name : std::string(f->name) + "=" + f->value;
            }
        }
    }
    return names;
}

bool widens_halves(const Device & device) {
    return strcmp(ggml_backend_reg_name(ggml_backend_dev_backend_reg(device.handle)), "CUDA") == 0;
}

// Asks whether a product with the weight could be computed if it lay in a buffer of that type.
static bool can_multiply_from(const Device & device, const ggml_tensor * weight, ggml_backend_buffer_type_t type) {
    const BufferPtr probe(ggml_backend_buft_alloc_buffer(type, 0));
    if (!probe) {
        return false;
    }
    const TensorContext context(3);
    ggml_tensor * twin = ggml_dup_tensor(context.get(), weight);
    ggml_tensor * x = ggml_new_tensor_2d(context.get(), GGML_TYPE_F32, weight->ne[0], 512);
    ggml_tensor * product = ggml_mul_mat(context.get(), twin, x);
    twin->buffer = probe.get();
    return ggml_backend_dev_supports_op(device.handle, product);
}

ggml_backend_buffer_type_t repacking_type(const Device & device, const ggml_tensor * weight) {
    const auto get_types = backend_function<ggml_backend_dev_get_extra_bufts_t>(device, "ggml_backend_dev_get_extra_bufts");
    ggml_backend_buffer_type_t * types = get_types ? get_types(device.handle) : nullptr;
    for (; types && *types; types++) {
        if (can_multiply_from(device, weight, *types)) {
            return *types;
        }
    }
    return nullptr;
}

// ---- Threads ----

// Processors that a container's quota amounts to (cgroup v2: "quota period" in microseconds); `cores` without one.
static int within_quota(int cores) {
    std::ifstream file("/sys/fs/cgroup/cpu.max");
    double quota = 0;
    double period = 0;
    if (file >> quota >> period && quota > 0 && period > 0) {
        return std::clamp(static_cast<int>(std::ceil(quota / period)), 1, cores);
    }
    return cores;
}

int physical_cores() {
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) {
        return 1;
    }
    std::set<std::string> cores; // hyper-threads of one core share this list
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &allowed)) {
            std::ifstream file(text("/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu));
            std::string siblings;
            cores.insert(std::getline(file, siblings) ? siblings : std::to_string(cpu));
        }
    }
    return within_quota(std::max<int>(1, static_cast<int>(cores.size())));
}

int resolve_threads(int asked) {
    if (asked < 0 || asked > 512) {
        fail(ICF_ERROR_ARGUMENT, "%d threads: 0 (all cores) to 512 are possible", asked);
    }
    static const int cores = physical_cores();
    return asked == 0 ? cores : asked;
}

// ---- Computation ----

Backend::Backend(int device, int n_threads)
    : device_(device_at(device)), n_threads_(resolve_threads(n_threads)),
      set_threads_(backend_function<ggml_backend_set_n_threads_t>(device_, "ggml_backend_set_n_threads")),
      backend_(ggml_backend_dev_init(device_.handle, nullptr)) {
    if (!backend_) {
        fail(ICF_ERROR_DEVICE, "device %s cannot be used", ggml_backend_dev_name(device_.handle));
    }
    if (set_threads_) {
        set_threads_(backend_.get(), n_threads_);
    }
}

// Waiting costs about as much as reading this many bytes of weights.
static const double bytes_per_wait = 20e3;

void Backend::use_threads_for(double work, int n_nodes) const {
    if (set_threads_) {
        set_threads_(backend_.get(), work < bytes_per_wait * n_nodes ? 1 : n_threads_);
    }
}

void place_tensors(ggml_backend_buffer_t buffer, ggml_tensor * const * tensors, size_t n) {
    ggml_tallocr allocator = ggml_tallocr_new(buffer);
    for (size_t i = 0; i < n; i++) {
        if (ggml_tallocr_alloc(&allocator, tensors[i]) != GGML_STATUS_SUCCESS) {
            fail(ICF_ERROR_INTERNAL, "tensor '%s' cannot be placed", tensors[i]->name);
        }
    }
}

BufferPtr Backend::allocate(size_t bytes, const char * purpose) const {
    BufferPtr buffer(ggml_backend_alloc_buffer(backend_.get(), bytes));
    if (!buffer) {
        fail_out_of_memory(device_, purpose, bytes);
    }
    return buffer;
}

BufferPtr Backend::place(const TensorContext & context, const char * purpose) const {
    BufferPtr buffer = allocate(ggml_backend_alloc_ctx_tensors_from_buft_size(context.get(), buffer_type()), purpose);
    std::vector<ggml_tensor *> tensors;
    for (ggml_tensor * t = ggml_get_first_tensor(context.get()); t; t = ggml_get_next_tensor(context.get(), t)) {
        tensors.push_back(t);
    }
    place_tensors(buffer.get(), tensors.data(), tensors.size());
    return buffer;
}

TensorContext::TensorContext(size_t max_tensors, size_t max_nodes) {
    memory_.resize(max_tensors * ggml_tensor_overhead() + (max_nodes ? ggml_graph_overhead_custom(max_nodes, false) : 0) +
                   1024);
    context_.reset(ggml_init({memory_.size(), memory_.data(), true}));
    if (!context_) {
        fail(ICF_ERROR_MEMORY, "out of memory");
    }
}

GraphRunner::GraphRunner(const Backend & backend, size_t max_nodes)
    : backend_(backend), max_nodes_(max_nodes), context_(std::make_unique<TensorContext>(max_nodes, max_nodes)) {
    make_allocator();
}

void GraphRunner::make_allocator() {
    if (backend_.is_cpu()) {
        allocator_.reset(ggml_gallocr_new(backend_.buffer_type()));
        return;
    }
    unused_.reset(ggml_backend_dev_init(device_at(0).handle, nullptr));
    ggml_backend_t backends[] = {backend_.get(), unused_.get()};
    // Room for as many leaves as nodes.
    scheduler_.reset(unused_ ? ggml_backend_sched_new(backends, nullptr, 2, 2 * max_nodes_, false, false) : nullptr);
    if (!scheduler_) {
        fail(ICF_ERROR_MEMORY, "out of memory");
    }
}

ggml_context * GraphRunner::begin(size_t max_nodes) {
    graph_ = nullptr;
    if (max_nodes > max_nodes_) {
        context_ = std::make_unique<TensorContext>(max_nodes, max_nodes);
        max_nodes_ = max_nodes;
        scheduler_.reset(); // it has room for fewer
    }
    if (!allocator_ && !scheduler_) {
        make_allocator();
    }
    context_->reset();
    graph_ = ggml_new_graph_custom(context_->get(), max_nodes_, false);
    return context_->get();
}

void GraphRunner::allocate() {
    for (int i = 0; i < ggml_graph_n_nodes(graph_); i++) {
        const ggml_tensor * node = ggml_graph_node(graph_, i);
        if (!backend_.can_compute(node)) {
            const char * type = node->src[0] ? ggml_type_name(node->src[0]->type) : ggml_type_name(node->type);
            fail(ICF_ERROR_UNSUPPORTED, "%s cannot compute %s of type %s ('%s')", ggml_backend_name(backend_.get()),
                 ggml_op_desc(node), type, node->src[0] ? node->src[0]->name : node->name);
        }
    }
    if (scheduler_ ? !allocate_by_scheduler() : !ggml_gallocr_alloc_graph(allocator_.get(), graph_)) {
        const std::unique_ptr<ggml_gallocr, Deleter> measure(ggml_gallocr_new(backend_.buffer_type()));
        size_t bytes = 0;
        ggml_gallocr_reserve_n_size(measure.get(), graph_, nullptr, nullptr, &bytes);
        fail_out_of_memory(backend_.device(), "the scratch memory of a batch", bytes);
    }
}

// All of it on the one device: inputs would otherwise be the CPU's.
bool GraphRunner::allocate_by_scheduler() {
    ggml_backend_sched_reset(scheduler_.get());
    for (ggml_tensor * t = ggml_get_first_tensor(context_->get()); t; t = ggml_get_next_tensor(context_->get(), t)) {
        if (!t->buffer) {
            ggml_backend_sched_set_tensor_backend(scheduler_.get(), t, backend_.get());
        }
    }
    return ggml_backend_sched_alloc_graph(scheduler_.get(), graph_);
}

long long GraphRunner::bytes() const {
    return static_cast<long long>(scheduler_ ? ggml_backend_sched_get_buffer_size(scheduler_.get(), backend_.get())
                                             : ggml_gallocr_get_buffer_size(allocator_.get(), 0));
}

void GraphRunner::set(ggml_tensor * input, const void * values) const {
    ggml_backend_tensor_set_async(backend_.get(), input, values, 0, ggml_nbytes(input));
}

void GraphRunner::compute() {
    const ggml_status status = scheduler_ ? ggml_backend_sched_graph_compute(scheduler_.get(), graph_)
                                          : ggml_backend_graph_compute(backend_.get(), graph_);
    if (status != GGML_STATUS_SUCCESS) {
        fail(ICF_ERROR_DEVICE, "computation on %s failed", ggml_backend_name(backend_.get()));
    }
}

} // namespace icf
