// UTF-8 as files from strangers have it, or do not.
#pragma once

#include <cstddef>
#include <string_view>

namespace icf {

// Bytes of the character that `bytes` begins with; 0 if it begins with none.
size_t utf8_length(std::string_view bytes);

bool is_utf8(std::string_view bytes);

// Copies `source` into a field of `capacity` bytes, which is filled up with zeros and ends in one: cut to fit between two
// characters.
void copy_field(char * target, size_t capacity, std::string_view source);

} // namespace icf
