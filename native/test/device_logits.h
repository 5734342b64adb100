// Logits in the memory of a device.
#pragma once

#include "backend.h"

namespace test {

struct DeviceLogits {
    DeviceLogits(const icf::Backend & backend, const std::vector<float> & values)
        : context(4), tensor(ggml_new_tensor_2d(context.get(), GGML_TYPE_F32, static_cast<int64_t>(values.size()), 1)),
          buffer(ggml_backend_alloc_ctx_tensors(context.get(), backend.get())) {
        ggml_backend_tensor_set(tensor, values.data(), 0, ggml_nbytes(tensor));
    }

    icf::TensorContext context;
    ggml_tensor * tensor; // F32 [n_vocab, 1]
    icf::BufferPtr buffer;
};

} // namespace test
