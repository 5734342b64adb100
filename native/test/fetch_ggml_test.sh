#!/bin/sh
# fetch_ggml_test.sh SCRIPT: tests SCRIPT, cmake/fetch-ggml.sh, without a network: apt-get and apt-cache are replaced.
set -eu
export LC_ALL=C

script=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0
failed=0

check() { # check NAME EXPECTED ACTUAL: EXPECTED is a pattern of the shell
  # shellcheck disable=SC2254 # a pattern
  case $3 in
    $2) passed=$((passed + 1)) ;;
    *)
      failed=$((failed + 1))
      printf 'fetch_ggml_test: %s\n  expected: %s\n  actual:   %s\n' "$1" "$2" "$3"
      ;;
  esac
}

# fetch [NAME=VALUE ...]: what the script prints, errors too, and its exit code, as one line with a blank at its end.
fetch() {
  status=0
  output=$(env "PATH=$work/bin:$PATH" "XDG_CACHE_HOME=$work/cache" "$@" "$script" 0.21 1.0 0.27 "$work/fallback" 2>&1) || status=$?
  printf '%s' "$output => $status " | tr '\n' ' '
}

for tool in dpkg apt-get apt-cache; do
  command -v $tool >/dev/null || exit 77 # not a system that has such packages: skipped
done
glibc=$(getconf GNU_LIBC_VERSION | cut -d' ' -f2)
target=$(dpkg --print-architecture)
! dpkg --compare-versions "$glibc" lt 2.38 || target=$target-glibc$glibc

add_copy() { # add_copy ROOT VERSION
  mkdir -p "$1/ggml-$2-$target/lib"
  printf '%s\n' "$2" >"$1/ggml-$2-$target/lib/libggml.so.0"
  (cd "$1/ggml-$2-$target" && sha256sum lib/libggml.so.0 >files.txt)
}

apt_says() { # apt_says NAME LINE...: replaces apt-get or apt-cache by these lines of shell
  name=$1
  shift
  printf '%s\n' '#!/bin/sh' "$@" >"$work/bin/$name"
  chmod +x "$work/bin/$name"
}

mkdir "$work/bin"
apt_says apt-get 'exit 0'
apt_says apt-cache 'exit 0'
cache=$work/cache/icformer

# ---- Nothing to be had ----

if grep -qx 'ID=debian' /etc/os-release; then
  check 'no archive' "ggml: no package libggml-dev (0.21 or newer) in apt's lists, and no Debian archive in apt's sources. => 1 " "$(fetch)"
fi
if ls /usr/share/keyrings/debian-archive-keyring.* >/dev/null 2>&1; then
  # shellcheck disable=SC2016 # expanded when it runs
  apt_says apt-get 'case "$*" in *update*) echo "W: hm"; echo "E: no route. "; exit 100 ;; esac'
  check 'a list that cannot be read' "* ggml: the list of Debian's backports could not be read: no route. => 1 " "$(fetch ICF_DEBIAN_MIRROR=mirror:/)"
  # shellcheck disable=SC2016 # expanded when it runs
  apt_says apt-cache 'case "$*" in *-c=*) echo " libggml-dev | 0.20.1-1 | x"; echo " libggml-dev | 1.0.0-1 | x" ;; esac'
  apt_says apt-get 'exit 0'
  check 'no version in range' "* ggml: Debian's backports have no libggml-dev with 0.21 <= version < 1.0. => 1 " "$(fetch ICF_DEBIAN_MIRROR=mirror:/)"
  check 'nothing is left behind' '. .. .lock' "$(cd "$cache" && echo .*)"
fi
# shellcheck disable=SC2016 # expanded when it runs
apt_says apt-get 'case "$*" in *download*) echo "$*" >&2; exit 1 ;; esac'
# shellcheck disable=SC2016 # expanded when it runs
apt_says apt-cache 'for v in 0.20.1-1 0.30.0-1 0.27.1-2 0.27.0-9 1.0.0-1; do echo " libggml-dev | $v | x"; done'
check 'the tested line is preferred' '* could not be downloaded: *libggml0=0.27.1-2 libggml-dev=0.27.1-2. => 1 ' "$(fetch)"
# shellcheck disable=SC2016 # expanded when it runs
apt_says apt-cache 'for v in 0.28.0-1 0.30.0-1 0.29.0-1; do echo " libggml-dev | $v | x"; done'
check 'else the newest' '*libggml-dev=0.30.0-1. => 1 ' "$(fetch)"
: >"$work/file"
check 'a cache that cannot be written' '*libggml-dev=0.30.0-1. => 1 .lock' "$(fetch "XDG_CACHE_HOME=$work/file"; ls -A "$work/fallback")"
rm -r "$work/fallback"
check 'a user without a home' '*libggml-dev=0.30.0-1. => 1 .lock' "$(fetch XDG_CACHE_HOME= HOME=; ls -A "$work/fallback")"
rm -r "$work/fallback"
: >"$work/fallback"
check 'no folder to write to' "ggml: neither $work/file/icformer nor $work/fallback can be written. => 1 " "$(fetch "XDG_CACHE_HOME=$work/file")"
rm "$work/fallback"

# ---- A copy that is there needs no apt ----

apt_says apt-get 'echo called; exit 1'
apt_says apt-cache 'echo called; exit 1'
add_copy "$work/fallback" 0.27.0
check 'a copy below the fallback' "$work/fallback/ggml-0.27.0-$target => 0 " "$(fetch)"
add_copy "$cache" 0.30.0
check "a copy in the user's cache comes first" "$cache/ggml-0.30.0-$target => 0 " "$(fetch)"
add_copy "$cache" 0.27.0
add_copy "$cache" 0.20.0
add_copy "$cache" 1.0.0
check 'of the tested line' "$cache/ggml-0.27.0-$target => 0 " "$(fetch)"
echo x >>"$cache/ggml-0.27.0-$target/lib/libggml.so.0"
check 'not a damaged one' "$cache/ggml-0.30.0-$target => 0 " "$(fetch)"
rm "$cache/ggml-0.30.0-$target/files.txt"
check 'nor an unfinished one' "$work/fallback/ggml-0.27.0-$target => 0 " "$(fetch)"

printf 'fetch_ggml_test: %s passed, %s failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
