#include "former_file.h"

#include "error.h"
#include "fingerprint.h"
#include "formers/weights.h"
#include "utf8.h"

namespace icf {

void check_target(const GgufFile & file, const FormerParams & params, const Model & model) {
    const DecoderParams & target = model.params();
    const char * path = file.path().c_str();
    const char * target_path = model.file()->path().c_str();
    if (params.n_embd != target.n_embd) {
        fail(ICF_ERROR_MISMATCH, "%s: made for an LLM of width %d, %s has width %d", path, params.n_embd, target_path,
             target.n_embd);
    }
    if (!params.target_architecture.empty() && params.target_architecture != target.architecture) {
        fail(ICF_ERROR_MISMATCH, "%s: made for an LLM of architecture '%s', %s is '%s'", path,
             params.target_architecture.c_str(), target_path, target.architecture.c_str());
    }
    if (params.target_n_vocab != 0 && params.target_n_vocab != target.n_vocab) {
        fail(ICF_ERROR_MISMATCH, "%s: made for a vocabulary of %lld tokens, %s has %d", path, params.target_n_vocab,
             target_path, target.n_vocab);
    }
    if (params.target_vocab_hash != 0 && params.target_vocab_hash != model.vocab_hash()) {
        fail(ICF_ERROR_MISMATCH, "%s: made for another vocabulary than that of %s", path, target_path);
    }
}

void describe_former(const GgufFile & file, const Model * model, icf_former_info & info) {
    const FormerParams params = read_former_params(file);
    if (model) {
        check_target(file, params, *model);
    }
    info.n_embd = params.n_embd;
    info.n_digest = params.n_digest;
    info.chunk_length = params.chunk_length;
    info.fingerprint = fingerprint_of(file, params);
    info.has_reader = file.find_key("adapter.type") >= 0 ? 1 : 0;
    info.target_vocab_hash = params.target_vocab_hash;
    copy_field(info.type, sizeof(info.type), ggml_type_name(file.main_type()));
    copy_field(info.name, sizeof(info.name), file.string("general.name").value_or(""));
}

} // namespace icf
