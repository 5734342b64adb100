#include "utf8.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace icf {

size_t utf8_length(std::string_view bytes) {
    const auto byte = [&](size_t i) { return static_cast<unsigned char>(bytes[i]); };
    if (bytes.empty() || byte(0) < 0x80) {
        return bytes.empty() ? 0 : 1;
    }
    const size_t length = byte(0) >= 0xF0 ? 4 : byte(0) >= 0xE0 ? 3 : 2;
    if (bytes.size() < length || byte(0) < 0xC0 || byte(0) >= 0xF8) {
        return 0;
    }
    uint32_t code = byte(0) & (0xFFu >> (length + 1));
    for (size_t i = 1; i < length; i++) {
        if ((byte(i) & 0xC0) != 0x80) {
            return 0;
        }
        code = code << 6 | (byte(i) & 0x3F);
    }
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000}; // what fewer bytes hold is no character
    const bool is_surrogate = code >= 0xD800 && code <= 0xDFFF;
    return code >= least[length] && code <= 0x10FFFF && !is_surrogate ? length : 0;
}

bool is_utf8(std::string_view bytes) {
    while (!bytes.empty()) {
        const size_t length = utf8_length(bytes);
        if (length == 0) {
            return false;
        }
        bytes.remove_prefix(length);
    }
    return true;
}

void copy_field(char * target, size_t capacity, std::string_view source) {
    size_t count = std::min(source.size(), capacity - 1);
    while (count > 0 && count < source.size() && (static_cast<unsigned char>(source[count]) & 0xC0) == 0x80) {
        count--;
    }
    memcpy(target, source.data(), count);
    memset(target + count, 0, capacity - count);
}

} // namespace icf
