// Runs a fuzz target without libFuzzer: driver [-runs=N] FILE_OR_FOLDER …
// Every file once, then N variations of them, made by the same few changes a fuzzer begins with.
#include "fuzz.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

static uint64_t state = 1;

static uint64_t random_bits() {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return state >> 33;
}

static std::vector<uint8_t> vary(std::vector<uint8_t> bytes) {
    for (uint64_t n = 1 + random_bits() % 4; n > 0 && !bytes.empty(); n--) {
        const size_t at = random_bits() % bytes.size();
        const long offset = static_cast<long>(at);
        switch (random_bits() % 5) {
            case 0: bytes[at] = static_cast<uint8_t>(random_bits()); break;
            case 1: bytes[at] ^= static_cast<uint8_t>(1 << random_bits() % 8); break;
            case 2: bytes.insert(bytes.begin() + offset, 1 + random_bits() % 8, static_cast<uint8_t>(random_bits())); break;
            case 3:
                bytes.erase(bytes.begin() + offset, bytes.begin() + std::min(offset + 1 + static_cast<long>(random_bits() % 8),
                                                                             static_cast<long>(bytes.size())));
                break;
            default: bytes.resize(random_bits() % (bytes.size() + 1)); break;
        }
    }
    return bytes;
}

int main(int argc, char ** argv) {
    std::vector<std::vector<uint8_t>> inputs;
    std::vector<std::filesystem::path> paths;
    long runs = 0;
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "-runs=", 6) == 0) {
            runs = atol(argv[i] + 6);
        } else if (std::filesystem::is_directory(argv[i])) {
            for (const auto & entry : std::filesystem::directory_iterator(argv[i])) {
                paths.push_back(entry.path());
            }
        } else {
            paths.push_back(argv[i]);
        }
    }
    std::sort(paths.begin(), paths.end());
    for (const auto & path : paths) {
        std::ifstream file(path, std::ios::binary);
        if (!file) {
            fprintf(stderr, "%s: cannot be read\n", path.c_str());
            return 1;
        }
        inputs.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    }
    if (inputs.empty()) {
        fprintf(stderr, "no inputs\n");
        return 1;
    }
    for (const auto & input : inputs) {
        LLVMFuzzerTestOneInput(input.data(), input.size());
    }
    for (long i = 0; i < runs; i++) {
        const std::vector<uint8_t> input = vary(inputs[random_bits() % inputs.size()]);
        LLVMFuzzerTestOneInput(input.data(), input.size());
    }
    printf("%zu inputs, %ld variations\n", inputs.size(), runs);
    return 0;
}
