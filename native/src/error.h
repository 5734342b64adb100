// Errors inside the library are exceptions; at its boundary they become a status and a message.
#pragma once

#include "icf.h"

#include <exception>
#include <string>

namespace icf {

class Error : public std::exception {
public:
    Error(icf_status status, std::string message) : status_(status), message_(std::move(message)) {}

    icf_status status() const noexcept { return status_; }
    const char * what() const noexcept override { return message_.c_str(); }

private:
    icf_status status_;
    std::string message_;
};

// Throws an Error with a message made as by printf.
[[noreturn]] void fail(icf_status status, const char * format, ...) __attribute__((format(printf, 2, 3)));

// A string made as by printf.
std::string text(const char * format, ...) __attribute__((format(printf, 1, 2)));

// Turns the exception in flight into a status and fills `error` where it is given.
icf_status report_current_exception(icf_error * error) noexcept;

// Every entry of the library runs its body in here: nothing but a status leaves.
template <typename Body> icf_status guard(icf_error * error, Body && body) noexcept {
    try {
        body();
        return ICF_OK;
    } catch (...) {
        return report_current_exception(error);
    }
}

} // namespace icf
