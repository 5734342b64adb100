#include "gguf_builder.h"

using namespace test;

static const TempFolder folder;

static DigesterPtr open_method(const std::string & path, int method, int n_threads, int use_mmap, icf_model * model = nullptr,
                               long long max_table_bytes = -1) {
    icf_digester_options options;
    icf_digester_options_init(&options);
    options.device = check_device();
    options.n_threads = n_threads;
    options.use_mmap = use_mmap;
    options.method = method;
    options.max_table_bytes = max_table_bytes;
    icf_digester * digester = nullptr;
    REQUIRE_OK(icf_digester_open(path.c_str(), model, &options, &digester, &check_error));
    return DigesterPtr(digester);
}

// "n50_chunk24.digest" is the digest of 50 rows in chunks of at most 24, "n7.digest" that of 7 in one.
static void check_cases(const std::string & name, icf_digester * digester) {
    const Safetensors data(fixture(name + ".safetensors"));
    const std::vector<float> & context = data["context"].floats;
    int cases = 0;
    for (const auto & [key, array] : data.arrays()) {
        long long n = 0, max_chunk = 0;
        if (sscanf(key.c_str(), "n%lld_chunk%lld.digest", &n, &max_chunk) < 1) {
            continue;
        }
        const std::vector<float> rows = digest_rows(digester, context.data(), n, max_chunk);
        CHECK_SAYING(relative_l2(rows, array.floats) <= tolerance(2e-5), "%s %s: %.3g", name.c_str(), key.c_str(),
                     relative_l2(rows, array.floats));
        cases++;
    }
    CHECK(cases >= 4);
}

static void every_fixture() {
    for (const std::string & name : fixtures("former")) {
        for (int method : {ICF_METHOD_FAST, ICF_METHOD_PLAIN}) {
            check_cases(name, open_method(fixture(name + ".gguf"), method, 1, 1).get());
        }
    }
}

static void threads_and_maps() {
    for (const char * name : {"former-gqa", "former-interval3", "former-many-digests"}) {
        for (int method : {ICF_METHOD_FAST, ICF_METHOD_PLAIN}) {
            check_cases(name, open_method(fixture(std::string(name) + ".gguf"), method, 2, 1).get());
            const Safetensors data(fixture(std::string(name) + ".safetensors"));
            const float * context = data["context"].floats.data();
            const auto one = digest_rows(open_method(fixture(std::string(name) + ".gguf"), method, 1, 1).get(), context, 50, 0);
            const auto two = digest_rows(open_method(fixture(std::string(name) + ".gguf"), method, 2, 1).get(), context, 50, 0);
            const auto read =
                digest_rows(open_method(fixture(std::string(name) + ".gguf"), method, 1, 0).get(), context, 50, 0);
            CHECK(same_result(one, two));
            CHECK(same_result(one, read));
        }
    }
}

// Chunks of tokens, alone, in a batch, prepared or not, with a table or without, and as embeddings.
static void tokens_and_batches() {
    const ModelPtr model = open_model(fixture("decoder-llama-mha.gguf"));
    const std::vector<int32_t> tokens = Random(1).tokens(60, 276);
    const std::vector<long long> ends = {7, 7, 40, 41, 60}; // one of them is empty
    for (int method : {ICF_METHOD_FAST, ICF_METHOD_PLAIN}) {
        for (long long max_table_bytes : {-1LL, 0LL}) {
            const DigesterPtr digester =
                open_method(fixture("former-theta-eps.gguf"), method, 1, 1, model.get(), max_table_bytes);
            const icf_digester_info info = describe(digester.get());
            CHECK_EQUAL(method, info.method);
            const size_t chunk = size_t(info.n_digest) * info.n_embd;
            std::vector<float> batch(chunk * ends.size());
            CHECK_OK(icf_digester_run_batch(digester.get(), tokens.data(), ends.data(), (long long)ends.size(), batch.data(),
                                            (long long)batch.size(), &check_error));
            for (size_t i = 0; i < ends.size(); i++) {
                const long long begin = i == 0 ? 0 : ends[i - 1];
                const long long n = ends[i] - begin;
                const std::vector<float> from_batch(batch.begin() + long(i * chunk), batch.begin() + long((i + 1) * chunk));
                std::vector<float> single(chunk);
                CHECK_OK(
                    icf_digester_run(digester.get(), tokens.data() + begin, n, single.data(), (long long)chunk, &check_error));
                CHECK(same_result(single, from_batch));
                std::vector<float> embeddings(size_t(n) * info.n_embd);
                CHECK_OK(icf_model_embed_tokens(model.get(), tokens.data() + begin, n, embeddings.data(),
                                                (long long)embeddings.size(), &check_error));
                CHECK_AT_MOST(tolerance(1e-6), relative_l2(digest_rows(digester.get(), embeddings.data(), n, 0), single));
                const DigesterPtr fresh =
                    open_method(fixture("former-theta-eps.gguf"), method, 1, 1, model.get(), max_table_bytes);
                CHECK_OK(icf_digester_prepare(fresh.get(), tokens.data(), 60, &check_error));
                std::vector<float> prepared(chunk);
                CHECK_OK(
                    icf_digester_run(fresh.get(), tokens.data() + begin, n, prepared.data(), (long long)chunk, &check_error));
                CHECK_AT_MOST(tolerance(1e-6), relative_l2(prepared, single));
            }
        }
    }
}

static void table() {
    const ModelPtr model = open_model(fixture("decoder-llama-mha.gguf"));
    const DigesterPtr digester = open_method(fixture("former-theta-eps.gguf"), ICF_METHOD_FAST, 1, 1, model.get());
    icf_digester_info info = describe(digester.get());
    if (info.method != ICF_METHOD_FAST) {
        return; // this CPU cannot
    }
    CHECK_EQUAL(0, info.table_tokens);
    CHECK_EQUAL(276LL * 2 * 2 * 32 * 4, info.table_bytes);
    const int32_t tokens[] = {5, 6, 5, 275};
    CHECK_OK(icf_digester_prepare(digester.get(), tokens, 4, &check_error));
    CHECK_EQUAL(3, describe(digester.get()).table_tokens);
    std::vector<int32_t> all(276);
    for (int32_t i = 0; i < 276; i++) {
        all[size_t(i)] = i;
    }
    CHECK_OK(icf_digester_prepare(digester.get(), all.data(), 276, &check_error));
    CHECK_EQUAL(276, describe(digester.get()).table_tokens);
    const DigesterPtr small =
        open_method(fixture("former-theta-eps.gguf"), ICF_METHOD_FAST, 1, 1, model.get(), info.table_bytes - 1);
    CHECK_EQUAL(0, describe(small.get()).table_bytes);
}

// A former quantised as a whole, against plain computation with the same weights.
static void quantised_formers() {
    TinySizes sizes;
    sizes.n_embd = 256;
    sizes.n_ff = 512;
    sizes.n_head = 4;
    sizes.n_head_kv = 2;
    sizes.n_layer = 2;
    sizes.n_digest = 10;
    const GgufBuilder base = tiny_former(sizes);
    const std::vector<float> context = Random(2).floats(40 * 256);
    for (const char * name : {"f16", "bf16", "q8_0", "q4_0", "q4_K", "q6_K"}) {
        const int32_t type = icf_type_find(name);
        icf_type_info info;
        info.struct_size = sizeof(info);
        REQUIRE_OK(icf_type_describe(type, &info, &check_error));
        const QuantisedFiles files = quantise_matrices(base, type);
        // Rows are rounded too, to 8 bits.
        const DigesterPtr exact = open_method(folder.write("widened.gguf", files.widened.build()), ICF_METHOD_PLAIN, 1, 1);
        const std::vector<float> expected = digest_rows(exact.get(), context.data(), 40, 0);
        for (int method : {ICF_METHOD_FAST, ICF_METHOD_PLAIN}) {
            for (int n_threads : {1, 2}) {
                const DigesterPtr digester =
                    open_method(folder.write("packed.gguf", files.packed.build()), method, n_threads, 1);
                CHECK_TEXT(name, describe(digester.get()).type);
                const double distance = relative_l2(digest_rows(digester.get(), context.data(), 40, 0), expected);
                CHECK_SAYING(distance <= quantised_tolerance(check_device(), name, 0.06), "%s by method %d: %.4f", name, method,
                             distance);
            }
        }
    }
}

static void markers() {
    GgufBuilder file = tiny_former();
    const std::vector<float> ft = Random(3).floats(8), ae = Random(4).floats(8);
    file.add_floats("marker_ft.weight", {8}, ft).add_floats("marker_ae.weight", {8}, ae);
    const DigesterPtr digester = open_digester(folder.write("markers.gguf", file.build()));
    CHECK(describe(digester.get()).has_marker_ft && describe(digester.get()).has_marker_ae);
    std::vector<float> row(8);
    CHECK_OK(icf_digester_marker(digester.get(), ICF_MARKER_FT, row.data(), 8, &check_error));
    CHECK(same_result(row, ft));
    CHECK_OK(icf_digester_marker(digester.get(), ICF_MARKER_AE, row.data(), 8, &check_error));
    CHECK(same_result(row, ae));
    const DigesterPtr without = open_digester(folder.write("without.gguf", tiny_former().build()));
    CHECK(!describe(without.get()).has_marker_ft);
    CHECK_STATUS(ICF_ERROR_UNSUPPORTED, icf_digester_marker(without.get(), ICF_MARKER_FT, row.data(), 8, &check_error));
    CHECK_STATUS(ICF_ERROR_UNSUPPORTED, icf_digester_marker(without.get(), ICF_MARKER_AE, row.data(), 8, &check_error));
    CHECK_STATUS(ICF_ERROR_ARGUMENT, icf_digester_marker(digester.get(), 2, row.data(), 8, &check_error));
}

static void description() {
    const DigesterPtr digester =
        open_digester(folder.write("tiny.gguf", tiny_former().set_text("general.name", "Former").build()));
    const icf_digester_info info = describe(digester.get());
    CHECK(info.n_embd == 8 && info.n_layer == 1 && info.n_head == 2 && info.n_head_kv == 1 && info.n_ff == 8);
    CHECK(info.n_digest == 2 && info.chunk_length == 16 && info.cross_interval == 1 && info.n_threads == 1);
    CHECK_TEXT("Former", info.name);
    CHECK_TEXT("f32", info.type);
    CHECK_EQUAL(0, info.target_vocab_hash);
    CHECK_EQUAL(2 * 8 + 4 * 8 + 2 * 64 + 2 * 32 + 3 * 64, info.n_params);
    CHECK(icf_gguf_find_key(icf_digester_gguf(digester.get()), "icformer.digest_count") >= 0);
    TinySizes other;
    other.seed = 2;
    CHECK(info.fingerprint !=
          describe(open_digester(folder.write("other.gguf", tiny_former(other).build())).get()).fingerprint);
}

// A former made for another LLM is refused, naming what differs.
static void targets() {
    const ModelPtr model = open_model(folder.write("target.gguf", tiny_decoder().build()));
    const long long hash = describe(model.get()).vocab_hash;
    const auto open = [&](const GgufBuilder & file) {
        icf_digester * digester = nullptr;
        const std::string path = folder.write("made-for.gguf", file.build());
        const icf_status status = icf_digester_open(path.c_str(), model.get(), nullptr, &digester, &check_error);
        CHECK((status == ICF_OK) == (digester != nullptr));
        icf_digester_close(digester);
        return status;
    };
    GgufBuilder right =
        tiny_former().set_text("icformer.target.architecture", "llama").set_u32("icformer.target.vocab_size", 16);
    right.set("icformer.target.vocab_hash", GGUF_U64, uint64_t(hash)).set_u32("icformer.target.embedding_length", 8);
    CHECK_OK(open(right));
    CHECK_OK(open(tiny_former()));
    CHECK_STATUS(ICF_ERROR_MISMATCH, open(GgufBuilder(right).set_text("icformer.target.architecture", "qwen2")));
    CHECK(strstr(check_error.message, "qwen2"));
    CHECK_STATUS(ICF_ERROR_MISMATCH, open(GgufBuilder(right).set_u32("icformer.target.vocab_size", 17)));
    CHECK_STATUS(ICF_ERROR_MISMATCH, open(GgufBuilder(right).set("icformer.target.vocab_hash", GGUF_U64, uint64_t(hash + 1))));
    TinySizes wide;
    wide.n_embd = 16;
    CHECK_STATUS(ICF_ERROR_MISMATCH, open(tiny_former(wide)));
    CHECK(strstr(check_error.message, "width 16"));
}

// Weights in place follow the file: that is noticed before they are used.
static void files_that_change() {
    const std::string path = folder.write("changes.gguf", tiny_former().build());
    const DigesterPtr mapped = open_method(path, ICF_METHOD_PLAIN, 1, 1);
    const DigesterPtr read = open_method(path, ICF_METHOD_PLAIN, 1, 0);
    const std::vector<float> context = Random(5).floats(3 * 8);
    std::vector<float> rows(16);
    CHECK_OK(icf_digester_run_rows(mapped.get(), context.data(), 3, rows.data(), 16, &check_error));
    std::filesystem::resize_file(path, 64);
    CHECK_STATUS(ICF_ERROR_IO, icf_digester_run_rows(mapped.get(), context.data(), 3, rows.data(), 16, &check_error));
    CHECK_OK(icf_digester_run_rows(read.get(), context.data(), 3, rows.data(), 16, &check_error));
}

// The markers are copies: touching a page beyond the end of a shortened file would end the process.
static void markers_of_a_file_that_is_cut() {
    GgufBuilder file = tiny_former();
    const std::vector<float> ft = Random(6).floats(8);
    file.add_floats("marker_ft.weight", {8}, ft);
    const std::string path = folder.write("cut.gguf", file.build());
    const DigesterPtr digester = open_method(path, ICF_METHOD_PLAIN, 1, 1);
    std::filesystem::resize_file(path, 0);
    std::vector<float> row(8);
    CHECK_OK(icf_digester_marker(digester.get(), ICF_MARKER_FT, row.data(), 8, &check_error));
    CHECK(row == ft);
}

// What a norm cannot square is refused by every method, and not taken for zeros by some.
static void rows_that_are_no_numbers() {
    const std::string path = folder.write("rows.gguf", tiny_former().build());
    for (int32_t method : {ICF_METHOD_FAST, ICF_METHOD_PLAIN}) {
        const DigesterPtr digester = open_method(path, method, 1, 1);
        std::vector<float> rows(16);
        for (float value : {2e19f, -3e38f, INFINITY, std::nanf("")}) {
            std::vector<float> context = Random(5).floats(3 * 8);
            context[9] = value;
            CHECK_STATUS(ICF_ERROR_ARGUMENT,
                         icf_digester_run_rows(digester.get(), context.data(), 3, rows.data(), 16, &check_error));
        }
    }
}

int main() {
    RUN(every_fixture);
    RUN(threads_and_maps);
    RUN(tokens_and_batches);
    RUN(table);
    RUN(quantised_formers);
    RUN(markers);
    RUN(description);
    RUN(targets);
    RUN(rows_that_are_no_numbers);
    RUN_ON_CPU(markers_of_a_file_that_is_cut);
    RUN_ON_CPU(files_that_change); // elsewhere weights are copies
    return check_result();
}
