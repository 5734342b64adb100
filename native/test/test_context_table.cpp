#include "error.h"
#include "fixtures.h"
#include "formers/context_table.h"
#include "ggml.h"

using namespace icf;
using namespace test;

static void rows_come_back() {
    ContextTable table(5, 12, false);
    CHECK_EQUAL(5 * 12 * 4, table.bytes());
    CHECK(!table.is_f16() && table.n_filled() == 0 && !table.has(3));
    const std::vector<float> row = Random(1).floats(12);
    table.fill(3, row.data());
    CHECK(table.has(3) && !table.has(2));
    CHECK_EQUAL(1, table.n_filled());
    CHECK(memcmp(table.row(3), row.data(), 48) == 0);
    table.fill(3, row.data());
    CHECK_EQUAL(1, table.n_filled());
    table.fill(4, row.data());
    CHECK_EQUAL(2, table.n_filled());
}

static void half_precision() {
    ContextTable table(2, 4, true);
    CHECK_EQUAL(2 * 4 * 2, table.bytes());
    const float row[4] = {1.0f, -0.5f, 65504.0f, 1e-3f};
    table.fill(1, row);
    float back[4];
    ggml_fp16_to_fp32_row(static_cast<const ggml_fp16_t *>(table.row(1)), back, 4);
    for (int i = 0; i < 4; i++) {
        CHECK_CLOSE(row[i], back[i], std::fabs(double(row[i])) * 5e-4);
    }
}

static void sizes() {
    CHECK_EQUAL(32000LL * 24576 * 2, ContextTable::bytes_for(32000, 24576, true));
    CHECK_THROWS(ICF_ERROR_MEMORY, ContextTable(64, size_t(1) << 54, false));
}

int main() {
    RUN(rows_come_back);
    RUN(half_precision);
    RUN(sizes);
    return check_result();
}
