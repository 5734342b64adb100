#include "utf8.h"

#include "check.h"

#include <string>

using namespace icf;

static void characters() {
    const struct {
        const char * bytes;
        size_t length;
    } cases[] = {
        {"", 0},
        {"a", 1},
        {"\x7f", 1},
        {"\xc2\x80", 2},
        {"\xdf\xbf", 2},
        {"\xe0\xa0\x80", 3},
        {"\xed\x9f\xbf", 3},
        {"\xee\x80\x80", 3},
        {"\xf0\x90\x80\x80", 4},
        {"\xf4\x8f\xbf\xbf", 4},
        {"\xc3\xa4 and more", 2}, // valid
        {"\x80", 0},
        {"\xbf", 0},
        {"\xc2", 0},
        {"\xc2z", 0},
        {"\xe2\x82", 0},
        {"\xf0\x9f\x97", 0},
        {"\xc0\x80", 0},
        {"\xc1\xbf", 0},
        {"\xe0\x9f\xbf", 0},
        {"\xf0\x8f\xbf\xbf", 0}, // longer than they need to be
        {"\xed\xa0\x80", 0},
        {"\xed\xbf\xbf", 0},
        {"\xf4\x90\x80\x80", 0},
        {"\xf8\x88\x80\x80\x80", 0},
        {"\xff", 0},
    };
    for (const auto & c : cases) {
        CHECK_SAYING(utf8_length(c.bytes) == c.length, "a character of %zu bytes, expected %zu, in '%s'", utf8_length(c.bytes),
                     c.length, c.bytes);
    }
    CHECK(is_utf8("") && is_utf8("größe 大小 \U0001F5DC") && is_utf8(std::string_view("a\0b", 3)));
    CHECK(!is_utf8("gr\xf6\xdf"
                   "e") &&
          !is_utf8("cut \xe5\xa4"));
}

static void fields() {
    char field[6];
    copy_field(field, sizeof(field), "abc");
    CHECK(memcmp(field, "abc\0\0\0", 6) == 0);
    copy_field(field, sizeof(field), "abcdefg");
    CHECK_TEXT("abcde", field);
    copy_field(field, sizeof(field), "abcdß"); // cut before a character that does not fit
    CHECK(memcmp(field, "abcd\0\0", 6) == 0);
    copy_field(field, sizeof(field), "");
    CHECK_TEXT("", field);
}

int main() {
    RUN(characters);
    RUN(fields);
    return check_result();
}
