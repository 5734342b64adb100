// Runs a function in a process of its own, with limits: a crash, a hang or a lavish allocation is a result like any other.
#pragma once

#include "fixtures.h"

#include <functional>

#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

extern "C" int __llvm_profile_write_file(void) __attribute__((weak)); // there where coverage is recorded

namespace test {

struct ChildResult {
    int signal;     // that ended the process; 0: it ended by itself
    int exit_code;  // other than 0 where a check inside failed
    int32_t status; // what the function returned
    icf_error error;
};

// Memory of this process, in bytes of address space.
inline size_t address_space() {
    unsigned long long pages = 0;
    FILE * file = fopen("/proc/self/statm", "r");
    REQUIRE(file && fscanf(file, "%llu", &pages) == 1);
    fclose(file);
    return static_cast<size_t>(pages) * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

// `body` may take one second of processor time, and `extra_bytes` more address space than it starts with. It reports through
// its status and error. Sanitizers need more of both: then only crashes count.
inline ChildResult in_child(size_t extra_bytes, const std::function<int32_t(icf_error *)> & body) {
    void * shared = mmap(nullptr, sizeof(ChildResult), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(shared != MAP_FAILED);
    ChildResult * result = static_cast<ChildResult *>(shared);
    memset(shared, 0, sizeof(ChildResult));
    fflush(stdout);
    fflush(stderr);
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        const rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        const itimerval limit = {{0, 0}, {sanitized ? 60 : 1, 0}};
        setitimer(ITIMER_PROF, &limit, nullptr);
        if (!sanitized) {
            const rlimit memory = {address_space() + extra_bytes, address_space() + extra_bytes};
            setrlimit(RLIMIT_AS, &memory);
        }
        const int failures = check_failures;
        result->status = body(&result->error);
        if (__llvm_profile_write_file) {
            __llvm_profile_write_file();
        }
        _exit(check_failures == failures ? 0 : 1);
    }
    int ended = 0;
    REQUIRE(waitpid(child, &ended, 0) == child);
    result->signal = WIFSIGNALED(ended) ? WTERMSIG(ended) : 0;
    result->exit_code = WIFEXITED(ended) ? WEXITSTATUS(ended) : 0;
    const ChildResult copy = *result;
    munmap(shared, sizeof(ChildResult));
    return copy;
}

} // namespace test
