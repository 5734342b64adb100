#!/bin/sh
# coverage.sh: branches of native/src that the native tests take, file by file. Needs clang, llvm-profdata and llvm-cov; where
# they carry a version in their names: LLVM_VERSION=14 native/test/coverage.sh
set -eu
cd "$(dirname "$0")/.."
suffix=${LLVM_VERSION:+-$LLVM_VERSION}
build=target/coverage
CC=clang$suffix CXX=clang++$suffix cmake --preset coverage >/dev/null
cmake --build --preset coverage >/dev/null
rm -rf $build/profiles
LLVM_PROFILE_FILE=$PWD/$build/profiles/%m.profraw ctest --preset coverage
llvm-profdata"$suffix" merge -sparse $build/profiles/*.profraw -o $build/all.profdata
objects=
for program in $build/test/test_* $build/test/fuzz_*; do objects="$objects -object $program"; done
# shellcheck disable=SC2086 # a list of arguments
llvm-cov"$suffix" report --show-branch-summary -instr-profile $build/all.profdata $objects $build/lib/libicf.so src
