#include "arch/decoder.h"
#include "error.h"
#include "fingerprint.h"
#include "formers/weights.h"
#include "gguf_builder.h"

using namespace icf;
using namespace test;

static const TempFolder folder;

static DecoderParams decoder(const GgufBuilder & file) {
    return read_decoder_params(GgufFile(folder.write("decoder.gguf", file.build())));
}

static FormerParams former(const GgufBuilder & file) {
    return read_former_params(GgufFile(folder.write("former.gguf", file.build())));
}

static void decoder_sizes() {
    TinySizes sizes;
    sizes.n_embd = 24;
    sizes.n_ff = 40;
    sizes.n_layer = 2;
    sizes.n_head = 6;
    sizes.n_head_kv = 3;
    sizes.n_vocab = 11;
    const DecoderParams p = decoder(tiny_decoder(sizes));
    CHECK_TEXT("llama", p.architecture.c_str());
    CHECK_EQUAL(24, p.n_embd);
    CHECK_EQUAL(40, p.n_ff);
    CHECK_EQUAL(2, p.n_layer);
    CHECK_EQUAL(6, p.n_head);
    CHECK_EQUAL(3, p.n_head_kv);
    CHECK_EQUAL(4, p.n_embd_head);
    CHECK_EQUAL(24, p.n_embd_q());
    CHECK_EQUAL(12, p.n_embd_kv());
    CHECK_EQUAL(11, p.n_vocab);
    CHECK_EQUAL(64, p.n_ctx_train);
    CHECK_EQUAL(0, p.n_window);
    CHECK_CLOSE(1e-5, p.norm_eps, 1e-10);
    CHECK(!p.rope.halves && p.rope.n_dims == 4);
    CHECK_CLOSE(10000, p.rope.base, 0);
    CHECK_CLOSE(1, p.rope.scale, 0);
}

static void decoder_defaults() {
    GgufBuilder file = tiny_decoder();
    for (const char * name :
         {"context_length", "attention.head_count_kv", "attention.layer_norm_rms_epsilon", "rope.freq_base"}) {
        file.remove_key(std::string("llama.") + name);
    }
    const DecoderParams p = decoder(file);
    CHECK_EQUAL(2048, p.n_ctx_train);
    CHECK_EQUAL(p.n_head, p.n_head_kv);
    CHECK_CLOSE(1e-5, p.norm_eps, 1e-10);
    CHECK_CLOSE(10000, p.rope.base, 0);
}

static void decoder_options() {
    GgufBuilder file = tiny_decoder();
    file.set_u32("llama.attention.key_length", 16).set_u32("llama.attention.value_length", 16);
    file.set_u32("llama.rope.dimension_count", 8).set_u32("llama.attention.sliding_window", 5);
    file.set_text("llama.rope.scaling.type", "linear").set_f32("llama.rope.scaling.factor", 4.0f);
    const DecoderParams p = decoder(file);
    CHECK_EQUAL(16, p.n_embd_head);
    CHECK_EQUAL(8, p.rope.n_dims);
    CHECK_EQUAL(5, p.n_window);
    CHECK_CLOSE(0.25, p.rope.scale, 0);
    CHECK_CLOSE(0, p.rope.ext_factor, 0);

    file.set_text("llama.rope.scaling.type", "yarn").set_u32("llama.rope.scaling.original_context_length", 32);
    file.set_f32("llama.rope.scaling.attn_factor", 1.5f).set_f32("llama.rope.scaling.yarn_beta_fast", 16.0f);
    const DecoderParams yarn = decoder(file);
    CHECK_CLOSE(1, yarn.rope.ext_factor, 0);
    CHECK_CLOSE(1.5, yarn.rope.attn_factor, 0);
    CHECK_CLOSE(16, yarn.rope.beta_fast, 0);
    CHECK_EQUAL(32, yarn.rope.n_ctx_orig);
}

static void rope_scaling_as_in_older_files() {
    GgufBuilder file = tiny_decoder();
    file.set_f32("llama.rope.scale_linear", 2.0f);
    CHECK_CLOSE(0.5, decoder(file).rope.scale, 0);
    file.set_f32("llama.rope.scaling.factor", 4.0f);
    CHECK_CLOSE(0.25, decoder(file).rope.scale, 0);
    file.set_text("llama.rope.scaling.type", "none");
    CHECK_CLOSE(1, decoder(file).rope.scale, 0);

    GgufBuilder yarn = tiny_decoder();
    yarn.set_text("llama.rope.scaling.type", "yarn").set_u32("llama.context_length", 96);
    CHECK_EQUAL(96, decoder(yarn).rope.n_ctx_orig);
    CHECK_CLOSE(1, decoder(yarn).rope.attn_factor, 0);
    CHECK_CLOSE(1.5, decoder(yarn.set_f32("llama.rope.scaling.attn_factor", 1.5f)).rope.attn_factor, 0);
}

static void architectures() {
    for (const char * name : {"qwen2", "qwen3"}) {
        GgufBuilder file = tiny_decoder();
        for (GgufBuilder::Key & key : file.keys) {
            if (key.name.rfind("llama.", 0) == 0) {
                key.name = name + key.name.substr(5);
            }
        }
        file.set_text("general.architecture", name);
        const DecoderParams p = decoder(file);
        CHECK_TEXT(name, p.architecture.c_str());
        CHECK(p.rope.halves);
    }
    CHECK_THROWS(ICF_ERROR_UNSUPPORTED, decoder(tiny_decoder().set_text("general.architecture", "bert")));
    CHECK_THROWS(ICF_ERROR_UNSUPPORTED, decoder(tiny_former()));
    CHECK_THROWS(ICF_ERROR_FORMAT, decoder(tiny_decoder().remove_key("general.architecture")));
    CHECK_THROWS(ICF_ERROR_FORMAT, former(tiny_decoder()));
    CHECK_THROWS(ICF_ERROR_FORMAT, former(tiny_former().remove_key("general.architecture")));
}

static void vocabulary_size() {
    CHECK_EQUAL(7, decoder(tiny_decoder().remove_key("tokenizer.ggml.tokens").set_u32("llama.vocab_size", 7)).n_vocab);
    CHECK_EQUAL(20, decoder(tiny_decoder().set_u32("llama.vocab_size", 20)).n_vocab);
    CHECK_THROWS(ICF_ERROR_FORMAT, decoder(tiny_decoder().remove_key("tokenizer.ggml.tokens")));
    CHECK_THROWS(ICF_ERROR_FORMAT, decoder(tiny_decoder().set_texts("tokenizer.ggml.tokens", {})));
    CHECK_THROWS(ICF_ERROR_FORMAT, decoder(tiny_decoder().set_text("tokenizer.ggml.tokens", "one")));
}

// Each value alone makes the file impossible.
static void impossible_decoders() {
    const struct {
        const char * key;
        long long value;
        icf_status status;
    } cases[] = {
        {"embedding_length", 0, ICF_ERROR_FORMAT},
        {"embedding_length", -1, ICF_ERROR_FORMAT},
        {"embedding_length", 1LL << 40, ICF_ERROR_FORMAT},
        {"block_count", 0, ICF_ERROR_FORMAT},
        {"block_count", 100000, ICF_ERROR_FORMAT},
        {"attention.head_count", 0, ICF_ERROR_FORMAT},
        {"attention.head_count", 16, ICF_ERROR_FORMAT},
        {"attention.head_count_kv", 0, ICF_ERROR_FORMAT},
        {"attention.head_count_kv", 3, ICF_ERROR_FORMAT},
        {"feed_forward_length", 0, ICF_ERROR_FORMAT},
        {"context_length", 0, ICF_ERROR_FORMAT},
        {"context_length", 1LL << 31, ICF_ERROR_FORMAT},
        {"vocab_size", 1LL << 25, ICF_ERROR_FORMAT},
        {"rope.dimension_count", 3, ICF_ERROR_FORMAT},
        {"rope.dimension_count", 6, ICF_ERROR_FORMAT},
        {"rope.dimension_count", 0, ICF_ERROR_FORMAT},
        {"attention.key_length", 3, ICF_ERROR_FORMAT},
        {"attention.value_length", 6, ICF_ERROR_UNSUPPORTED},
        {"attention.key_length", 1 << 20, ICF_ERROR_FORMAT},
        {"attention.sliding_window", -1, ICF_ERROR_FORMAT},
        {"attention.sliding_window", 1LL << 32, ICF_ERROR_FORMAT},
        {"expert_count", 8, ICF_ERROR_UNSUPPORTED},
    };
    for (const auto & c : cases) {
        GgufBuilder file = tiny_decoder();
        file.set(std::string("llama.") + c.key, GGUF_I64, int64_t(c.value));
        CHECK_THROWS(c.status, decoder(file));
    }
    // Every factor is in its range, and their product is not.
    GgufBuilder file = tiny_decoder();
    file.set_u32("llama.attention.head_count", 1 << 20).set_u32("llama.attention.key_length", 1 << 20);
    CHECK_THROWS(ICF_ERROR_FORMAT, decoder(file));
}

static void impossible_numbers() {
    const double inf = INFINITY;
    for (double value : {-1.0, 0.0, 1e300, 1e-300, inf, -inf, std::nan("")}) {
        CHECK_THROWS(ICF_ERROR_FORMAT, decoder(tiny_decoder().set("llama.rope.freq_base", GGUF_F64, value)));
        CHECK_THROWS(ICF_ERROR_FORMAT, former(tiny_former().set("icformer.rope.freq_base", GGUF_F64, value)));
        GgufBuilder file = tiny_decoder().set_text("llama.rope.scaling.type", "linear");
        CHECK_THROWS(ICF_ERROR_FORMAT, decoder(file.set("llama.rope.scaling.factor", GGUF_F64, value)));
    }
    for (double value : {-1e-6, 1e300, inf, std::nan("")}) {
        const char * key = "attention.layer_norm_rms_epsilon";
        CHECK_THROWS(ICF_ERROR_FORMAT, decoder(tiny_decoder().set(std::string("llama.") + key, GGUF_F64, value)));
        CHECK_THROWS(ICF_ERROR_FORMAT, former(tiny_former().set(std::string("icformer.") + key, GGUF_F64, value)));
    }
    CHECK_THROWS(ICF_ERROR_UNSUPPORTED, decoder(tiny_decoder().set_text("llama.rope.scaling.type", "longrope")));
    CHECK_THROWS(ICF_ERROR_UNSUPPORTED, former(tiny_former().set_text("icformer.rope.scaling.type", "yarn")));
}

static void former_sizes() {
    TinySizes sizes;
    sizes.n_embd = 24;
    sizes.n_head = 3;
    sizes.n_layer = 3;
    sizes.n_digest = 5;
    GgufBuilder file = tiny_former(sizes).set_u32("icformer.cross_attention_interval", 2);
    file.set_text("icformer.target.architecture", "llama").set_u32("icformer.target.vocab_size", 100);
    file.set("icformer.target.vocab_hash", GGUF_U64, uint64_t(0xF000000000000001u))
        .set_u32("icformer.target.embedding_length", 24);
    const FormerParams p = former(file);
    CHECK_EQUAL(24, p.n_embd);
    CHECK_EQUAL(8, p.n_embd_head);
    CHECK_EQUAL(8, p.n_embd_kv());
    CHECK_EQUAL(5, p.n_digest);
    CHECK_EQUAL(16, p.chunk_length);
    CHECK(p.is_cross(0) && !p.is_cross(1) && p.is_cross(2));
    CHECK(p.rope.halves && p.rope.n_dims == 8);
    CHECK_TEXT("llama", p.target_architecture.c_str());
    CHECK_EQUAL(100, p.target_n_vocab);
    CHECK(static_cast<uint64_t>(p.target_vocab_hash) == 0xF000000000000001u);
}

static void impossible_formers() {
    const struct {
        const char * key;
        long long value;
    } cases[] = {
        {"embedding_length", 0},
        {"embedding_length", 9},
        {"attention.head_count", 0},
        {"attention.head_count", 3},
        {"attention.head_count", 8},
        {"attention.head_count_kv", 4},
        {"digest_count", 0},
        {"digest_count", 1 << 20},
        {"chunk_length", 0},
        {"cross_attention_interval", 0},
        {"cross_attention_interval", -1},
        {"target.embedding_length", 16},
        {"block_count", 1 << 20},
        {"feed_forward_length", 1LL << 33},
    };
    for (const auto & c : cases) {
        GgufBuilder file = tiny_former();
        file.set(std::string("icformer.") + c.key, GGUF_I64, int64_t(c.value));
        CHECK_THROWS(ICF_ERROR_FORMAT, former(file));
    }
    for (const char * key :
         {"embedding_length", "block_count", "attention.head_count", "feed_forward_length", "digest_count"}) {
        CHECK_THROWS(ICF_ERROR_FORMAT, former(tiny_former().remove_key(std::string("icformer.") + key)));
    }
}

static void hashes() {
    Hash hash;
    CHECK(static_cast<uint64_t>(hash.value()) == 0xcbf29ce484222325u);
    hash.add("foobar", 6);
    CHECK(static_cast<uint64_t>(hash.value()) == 0x85944171f73967e8u); // FNV-1a of "foobar"

    const auto of = [](const GgufBuilder & file) { return hash_vocabulary(GgufFile(folder.write("hash.gguf", file.build()))); };
    Hash expected;
    expected.add("ab\xFF\xFF"
                 "c\xFF",
                 6);
    CHECK_EQUAL(expected.value(), of(GgufBuilder().set_texts("tokenizer.ggml.tokens", {"ab", "", "c"})));
    CHECK(of(GgufBuilder().set_texts("tokenizer.ggml.tokens", {"a", "b"})) !=
          of(GgufBuilder().set_texts("tokenizer.ggml.tokens", {"ab", ""})));
    CHECK_EQUAL(0, of(GgufBuilder()));
    CHECK_EQUAL(0, of(GgufBuilder().set_u32("tokenizer.ggml.tokens", 3)));
}

int main() {
    RUN(decoder_sizes);
    RUN(decoder_defaults);
    RUN(decoder_options);
    RUN(rope_scaling_as_in_older_files);
    RUN(architectures);
    RUN(vocabulary_size);
    RUN(impossible_decoders);
    RUN(impossible_numbers);
    RUN(former_sizes);
    RUN(impossible_formers);
    RUN(hashes);
    return check_result();
}
