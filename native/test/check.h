/* Checks for tests in C11 and C++17. A program RUNs its tests and returns check_result(): 0 if every check held, 77 if all of
 * its tests were skipped. Tests compute on the device that the environment variable ICF_TEST_DEVICE names, by index or name,
 * else on the CPU. */
#ifndef ICF_TEST_CHECK_H
#define ICF_TEST_CHECK_H

#include "icf.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int check_total;
static int check_failures;
static int check_skipped;
static const char *check_skip_reason; /* of the test that runs */
static const char *check_test = "";
static icf_error check_error; /* for calls inside CHECK_STATUS and CHECK_OK */

#define CHECK(condition) check_that(!!(condition), __FILE__, __LINE__, "%s", #condition)

/* The same, with a message made as by printf that tells the values. */
#define CHECK_SAYING(condition, ...) check_that(!!(condition), __FILE__, __LINE__, __VA_ARGS__)

#define CHECK_EQUAL(expected, value) check_equal((long long)(expected), (long long)(value), #value, __FILE__, __LINE__)

/* |expected - value| <= tolerance; NaN is never close. */
#define CHECK_CLOSE(expected, value, tolerance)                                                                                \
    check_close((double)(expected), (double)(value), (double)(tolerance), #value, __FILE__, __LINE__)

#define CHECK_AT_MOST(limit, value) check_at_most((double)(limit), (double)(value), #value, __FILE__, __LINE__)

#define CHECK_TEXT(expected, value) check_text((expected), (value), #value, __FILE__, __LINE__)

/* The call passes &check_error; a failure must have filled it. */
#define CHECK_STATUS(expected, call) check_status((expected), (check_clear(), (call)), #call, __FILE__, __LINE__)
#define CHECK_OK(call) CHECK_STATUS(ICF_OK, call)

/* Ends the program where nothing after it would make sense. */
#define REQUIRE(condition) (CHECK(condition) ? (void)0 : check_stop())
#define REQUIRE_OK(call) (CHECK_OK(call) ? (void)0 : check_stop())

/* Leaves a test that does not apply here; its name and the reason are printed. */
#define SKIP(reason)                                                                                                           \
    do {                                                                                                                       \
        check_skip_reason = (reason);                                                                                          \
        return;                                                                                                                \
    } while (0)

#define RUN(test) check_run(test, #test)

/* For tests of what the CPU alone does. */
#define RUN_ON_CPU(test) (check_device() == 0 ? RUN(test) : check_skip(#test, "of the CPU alone"))

static inline int check_that(int holds, const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static inline int check_that(int holds, const char *file, int line, const char *format, ...) {
    check_total++;
    if (!holds) {
        va_list arguments;
        check_failures++;
        fprintf(stderr, "%s:%d: %s: failed: ", file, line, check_test);
        va_start(arguments, format);
        vfprintf(stderr, format, arguments);
        va_end(arguments);
        fputc('\n', stderr);
    }
    return holds;
}

static inline int check_equal(long long expected, long long value, const char *what, const char *file, int line) {
    return check_that(expected == value, file, line, "%s is %lld, expected %lld", what, value, expected);
}

static inline int check_close(double expected, double value, double tolerance, const char *what, const char *file, int line) {
    return check_that(fabs(expected - value) <= tolerance || expected == value, file, line,
                      "%s is %.9g, expected %.9g within %.3g", what, value, expected, tolerance);
}

static inline int check_at_most(double limit, double value, const char *what, const char *file, int line) {
    return check_that(value <= limit, file, line, "%s is %.6g, expected at most %.6g", what, value, limit);
}

static inline int check_text(const char *expected, const char *value, const char *what, const char *file, int line) {
    return check_that(value && strcmp(expected, value) == 0, file, line, "%s is '%s', expected '%s'", what,
                      value ? value : "(null)", expected);
}

static inline void check_clear(void) {
    memset(&check_error, 0, sizeof(check_error));
}

static inline int check_status(int32_t expected, int32_t status, const char *call, const char *file, int line) {
    const int filled = status == ICF_OK ? check_error.status == ICF_OK && check_error.message[0] == '\0'
                                        : check_error.status == status && check_error.message[0] != '\0';
    return check_that(expected == status, file, line, "%s gives '%s' (%s), expected '%s'", call, icf_status_name(status),
                      check_error.message, icf_status_name(expected)) &&
           check_that(filled, file, line, "%s gives '%s' and leaves the error at '%s': '%s'", call, icf_status_name(status),
                      icf_status_name(check_error.status), check_error.message);
}

static inline void check_stop(void) {
    fprintf(stderr, "%s: cannot go on\n", check_test);
    exit(1);
}

/* Index of the device the tests compute on. */
static inline int32_t check_device(void) {
    static int32_t found = -1;
    const char *asked = getenv("ICF_TEST_DEVICE");
    for (int32_t i = 0; found < 0 && asked && *asked && i < icf_device_count(); i++) {
        icf_device_info info;
        char index[16];
        info.struct_size = sizeof(info);
        snprintf(index, sizeof(index), "%d", (int)i);
        if (icf_device_describe(i, &info, NULL) == ICF_OK && (strcmp(info.name, asked) == 0 || strcmp(index, asked) == 0)) {
            found = i;
        }
    }
    if (found < 0 && asked && *asked) {
        fprintf(stderr, "ICF_TEST_DEVICE is '%s', which is no device\n", asked);
        exit(1);
    }
    return found < 0 ? 0 : found;
}

static inline void check_skip(const char *name, const char *reason) {
    check_skipped++;
    printf("skipped %s: %s\n", name, reason);
    fflush(stdout);
}

static inline void check_run(void (*test)(void), const char *name) {
    const int failures = check_failures;
    const int total = check_total;
    check_test = name;
    check_skip_reason = NULL;
    test();
    if (check_skip_reason) {
        check_skip(name, check_skip_reason);
        return;
    }
    printf("%-6s %s (%d checks)\n", check_failures == failures ? "ok" : "FAILED", name, check_total - total);
    fflush(stdout);
}

static inline int check_result(void) {
    if (check_total == 0 && check_skipped > 0) {
        return 77;
    }
    if (check_total == 0) {
        fprintf(stderr, "nothing was checked\n");
        return 1;
    }
    return check_failures == 0 ? 0 : 1;
}

#ifdef __cplusplus
/* The expression must throw an icf::Error of that status. */
#define CHECK_THROWS(expected, expression)                                                                                     \
    do {                                                                                                                       \
        int32_t thrown = ICF_OK;                                                                                               \
        std::string message;                                                                                                   \
        try {                                                                                                                  \
            (void)(expression);                                                                                                \
        } catch (const icf::Error &e) {                                                                                        \
            thrown = e.status();                                                                                               \
            message = e.what();                                                                                                \
        }                                                                                                                      \
        check_that((expected) == thrown, __FILE__, __LINE__, "%s gives '%s' (%s), expected '%s'", #expression,                 \
                   icf_status_name(thrown), message.c_str(), icf_status_name(expected));                                       \
    } while (0)
#endif

#endif
