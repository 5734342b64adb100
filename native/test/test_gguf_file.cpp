#include "error.h"
#include "gguf_builder.h"
#include "gguf_file.h"

#include <sys/stat.h>

using namespace icf;
using namespace test;

static const TempFolder folder;

static GgufFile open_bytes(const std::string & bytes) {
    return GgufFile(folder.write("file.gguf", bytes));
}

// One key of every type, and arrays.
static GgufBuilder all_types() {
    GgufBuilder file;
    file.set("u8", GGUF_U8, uint8_t(200)).set("i8", GGUF_I8, int8_t(-100));
    file.set("u16", GGUF_U16, uint16_t(60000)).set("i16", GGUF_I16, int16_t(-30000));
    file.set("u32", GGUF_U32, uint32_t(4000000000u)).set("i32", GGUF_I32, int32_t(-2000000000));
    file.set("u64", GGUF_U64, uint64_t(0xFFFFFFFFFFFFFFFEu)).set("i64", GGUF_I64, int64_t(-5));
    file.set("f32", GGUF_F32, 1.5f).set("f64", GGUF_F64, -2.25).set("yes", GGUF_BOOL, uint8_t(1));
    file.set_text("text", "naïve");
    file.set_texts("texts", {"a", "", "ccc"});
    file.set_raw("numbers", GGUF_ARRAY,
                 gguf_array(GGUF_I16, 3, bytes_of(int16_t(1)) + bytes_of(int16_t(-2)) + bytes_of(int16_t(3))));
    file.set_raw("none", GGUF_ARRAY, gguf_array(GGUF_F32, 0, ""));
    return file;
}

static void values_of_every_type() {
    const GgufFile file = open_bytes(all_types().build());
    const auto integer = [&](const char * name) { return file.integer_at(file.find_key(name), 0); };
    CHECK_EQUAL(15, file.key_count());
    CHECK_EQUAL(200, integer("u8"));
    CHECK_EQUAL(-100, integer("i8"));
    CHECK_EQUAL(60000, integer("u16"));
    CHECK_EQUAL(-30000, integer("i16"));
    CHECK_EQUAL(4000000000LL, integer("u32"));
    CHECK_EQUAL(-2000000000, integer("i32"));
    CHECK_EQUAL(-2, integer("u64"));
    CHECK_EQUAL(-5, integer("i64"));
    CHECK_EQUAL(1, integer("yes"));
    CHECK_CLOSE(1.5, file.number_at(file.find_key("f32"), 0), 0);
    CHECK_CLOSE(-2.25, file.number_at(file.find_key("f64"), 0), 0);
    CHECK_CLOSE(-5, file.number_at(file.find_key("i64"), 0), 0);
    CHECK_TEXT("naïve", std::string(file.text_at(file.find_key("text"), 0)).c_str());
}

static void values_as_they_lie_in_the_file() {
    const GgufBuilder builder = all_types();
    const GgufFile file = open_bytes(builder.build());
    for (const GgufBuilder::Key & key : builder.keys) {
        const long long index = file.find_key(key.name);
        CHECK_EQUAL(key.type, file.key_file_type(index));
        CHECK_SAYING(file.key_bytes(index) == key.value, "the bytes of '%s' differ", key.name.c_str());
    }
}

static void kinds_and_arrays() {
    const GgufFile file = open_bytes(all_types().build());
    const long long texts = file.find_key("texts");
    CHECK_TEXT("texts", file.key_name(texts));
    CHECK_EQUAL(ICF_VALUE_TEXT, file.key_kind(texts));
    CHECK(file.key_is_array(texts));
    CHECK_EQUAL(3, file.key_length(texts));
    CHECK(file.text_at(texts, 0) == "a" && file.text_at(texts, 1).empty() && file.text_at(texts, 2) == "ccc");
    const long long numbers = file.find_key("numbers");
    CHECK_EQUAL(-2, file.integer_at(numbers, 1));
    CHECK_EQUAL(3, file.integer_at(numbers, 2));
    CHECK_EQUAL(0, file.key_length(file.find_key("none")));
    CHECK_EQUAL(ICF_VALUE_FLOAT, file.key_kind(file.find_key("f64")));
    CHECK_EQUAL(ICF_VALUE_BOOL, file.key_kind(file.find_key("yes")));
    CHECK(!file.key_is_array(file.find_key("yes")));
    CHECK_EQUAL(-1, file.find_key("missing"));
}

static void wrong_use() {
    const GgufFile file = open_bytes(all_types().build());
    CHECK_THROWS(ICF_ERROR_ARGUMENT, file.key_name(-1));
    CHECK_THROWS(ICF_ERROR_ARGUMENT, file.key_name(15));
    CHECK_THROWS(ICF_ERROR_ARGUMENT, file.integer_at(file.find_key("text"), 0));
    CHECK_THROWS(ICF_ERROR_ARGUMENT, file.integer_at(file.find_key("f32"), 0));
    CHECK_THROWS(ICF_ERROR_ARGUMENT, file.integer_at(file.find_key("numbers"), 3));
    CHECK_THROWS(ICF_ERROR_ARGUMENT, file.integer_at(file.find_key("numbers"), -1));
    CHECK_THROWS(ICF_ERROR_ARGUMENT, file.number_at(file.find_key("none"), 0));
    CHECK_THROWS(ICF_ERROR_ARGUMENT, file.number_at(file.find_key("text"), 0));
    CHECK_THROWS(ICF_ERROR_ARGUMENT, file.text_at(file.find_key("u8"), 0));
    CHECK_THROWS(ICF_ERROR_ARGUMENT, file.text_at(file.find_key("texts"), 3));
}

static void values_by_name() {
    const GgufFile file = open_bytes(all_types().build());
    CHECK_EQUAL(200, file.integer("u8").value_or(-1));
    CHECK_EQUAL(1, file.integer("yes").value_or(-1));
    CHECK(!file.integer("missing") && !file.number("missing") && !file.string("missing"));
    CHECK_CLOSE(200, file.number("u8").value_or(-1), 0);
    CHECK(file.string("text").value_or("") == "naïve");
    CHECK_THROWS(ICF_ERROR_FORMAT, file.integer("f32"));
    CHECK_THROWS(ICF_ERROR_FORMAT, file.integer("numbers"));
    CHECK_THROWS(ICF_ERROR_FORMAT, file.number("yes"));
    CHECK_THROWS(ICF_ERROR_FORMAT, file.string("u8"));
    CHECK_THROWS(ICF_ERROR_FORMAT, file.string("texts"));
}

static void tensors() {
    GgufBuilder builder;
    builder.add_floats("a", {2, 3}, {1, 2, 3, 4, 5, 6});
    builder.add_tensor("b", {32}, ICF_TYPE_Q8_0, std::string(34, 'x'));
    builder.add_floats("c", {1, 1, 1, 1}, {7});
    const std::string bytes = builder.build();
    const GgufFile file = open_bytes(bytes);
    CHECK_EQUAL(3, file.tensors().size());
    CHECK_EQUAL(1, file.find_tensor("b"));
    CHECK_EQUAL(-1, file.find_tensor("d"));
    const TensorEntry & a = file.tensors()[0];
    CHECK(a.name == "a" && a.type == GGML_TYPE_F32 && a.n_dims == 2);
    CHECK(a.ne[0] == 2 && a.ne[1] == 3 && a.ne[2] == 1 && a.ne[3] == 1);
    CHECK_EQUAL(24, a.bytes);
    CHECK_EQUAL(32, file.tensors()[1].offset);
    CHECK_EQUAL(34, file.tensors()[1].bytes);
    CHECK_EQUAL(96, file.tensors()[2].offset);
    CHECK_EQUAL(0, file.data_offset() % 32);
    CHECK_EQUAL(bytes.size(), file.handle().size());
    float value = 0;
    file.handle().read(file.data_offset() + a.offset + 4, &value, 4);
    CHECK_CLOSE(2, value, 0);
    CHECK_THROWS(ICF_ERROR_IO, file.handle().read(bytes.size() - 2, &value, 4));
}

static void alignment_and_version() {
    for (uint32_t alignment : {1u, 8u, 64u, 4096u}) {
        GgufBuilder builder;
        builder.alignment = alignment;
        builder.version = 2;
        builder.set_u32("general.alignment", alignment);
        builder.add_floats("a", {3}, {1, 2, 3}).add_floats("b", {1}, {4});
        const GgufFile file = open_bytes(builder.build());
        CHECK_EQUAL(alignment, file.alignment());
        CHECK_EQUAL(2, file.version());
        CHECK_EQUAL(0, file.data_offset() % alignment);
        float value = 0;
        file.handle().read(file.data_offset() + file.tensors()[1].offset, &value, 4);
        CHECK_CLOSE(4, value, 0);
    }
}

static void files_that_cannot_be_read() {
    CHECK_THROWS(ICF_ERROR_IO, GgufFile(folder.file("missing.gguf")));
    CHECK_THROWS(ICF_ERROR_IO, GgufFile(folder.file("")));
    CHECK_THROWS(ICF_ERROR_IO, GgufFile("/dev/zero"));
    CHECK_THROWS(ICF_ERROR_FORMAT, open_bytes(""));
    CHECK_THROWS(ICF_ERROR_FORMAT, open_bytes("GGUF"));
    CHECK_THROWS(ICF_ERROR_FORMAT, open_bytes(std::string(100, '\0')));
}

// Opening a pipe would wait for a writer that never comes.
static void pipes_do_not_block() {
    const std::string pipe = folder.file("pipe");
    REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
    CHECK_THROWS(ICF_ERROR_IO, GgufFile{pipe});
}

static void every_fixture_opens() {
    for (const char * kind : {"former", "decoder"}) {
        for (const std::string & name : fixtures(kind)) {
            const GgufFile file(fixture(name + ".gguf"));
            CHECK(file.version() == 3 && file.key_count() > 5 && file.tensors().size() > 5);
        }
    }
}

int main() {
    RUN(values_of_every_type);
    RUN(values_as_they_lie_in_the_file);
    RUN(kinds_and_arrays);
    RUN(wrong_use);
    RUN(values_by_name);
    RUN(tensors);
    RUN(alignment_and_version);
    RUN(files_that_cannot_be_read);
    RUN(pipes_do_not_block);
    RUN(every_fixture_opens);
    return check_result();
}
