// Conversion of float rows to the types of the GGUF format and back.
#pragma once

#include "ggml.h"
#include "icf.h"

namespace icf {

// ICF_ERROR_ARGUMENT if there is no such type.
ggml_type check_type(int32_t type);

// The type of that name in any case, -1 if there is none.
int32_t find_type(const char * name);

void describe_type(ggml_type type, icf_type_info & info);

// Bytes of n_rows rows; ICF_ERROR_ARGUMENT where the sizes are impossible or a row is not a whole number of blocks.
size_t rows_bytes(ggml_type type, long long n_rows, long long row_length);

void quantize_rows(ggml_type type, const float * rows, long long n_rows, long long row_length, void * target);
void dequantize_rows(ggml_type type, const void * source, long long n_rows, long long row_length, float * rows);

} // namespace icf
