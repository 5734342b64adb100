// Results of every size come whole to where they are wanted.
#include "device_logits.h"
#include "gguf_builder.h"
#include "readback.h"

#include <algorithm>

using namespace icf;
using namespace test;

// Below a slice, of whole slices, of slices and a rest; larger and then smaller than before.
static void sizes() {
    const Backend backend(check_device(), 3);
    const std::vector<float> values = Random(3).floats(5000001);
    const DeviceLogits there(backend, values);
    Readback readback(backend);
    for (size_t count : {size_t(1), size_t(100000), size_t(2) << 20, values.size(), size_t(700003)}) {
        std::vector<float> read(count + 1, -7.0f);
        readback.read(there.tensor, read.data(), count * sizeof(float));
        CHECK(std::equal(read.begin(), read.end() - 1, values.begin()));
        CHECK(read.back() == -7.0f); // nothing behind it
    }
    CHECK(readback.bytes() == 0 || device_at(check_device()).kind != ICF_DEVICE_CPU);
}

int main() {
    RUN(sizes);
    return check_result();
}
