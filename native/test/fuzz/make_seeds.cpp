// Writes the seeds of the fuzz targets: make_seeds FOLDER. They are kept in native/test/fuzz/seeds.
#include "fuzz_models.h"

using namespace test;

static void write_seed(const std::string & folder, const std::string & name, const std::string & bytes) {
    std::filesystem::create_directories(folder);
    write_file(folder + "/" + name, bytes);
}

static TinySizes smallest() {
    TinySizes sizes;
    sizes.n_embd = 4;
    sizes.n_ff = 4;
    sizes.n_vocab = 4;
    return sizes;
}

static void gguf(const std::string & folder) {
    GgufBuilder model = tiny_decoder(smallest());
    write_seed(folder, "model", model.build());
    model.set_text("llama.rope.scaling.type", "yarn").set_u32("llama.rope.scaling.original_context_length", 32);
    model.set_u32("llama.attention.sliding_window", 2).set_text("general.name", "Tiny");
    model.add_floats("blk.0.attn_q.bias", {4}, {1, 2, 3, 4}).add_floats("rope_freqs.weight", {1}, {2});
    write_seed(folder, "model-options", model.build());
    GgufBuilder former = tiny_former(smallest());
    write_seed(folder, "former", former.build());
    former.set_text("icformer.target.architecture", "llama").set_u32("icformer.target.vocab_size", 4);
    former.add_floats("marker_ft.weight", {4}, {1, 2, 3, 4});
    write_seed(folder, "former-options", former.build());
    GgufBuilder other;
    other.alignment = 8;
    other.set_u32("general.alignment", 8).set("a", GGUF_U8, uint8_t(1)).set("b", GGUF_F64, 2.0).set("c", GGUF_BOOL, uint8_t(1));
    other.set_raw("d", GGUF_ARRAY, gguf_array(GGUF_I16, 3, "abcdef")).set_texts("e", {"x", "", "yz"});
    other.add_tensor("q", {32, 2}, ICF_TYPE_Q8_0, std::string(68, 'q'))
        .add_tensor("h", {3, 1, 2}, ICF_TYPE_F16, std::string(12, 'h'));
    write_seed(folder, "values", other.build());
}

static void session(const std::string & folder) {
    Random random(1);
    for (int i = 0; i < 8; i++) {
        std::string bytes("\x0c\x00\x0c\x01\x01\x00\x00\x10\x08\x01", 10);
        while (bytes.size() < 120) {
            bytes += static_cast<char>(random.bits());
        }
        write_seed(folder, "play-" + std::to_string(i), bytes);
    }
}

static void states(const std::string & folder) {
    write_seed(folder, "good", std::string("\x03", 1));
    write_seed(folder, "length", std::string("\x03\x18\x00\x02\x18\x00\x04", 7));
    write_seed(folder, "outputs", std::string("\x03\x28\x00\x01\x20\x00\x00", 7));
    write_seed(folder, "longer", std::string("\x07\x40\x00\xff", 4));
    write_seed(folder, "own", std::string("\x02ICFSTATE\x01", 10) + std::string(80, '\0'));
}

int main(int argc, char ** argv) {
    REQUIRE(argc == 2);
    gguf(argv[1] + std::string("/fuzz_gguf"));
    session(argv[1] + std::string("/fuzz_session"));
    states(argv[1] + std::string("/fuzz_state"));
    return 0;
}
