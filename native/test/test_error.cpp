#include "check.h"
#include "error.h"

#include <new>
#include <stdexcept>
#include <string>

using namespace icf;

static void status_and_message() {
    CHECK_STATUS(ICF_OK, guard(&check_error, [] {}));
    CHECK_STATUS(ICF_ERROR_FORMAT, guard(&check_error, [] { fail(ICF_ERROR_FORMAT, "%s has %d", "file", 3); }));
    CHECK_TEXT("file has 3", check_error.message);
    CHECK(guard(nullptr, [] { fail(ICF_ERROR_IO, "no one asks"); }) == ICF_ERROR_IO);
}

static void other_exceptions() {
    CHECK_STATUS(ICF_ERROR_MEMORY, guard(&check_error, [] { throw std::bad_alloc(); }));
    CHECK_STATUS(ICF_ERROR_MEMORY, guard(&check_error, [] { throw std::length_error("vector"); }));
    CHECK_STATUS(ICF_ERROR_INTERNAL, guard(&check_error, [] { throw std::out_of_range("map::at"); }));
    CHECK_TEXT("map::at", check_error.message);
    CHECK_STATUS(ICF_ERROR_INTERNAL, guard(&check_error, [] { throw 7; }));
}

static void success_leaves_error_untouched() {
    icf_error error = {ICF_ERROR_IO, "from before"};
    CHECK(guard(&error, [] {}) == ICF_OK);
    CHECK_EQUAL(ICF_ERROR_IO, error.status);
    CHECK_TEXT("from before", error.message);
}

// A long message is cut between two characters, whatever their lengths and wherever the end falls.
static void long_messages_stay_utf8() {
    for (const char * character : {"a", "é", "€", "😀"}) {
        for (int shift = 0; shift < 4; shift++) {
            std::string message(static_cast<size_t>(shift), '.');
            while (message.size() < 1000) {
                message += character;
            }
            CHECK_STATUS(ICF_ERROR_IO, guard(&check_error, [&] { throw Error(ICF_ERROR_IO, message); }));
            const std::string cut = check_error.message;
            CHECK(cut.size() <= sizeof(check_error.message) - 1);
            CHECK(cut.size() > sizeof(check_error.message) - 5);
            CHECK(message.compare(0, cut.size(), cut) == 0);
            CHECK((cut.size() - static_cast<size_t>(shift)) % strlen(character) == 0);
        }
    }
}

// Names out of a file reach messages: what is not printable UTF-8 must not reach a terminal or a decoder.
static void messages_are_printable_utf8() {
    const auto reported = [](const std::string & message) {
        CHECK_STATUS(ICF_ERROR_FORMAT, guard(&check_error, [&] { throw Error(ICF_ERROR_FORMAT, message); }));
        return std::string(check_error.message);
    };
    CHECK_TEXT("key '?[31m' and ?", reported("key '\x1b[31m' and \x7f").c_str());
    CHECK_TEXT("a?b?c", reported("a\nb\tc").c_str());
    CHECK_TEXT("naïve € 😀", reported("naïve € 😀").c_str());
    CHECK_TEXT("?", reported("\x80").c_str());                // continuation without a start
    CHECK_TEXT("??", reported("\xC0\xAF").c_str());           // overlong
    CHECK_TEXT("???", reported("\xE0\x80\x80").c_str());      // overlong
    CHECK_TEXT("???", reported("\xED\xA0\x80").c_str());      // a surrogate
    CHECK_TEXT("????", reported("\xF4\x90\x80\x80").c_str()); // beyond U+10FFFF
    CHECK_TEXT("x??", reported("x\xE2\x82").c_str());         // cut off
    CHECK_TEXT("?y", reported("\xFFy").c_str());
    CHECK_TEXT("??", reported("\xC2\x9B").c_str()); // a C1 control character: CSI to some terminals
}

static void text_formats() {
    CHECK_TEXT("blk.7.attn", text("blk.%d.%s", 7, "attn").c_str());
    CHECK_EQUAL(2047, text("%s", std::string(5000, 'x').c_str()).size());
}

int main() {
    RUN(status_and_message);
    RUN(other_exceptions);
    RUN(success_leaves_error_untouched);
    RUN(long_messages_stay_utf8);
    RUN(messages_are_printable_utf8);
    RUN(text_formats);
    return check_result();
}
