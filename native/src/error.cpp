#include "error.h"

#include "utf8.h"

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

static bool is_control(std::string_view character) {
    const auto byte = [&](size_t i) { return static_cast<unsigned char>(character[i]); };
    return byte(0) < 0x20 || byte(0) == 0x7F || (byte(0) == 0xC2 && byte(1) < 0xA0);
}

// Messages hold names out of files: bytes that are not printable UTF-8 become '?'. Cuts between two characters.
static void copy_message(char * target, size_t capacity, std::string_view source) {
    char * const end = target + capacity - 1;
    while (!source.empty()) {
        const size_t length = utf8_length(source);
        const bool printable = length > 0 && !is_control(source);
        const size_t count = printable ? length : 1;
        if (count > static_cast<size_t>(end - target)) {
            break;
        }
        memcpy(target, printable ? source.data() : "?", count);
        target += count;
        source.remove_prefix(count);
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
