#include "arch/decoder.h"
#include "error.h"
#include "formers/weights.h"
#include "gguf_builder.h"

using namespace icf;
using namespace test;

static const TempFolder folder;

static std::shared_ptr<const GgufFile> open_file(const GgufBuilder & file) {
    return std::make_shared<const GgufFile>(folder.write("weights.gguf", file.build()));
}

static std::vector<float> values_of(const ggml_tensor * tensor) {
    std::vector<float> values(static_cast<size_t>(ggml_nelements(tensor)));
    ggml_backend_tensor_get(tensor, values.data(), 0, ggml_nbytes(tensor));
    return values;
}

static GgufBuilder few_tensors() {
    GgufBuilder file;
    file.set_text("general.architecture", "test");
    file.add_floats("m", {3, 2}, {1, 2, 3, 4, 5, 6}).add_floats("v", {4}, {7, 8, 9, 10});
    return file;
}

static void map_and_copy_hold_the_same() {
    for (bool use_mmap : {false, true}) {
        TensorStore store(open_file(few_tensors()), check_device(), use_mmap);
        CHECK(same_bits(values_of(store.matrix("m", 3, 2)), {1, 2, 3, 4, 5, 6}));
        CHECK(same_bits(values_of(store.vector("v", 4)), {7, 8, 9, 10}));
        CHECK_EQUAL(40, store.bytes());
        CHECK_EQUAL(10, store.parameters());
        store.check_all_used();
    }
}

// What ggml cannot use in place is copied, map or not.
static void unaligned_files_are_copied() {
    GgufBuilder file = few_tensors();
    file.alignment = 8;
    file.set_u32("general.alignment", 8).set_text("padding", "xyz");
    TensorStore store(open_file(file), check_device(), true);
    CHECK(same_bits(values_of(store.matrix("m", 3, 2)), {1, 2, 3, 4, 5, 6}));
    CHECK(same_bits(values_of(store.vector("v", 4)), {7, 8, 9, 10}));
}

static void look_up() {
    TensorStore store(open_file(few_tensors()), check_device(), true);
    CHECK(!store.find_matrix("none", 3, 2) && !store.find_vector("none", 3));
    CHECK_THROWS(ICF_ERROR_FORMAT, store.matrix("none", 3, 2));
    CHECK_THROWS(ICF_ERROR_FORMAT, store.vector("none", 3));
    CHECK_THROWS(ICF_ERROR_FORMAT, store.matrix("m", 2, 3));
    CHECK_THROWS(ICF_ERROR_FORMAT, store.vector("m", 3));
    CHECK_THROWS(ICF_ERROR_UNSUPPORTED, store.check_all_used());
    store.ignore("m");
    store.ignore("none");
    store.vector("v", 4);
    store.check_all_used();
}

static void types_of_weights() {
    GgufBuilder file = few_tensors();
    file.add_tensor("f16", {4}, ICF_TYPE_F16, std::string(8, '\0'))
        .add_tensor("i32", {2, 2}, GGML_TYPE_I32, std::string(16, '\0'));
    file.add_tensor("q8_1", {32, 1}, GGML_TYPE_Q8_1, std::string(36, '\0'));
    file.add_tensor("q8_0", {32, 4}, ICF_TYPE_Q8_0, std::string(136, '\0'));
    TensorStore store(open_file(file), check_device(), true);
    CHECK_THROWS(ICF_ERROR_UNSUPPORTED, store.vector("f16", 4));
    CHECK_THROWS(ICF_ERROR_UNSUPPORTED, store.matrix("i32", 2, 2));
    CHECK_THROWS(ICF_ERROR_UNSUPPORTED, store.matrix("q8_1", 32, 1));
    CHECK(store.matrix("q8_0", 32, 4)->type == GGML_TYPE_Q8_0);
    CHECK(store.main_type() == GGML_TYPE_Q8_0);
}

// Where the device's products ask for that; the embeddings, which are looked up, and vectors stay as they are.
static void halves_that_are_widened() {
    std::vector<Device> & all = const_cast<std::vector<Device> &>(devices());
    all.push_back({all.front().handle, ICF_DEVICE_GPU});             // the CPU as if it were a GPU
    const std::string halves("\x00\x3c\x00\xc0\x01\x00\xff\x7b", 8); // 1, -2, 2^-24, 65504
    GgufBuilder file = few_tensors();
    file.add_tensor("w", {2, 2}, ICF_TYPE_F16, halves).add_tensor("token_embd.weight", {2, 2}, ICF_TYPE_F16, halves);
    TensorStore store(open_file(file), static_cast<int>(all.size()) - 1, true, false, nullptr, nullptr, {true, nullptr});
    CHECK(store.matrix("token_embd.weight", 2, 2)->type == GGML_TYPE_F16);
    REQUIRE(store.matrix("w", 2, 2)->type == GGML_TYPE_F32);
    CHECK(same_bits(values_of(store.matrix("w", 2, 2)), {1, -2, 0x1p-24f, 65504}));
    CHECK(same_bits(values_of(store.matrix("m", 3, 2)), {1, 2, 3, 4, 5, 6}));
    TensorStore on_cpu(open_file(file), 0, true, false, nullptr, nullptr, {true, nullptr});
    CHECK(on_cpu.matrix("w", 2, 2)->type == GGML_TYPE_F16);
    all.pop_back();
}

// Two heads of four rows, and of a tensor that has no whole heads none.
static void heads_that_are_interleaved() {
    std::vector<Device> & all = const_cast<std::vector<Device> &>(devices());
    all.push_back({all.front().handle, ICF_DEVICE_GPU}); // the CPU as if it were a GPU
    const std::vector<float> rows = {0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7};
    GgufBuilder file;
    file.set_text("general.architecture", "test").add_floats("w", {2, 8}, rows).add_floats("b", {8}, {0, 1, 2, 3, 4, 5, 6, 7});
    file.add_floats("odd", {2, 3}, {1, 2, 3, 4, 5, 6}).add_floats("other", {2, 8}, rows);
    const DeviceLayout layout = {false, [](const std::string & name) -> long long { return name == "other" ? 0 : 4; }};
    TensorStore store(open_file(file), static_cast<int>(all.size()) - 1, true, false, nullptr, nullptr, layout);
    CHECK(same_bits(values_of(store.matrix("w", 2, 8)), {0, 0, 2, 2, 1, 1, 3, 3, 4, 4, 6, 6, 5, 5, 7, 7}));
    CHECK(same_bits(values_of(store.vector("b", 8)), {0, 2, 1, 3, 4, 6, 5, 7}));
    CHECK(same_bits(values_of(store.matrix("odd", 2, 3)), {1, 2, 3, 4, 5, 6}));
    CHECK(same_bits(values_of(store.matrix("other", 2, 8)), rows));
    all.pop_back();
}

static void files_without_tensors() {
    GgufBuilder file;
    CHECK_THROWS(ICF_ERROR_FORMAT, TensorStore(open_file(file.set_text("general.architecture", "test")), check_device(), true));
}

// A tensor missing from a model, or one too many.
static void parts_of_models() {
    const auto load = [](const GgufBuilder & file, bool former) {
        const auto opened = open_file(file);
        TensorStore store(opened, check_device(), true);
        if (former) {
            load_former_weights(store, read_former_params(*opened));
        } else {
            load_decoder_weights(store, read_decoder_params(*opened));
        }
    };
    for (bool former : {false, true}) {
        const GgufBuilder whole = former ? tiny_former() : tiny_decoder();
        load(whole, former);
        for (const GgufBuilder::Tensor & tensor : whole.tensors) {
            CHECK_THROWS(ICF_ERROR_FORMAT, load(GgufBuilder(whole).remove_tensor(tensor.name), former));
            GgufBuilder other = whole;
            other.tensor(tensor.name).shape.back()++;
            other.tensor(tensor.name).data += std::string(64, '\0');
            CHECK_THROWS(ICF_ERROR_FORMAT, load(other, former));
        }
        CHECK_THROWS(ICF_ERROR_UNSUPPORTED, load(GgufBuilder(whole).add_floats("blk.0.extra.weight", {1}, {0}), former));
        CHECK_THROWS(ICF_ERROR_UNSUPPORTED,
                     load(GgufBuilder(whole).add_floats("blk.1.attn_norm.weight", {8}, std::vector<float>(8)), former));
    }
    GgufBuilder half = tiny_former();
    half.tensor("digest_embd.weight").type = ICF_TYPE_F16;
    half.tensor("digest_embd.weight").data.resize(32);
    CHECK_THROWS(ICF_ERROR_UNSUPPORTED, load(half, true));
    load(tiny_decoder().add_floats("blk.0.attn_rot_embd.weight", {2}, {1, 1}), false);
}

// NaN or infinity in the small F32 tensors, which everything passes through, makes a file useless and is cheap to find.
static void numbers_that_are_none() {
    for (float value : {INFINITY, -INFINITY, std::nanf("")}) {
        for (bool use_mmap : {false, true}) {
            GgufBuilder file = few_tensors();
            file.tensor("v").data.replace(4, 4, bytes_of(value));
            TensorStore store(open_file(file), check_device(), use_mmap);
            CHECK_THROWS(ICF_ERROR_FORMAT, store.vector("v", 4));
        }
    }
}

// A map shows what happens to its file: that must be noticed before a page beyond its end is touched.
static void changes_on_disk() {
    for (bool use_mmap : {false, true}) {
        const auto file = open_file(few_tensors());
        TensorStore store(file, check_device(), use_mmap);
        store.check_unchanged();
        std::filesystem::resize_file(file->path(), 100);
        if (use_mmap) {
            CHECK_THROWS(ICF_ERROR_IO, store.check_unchanged());
        } else {
            store.check_unchanged();
            CHECK(same_bits(values_of(store.vector("v", 4)), {7, 8, 9, 10}));
        }
    }
    const auto file = open_file(few_tensors());
    TensorStore store(file, check_device(), true);
    const auto time = std::filesystem::last_write_time(file->path());
    std::filesystem::last_write_time(file->path(), time + std::chrono::seconds(1)); // as if written to
    CHECK_THROWS(ICF_ERROR_IO, store.check_unchanged());
    std::filesystem::last_write_time(file->path(), time);
    store.check_unchanged();
    std::filesystem::remove(file->path()); // the map keeps what it shows
    store.check_unchanged();
    CHECK(same_bits(values_of(store.vector("v", 4)), {7, 8, 9, 10}));
}

// A file that is shortened between the look at its header and the reading of its weights.
static void files_that_shrink_while_read() {
    const auto file = open_file(few_tensors());
    std::filesystem::resize_file(file->path(), file->data_offset() + 8);
    CHECK_THROWS(ICF_ERROR_IO, TensorStore(file, check_device(), false));
}

int main() {
    RUN(map_and_copy_hold_the_same);
    RUN(unaligned_files_are_copied);
    RUN(look_up);
    RUN(types_of_weights);
    RUN(halves_that_are_widened);
    RUN(heads_that_are_interleaved);
    RUN(files_without_tensors);
    RUN(parts_of_models);
    RUN(numbers_that_are_none);
    RUN_ON_CPU(changes_on_disk); // elsewhere weights are copies
    RUN(files_that_shrink_while_read);
    return check_result();
}
