#!/bin/sh
# get_llama.sh FOLDER: llama.cpp's library, headers and tools, with the C and C++ libraries they were built for, unpacked into
# FOLDER. They are the distribution's own packages, from the mirror that apt uses on this machine: no root, nothing outside
# FOLDER. Exit status 77, and the reason, where they cannot be had.
set -eu
[ $# = 1 ] || { echo "usage: $0 FOLDER" >&2; exit 2; }
mkdir -p "$1"
root=$(cd "$1" && pwd)
command -v apt-get >/dev/null && command -v dpkg >/dev/null || { echo "skipped: apt and dpkg are needed" >&2; exit 77; }
code=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
site=$(apt-get indextargets --format '$(SITE)|$(CODENAME)|$(COMPONENT)|$(CREATED_BY)' |
       awk -F'|' -v code="$code" '$2 == code && $3 == "main" && $4 == "Packages" { print $1; exit }')
[ -n "$site" ] || { echo "skipped: no Debian mirror among apt's sources" >&2; exit 77; }
state=$root/.apt
mkdir -p "$state/lists/partial" "$state/cache/archives/partial" "$state/debs"
key=$(ls /usr/share/keyrings/debian-archive-keyring.* | head -1)
printf 'deb [signed-by=%s] %s sid main\n' "$key" "$site" >"$state/sources.list"
: >"$state/status"
apt() {
    apt-get -oDir::Etc::SourceList="$state/sources.list" -oDir::Etc::SourceParts=/dev/null \
        -oDir::Etc::Preferences=/dev/null -oDir::Etc::PreferencesParts=/dev/null -oDir::State::Lists="$state/lists" \
        -oDir::Cache="$state/cache" -oDir::State::Status="$state/status" -oAPT::Sandbox::User="$(id -un)" -qq "$@"
}
apt update || { echo "skipped: the mirror $site cannot be reached" >&2; exit 77; }
(cd "$state/debs" && rm -f ./*.deb &&
    apt download libllama0 libllama-dev llama.cpp-tools llama.cpp-tools-extra libggml0 libggml-dev \
        libc6 libstdc++6 libgcc-s1 libgomp1 libblas3 libssl3t64 libzstd1 zlib1g) ||
    { echo "skipped: the mirror $site has no llama.cpp for this machine" >&2; exit 77; }
for package in "$state"/debs/*.deb; do dpkg -x "$package" "$root"; done
ls "$root"/usr/lib/*/libllama.so.0
