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

// Cuts at a character's boundary, so that the message stays valid UTF-8.
static void copy_message(char * target, size_t capacity, const char * source) {
    size_t length = strlen(source);
    if (length >= capacity) {
        length = capacity - 1;
        while (length > 0 && (static_cast<unsigned char>(source[length]) & 0xC0) == 0x80) {
            length--;
        }
    }
    memcpy(target, source, length);
    target[length] = '\0';
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
