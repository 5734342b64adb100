#include "error.h"

#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <new>
#include <stdexcept>

namespace icf {

static std::string format_text(const char * format, va_list arguments) {
    char buffer[2048];
    vsnprintf(buffer, sizeof(buffer), format, arguments);
    return buffer;
}

std::string text(const char * format, ...) {
    va_list arguments;
    va_start(arguments, format);
    std::string result = format_text(format, arguments);
    va_end(arguments);
    return result;
}

void fail(icf_status status, const char * format, ...) {
    va_list arguments;
    va_start(arguments, format);
    std::string message = format_text(format, arguments);
    va_end(arguments);
    throw Error(status, std::move(message));
}

// Bytes of the UTF-8 character that begins at `at`; 0 if there is none, or only a control character.
static size_t character_length(const char * at) {
    const auto byte = [&](size_t i) { return static_cast<unsigned char>(at[i]); };
    if (byte(0) < 0x80) {
        return byte(0) >= 0x20 && byte(0) != 0x7F;
    }
    const size_t length = byte(0) >= 0xF0 ? 4 : byte(0) >= 0xE0 ? 3 : 2;
    uint32_t code = byte(0) & (0xFFu >> (length + 1));
    for (size_t i = 1; i < length; i++) {
        if ((byte(i) & 0xC0) != 0x80) {
            return 0;
        }
        code = code << 6 | (byte(i) & 0x3F);
    }
    static const uint32_t least[] = {0, 0, 0xA0, 0x800, 0x10000}; // what fewer bytes hold is no character; 80 … 9F are controls
    const bool valid = byte(0) >= 0xC0 && byte(0) < 0xF8 && code >= least[length] && code <= 0x10FFFF;
    return valid && (code < 0xD800 || code > 0xDFFF) ? length : 0;
}

// Messages hold names out of files: bytes that are not printable UTF-8 become '?'. Cuts between two characters.
static void copy_message(char * target, size_t capacity, const char * source) {
    char * const end = target + capacity - 1;
    while (*source) {
        const size_t length = character_length(source);
        const size_t count = length ? length : 1;
        if (count > static_cast<size_t>(end - target)) {
            break;
        }
        memcpy(target, length ? source : "?", count);
        target += count;
        source += count;
    }
    *target = '\0';
}

static icf_status report(icf_error * error, icf_status status, const char * message) {
    if (error) {
        error->status = status;
        copy_message(error->message, sizeof(error->message), message);
    }
    return status;
}

icf_status report_current_exception(icf_error * error) noexcept {
    try {
        throw;
    } catch (const Error & e) {
        return report(error, e.status(), e.what());
    } catch (const std::bad_alloc &) {
        return report(error, ICF_ERROR_MEMORY, "out of memory");
    } catch (const std::length_error &) {
        return report(error, ICF_ERROR_MEMORY, "out of memory");
    } catch (const std::exception & e) {
        return report(error, ICF_ERROR_INTERNAL, e.what());
    } catch (...) {
        return report(error, ICF_ERROR_INTERNAL, "unknown exception");
    }
}

} // namespace icf
