// What the file of an IC-Former says of it, without its weights.
#pragma once

#include "model.h"

namespace icf {

// ICF_ERROR_MISMATCH for a former that was made for another LLM.
void check_target(const GgufFile & file, const FormerParams & params, const Model & model);

// `model` is the LLM that the former has to be for; NULL for any.
void describe_former(const GgufFile & file, const Model * model, icf_former_info & info);

} // namespace icf
