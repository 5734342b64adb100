#include "hparams.h"

#include "error.h"

namespace icf {

static const double largest_number = 1e30; // of an epsilon or a RoPE constant, which become floats

int ParamReader::check(const char * name, long long value, long long largest) const {
    if (value < 1 || value > largest) {
        fail(ICF_ERROR_FORMAT, "%s: key '%s' is %lld, 1 to %lld is possible", path(), key(name).c_str(), value, largest);
    }
    return static_cast<int>(value);
}

int ParamReader::size(const char * name, long long largest) const {
    const auto value = file_.integer(key(name));
    if (!value) {
        fail(ICF_ERROR_FORMAT, "%s: key '%s' is missing", path(), key(name).c_str());
    }
    return check(name, *value, largest);
}

int ParamReader::size_or(const char * name, long long otherwise, long long largest) const {
    return check(name, file_.integer(key(name)).value_or(otherwise), largest);
}

float ParamReader::number_or(const char * name, double otherwise) const {
    const double value = file_.number(key(name)).value_or(otherwise);
    if (!(value >= 0 && value <= largest_number)) {
        fail(ICF_ERROR_FORMAT, "%s: key '%s' is %g", path(), key(name).c_str(), value);
    }
    return static_cast<float>(value);
}

float ParamReader::positive_or(const char * name, double otherwise) const {
    const float value = number_or(name, otherwise);
    if (!(value >= 1 / largest_number)) {
        fail(ICF_ERROR_FORMAT, "%s: key '%s' is %g, above 0 is possible", path(), key(name).c_str(), double(value));
    }
    return value;
}

std::string ParamReader::string_or(const char * name, const char * otherwise) const {
    return file_.string(key(name)).value_or(otherwise);
}

void check_heads(const ParamReader & reader, int n_head, int n_head_kv) {
    if (n_head % n_head_kv != 0) {
        fail(ICF_ERROR_FORMAT, "%s: %d heads cannot share %d key-value heads evenly", reader.path(), n_head, n_head_kv);
    }
}

void read_rope_scaling(const ParamReader & reader, bool yarn_is_known, RopeParams & rope) {
    const std::string type = reader.string_or("rope.scaling.type", "linear");
    if (yarn_is_known) {
        rope.attn_factor = reader.positive_or("rope.scaling.attn_factor", 1.0);
    }
    if (type == "none") {
        return;
    }
    if (type != "linear" && !(yarn_is_known && type == "yarn")) {
        fail(ICF_ERROR_UNSUPPORTED, "%s: RoPE scaling '%s' is not supported (none and linear%s are)", reader.path(),
             type.c_str(), yarn_is_known ? " and yarn" : "");
    }
    rope.scale = 1.0f / reader.positive_or("rope.scaling.factor", reader.positive_or("rope.scale_linear", 1.0));
    if (type == "yarn") {
        rope.ext_factor = 1.0f;
        rope.beta_fast = reader.positive_or("rope.scaling.yarn_beta_fast", 32.0);
        rope.beta_slow = reader.positive_or("rope.scaling.yarn_beta_slow", 1.0);
        rope.n_ctx_orig = reader.size_or("rope.scaling.original_context_length", rope.n_ctx_orig, max_context);
    }
}

} // namespace icf
