#include "naive.h"

using namespace test;

static const TempFolder folder;

struct Shape {
    TinySizes sizes;
    int interval;
    bool biased;
    double factor; // linear RoPE scaling
};

static void add_biases(GgufBuilder & file, const TinySizes & s) {
    Random random(99);
    for (int i = 0; i < s.n_layer; i++) {
        for (const char * part : {"q", "k", "v", "output"}) {
            const bool shared = *part == 'k' || *part == 'v';
            const int n = shared ? s.n_embd / s.n_head * s.n_head_kv : s.n_embd;
            file.add_floats("blk." + std::to_string(i) + ".attn_" + part + ".bias", {uint64_t(n)}, random.floats(size_t(n)));
        }
    }
}

static DigesterPtr open_with(const GgufBuilder & file, int method) {
    const std::string path = folder.write("former.gguf", file.build());
    icf_digester_options options;
    icf_digester_options_init(&options);
    options.device = check_device();
    options.n_threads = 1;
    options.method = method;
    icf_digester * digester = nullptr;
    REQUIRE_OK(icf_digester_open(path.c_str(), nullptr, &options, &digester, &check_error));
    return DigesterPtr(digester);
}

// Both methods against the formulas, for shapes that differ in every respect.
static void digests_of_many_shapes() {
    const Shape shapes[] = {
        {{8, 8, 1, 2, 1, 16, 2, 1}, 1, false, 1.0},   {{12, 20, 2, 3, 3, 16, 5, 2}, 1, true, 1.0},
        {{36, 10, 3, 2, 2, 16, 9, 3}, 2, false, 1.0}, {{16, 24, 4, 8, 2, 16, 17, 4}, 3, true, 4.0},
        {{80, 16, 2, 1, 1, 16, 3, 5}, 1, false, 2.5}, {{64, 32, 2, 4, 1, 16, 33, 6}, 5, true, 1.0},
    };
    for (const Shape & shape : shapes) {
        const TinySizes & s = shape.sizes;
        GgufBuilder file = tiny_former(s).set_u32("icformer.cross_attention_interval", uint32_t(shape.interval));
        file.set_text("icformer.rope.scaling.type", "linear").set_f32("icformer.rope.scaling.factor", float(shape.factor));
        for (int i = 0; i < s.n_layer; i++) {
            if (i % shape.interval != 0) {
                file.remove_tensor("blk." + std::to_string(i) + ".context_norm.weight");
            }
        }
        if (shape.biased) {
            add_biases(file, s);
        }
        NaiveSizes naive;
        naive.n_layer = s.n_layer;
        naive.n_embd_head = s.n_embd / s.n_head;
        naive.cross_interval = shape.interval;
        naive.rope.scale = 1 / shape.factor;
        const DigesterPtr plain = open_with(file, ICF_METHOD_PLAIN);
        const DigesterPtr fast = open_with(file, ICF_METHOD_FAST);
        for (int n : {0, 1, 15, 40}) {
            const std::vector<float> context = Random(7).floats(size_t(n * s.n_embd));
            const std::vector<float> expected = to_floats(naive_digest(file, naive, to_rows(context, s.n_embd)));
            CHECK_AT_MOST(tolerance(2e-5), relative_l2(digest_rows(plain.get(), context.data(), n, 0), expected));
            CHECK_AT_MOST(tolerance(2e-5), relative_l2(digest_rows(fast.get(), context.data(), n, 0), expected));
        }
    }
}

// Graphs of other lengths in between change nothing.
static void lengths_do_not_disturb_each_other() {
    for (int method : {ICF_METHOD_PLAIN, ICF_METHOD_FAST}) {
        const GgufBuilder file = tiny_former();
        const DigesterPtr digester = open_with(file, method);
        const std::vector<float> context = Random(8).floats(50 * 8);
        const auto first = digest_rows(digester.get(), context.data(), 20, 0);
        for (int n : {50, 0, 3, 33, 20}) {
            const auto rows = digest_rows(digester.get(), context.data(), n, 0);
            CHECK_AT_MOST(tolerance(1e-7), relative_l2(rows, digest_rows(open_with(file, method).get(), context.data(), n, 0)));
        }
        CHECK(same_result(first, digest_rows(digester.get(), context.data(), 20, 0)));
    }
}

int main() {
    RUN(digests_of_many_shapes);
    RUN(lengths_do_not_disturb_each_other);
    return check_result();
}
