#!/bin/sh
# fetch-ggml.sh MIN BELOW TESTED FALLBACK: prints a folder with the headers (include) and shared libraries (lib) of a ggml
# with MIN <= version < BELOW, made of the distribution's binary packages. TESTED is the version line that is preferred.
#
# The folder lies in the user's cache, ${XDG_CACHE_HOME:-~/.cache}/icformer, or below FALLBACK where that cannot be written.
# It is made once: later runs need no network. Nothing is installed and root is not needed. ICF_DEBIAN_MIRROR names a Debian
# archive to use where apt's own sources have none.
#
# The packages may ask for a newer C library than the system's. The only functions they then miss are those of the
# __isoc23_strtol family, which differ from strtol in C23's binary literals alone. A small library supplies them under the
# version names the packages ask for, and stands before the C library: its name has the length of libc.so.6, so it takes that
# name's place in the packages' files without moving anything.
set -eu
umask 022
export LC_ALL=C

min=$1 below=$2 tested=$3 fallback=$4
shim=icfc.so.6

say() { printf 'ggml: %s\n' "$*" >&2; }
die() {
  printf 'ggml: %s.\n' "$*" >&2
  exit 1
}

# last_error FILE: the first error line that a package tool wrote, or its last line.
last_error() {
  line=$(grep -m 1 '^E: ' "$1" || tail -n 1 "$1")
  printf '%s' "${line#E: }" | sed 's/[. ]*$//'
}

in_range() { dpkg --compare-versions "$1" ge "$min" && dpkg --compare-versions "$1" lt "$below~"; }

# best_version: of the versions on standard input, the newest in range, of the tested line where there is one.
best_version() {
  best=
  while read -r v; do
    in_range "$v" || continue
    case $v in "$tested".*) rank=1 ;; *) rank=0 ;; esac
    if [ -z "$best" ] || [ $rank -gt "$best_rank" ] ||
      { [ $rank -eq "$best_rank" ] && dpkg --compare-versions "$v" gt "$best"; }; then
      best=$v best_rank=$rank
    fi
  done
  printf '%s' "$best"
}

# intact FOLDER: its files are those that were put there.
intact() { [ -f "$1/files.txt" ] && (cd "$1" && sha256sum --status --strict -c files.txt) 2>/dev/null; }

# cached ROOT: prints the newest usable folder below ROOT.
cached() {
  for d in "$1"/ggml-*-"$target"; do
    v=${d##*/ggml-} && v=${v%-"$target"}
    [ -d "$d" ] && in_range "$v" && intact "$d" && printf '%s\n' "$v"
  done >"$list"
  v=$(best_version <"$list")
  [ -n "$v" ] && printf '%s/ggml-%s-%s\n' "$1" "$v" "$target"
}

for tool in dpkg apt-get apt-cache awk sed sha256sum flock ldd objdump cc; do
  command -v $tool >/dev/null || missing="${missing:+$missing, }$tool"
done
[ -z "${missing-}" ] || die "its packages cannot be unpacked here, for want of $missing"

# A folder with the stand-in library is good for this C library and newer ones; one without it only for newer ones.
glibc=$(getconf GNU_LIBC_VERSION 2>/dev/null | awk '{ print $2 }')
[ -n "$glibc" ] || die "its packages need the GNU C library"
target=$(dpkg --print-architecture)
! dpkg --compare-versions "$glibc" lt 2.38 || target=$target-glibc$glibc

list=$(mktemp) && work=
trap 'rm -f "$list"; [ -z "$work" ] || rm -rf "$work"' EXIT
trap 'exit 130' HUP INT TERM

user=${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}
user=${user:+$user/icformer}
for root in ${user:+"$user"} "$fallback"; do
  if found=$(cached "$root"); then
    printf '%s\n' "$found"
    exit
  fi
done
root=
for candidate in ${user:+"$user"} "$fallback"; do
  if mkdir -p "$candidate" 2>/dev/null && work=$(mktemp -d "$candidate/.work-XXXXXX" 2>/dev/null); then
    root=$candidate
    break
  fi
done
[ -n "$root" ] || die "neither ${user:+$user nor }$fallback can be written"

(: >>"$root/.lock") 2>/dev/null || die "$root/.lock cannot be written"
exec 9>>"$root/.lock"
flock -n 9 || {
  say "waiting for another build that fetches it"
  flock 9
}
if found=$(cached "$root"); then
  printf '%s\n' "$found"
  exit
fi

# ---- Where from: apt's own lists, or the backports of the Debian archive, read into lists of our own --------------------

versions() { apt-cache ${config:+"-c=$config"} madison libggml-dev 2>/dev/null | awk -F' *[|] *' '{ print $2 }'; }

config= # a configuration of our own for apt
version=$(versions | best_version)
if [ -z "$version" ]; then
  codename=$(sed -n 's/^VERSION_CODENAME="\{0,1\}\([^"]*\).*/\1/p' /etc/os-release)
  distribution=$(sed -n 's/^ID="\{0,1\}\([^"]*\).*/\1/p' /etc/os-release)
  site=${ICF_DEBIAN_MIRROR-}
  if [ -z "$site" ] && [ "$distribution" = debian ]; then
    # shellcheck disable=SC2016 # the names in the format are apt's
    site=$(apt-get indextargets --format '$(SITE)|$(RELEASE)|$(CODENAME)|$(COMPONENT)|$(CREATED_BY)' 2>/dev/null |
      awk -F'|' -v c="$codename" '($2 == c || $3 == c) && $4 == "main" && $5 == "Packages" { print $1; exit }')
    # Where apt has never been updated it lists no targets, but still says which files it would get.
    [ -n "$site" ] || site=$(apt-get update --print-uris 2>/dev/null |
      sed -n "s|^'\(.*\)/dists/$codename/InRelease'.*|\1|p" | head -n 1)
  fi
  [ -n "$site" ] || die "no package libggml-dev ($min or newer) in apt's lists, and no Debian archive in apt's sources"
  for key in /usr/share/keyrings/debian-archive-keyring.gpg /usr/share/keyrings/debian-archive-keyring.pgp ''; do
    [ ! -f "$key" ] || break
  done
  [ -n "$key" ] || die "the keys to check Debian's packages with are missing: install debian-archive-keyring"

  mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
  : >"$work/status"
  printf 'deb [signed-by=%s] %s trixie-backports main\n' "$key" "$site" >"$work/sources.list"
  {
    printf 'Dir::Etc::SourceList "%s";\n' "$work/sources.list"
    printf 'Dir::Etc::SourceParts "/dev/null";\nDir::Etc::Preferences "/dev/null";\nDir::Etc::PreferencesParts "/dev/null";\n'
    printf 'Dir::State::Lists "%s";\nDir::Cache "%s";\n' "$work/lists" "$work/cache"
    printf 'Dir::State::Status "%s";\n' "$work/status"
    printf 'Acquire::Languages "none";\nAcquire::Retries "1";\nAcquire::http::Timeout "30";\nAcquire::https::Timeout "30";\n'
    [ "$(id -u)" != 0 ] || printf 'APT::Sandbox::User "root";\n'
  } >"$work/apt.conf"
  config=$work/apt.conf
  say "reading the list of Debian's backports"
  apt-get ${config:+"-c=$config"} -q -o APT::Update::Error-Mode=any update >"$work/log" 2>&1 ||
    die "the list of Debian's backports could not be read: $(last_error "$work/log")"
  version=$(versions | best_version)
  [ -n "$version" ] || die "Debian's backports have no libggml-dev with $min <= version < $below"
fi

# ---- Download (apt checks the signatures), unpack, adapt, check ---------------------------------------------------------

upstream=${version#*:} && upstream=${upstream%%[-+~]*}
folder=ggml-$upstream-$target
say "downloading $version"
mkdir "$work/debs" "$work/root"
(cd "$work/debs" && apt-get ${config:+"-c=$config"} -q download "libggml0=$version" "libggml-dev=$version") >"$work/log" 2>&1 ||
  die "the packages could not be downloaded: $(last_error "$work/log")"
for deb in "$work"/debs/*.deb; do
  dpkg -x "$deb" "$work/root" 2>"$work/log" || die "${deb##*/} could not be unpacked: $(last_error "$work/log")"
done

new=$work/$folder
mkdir -p "$new/lib"
cp -R "$work/root/usr/include" "$new/include"
cp "$work/root/usr/share/doc/libggml0/copyright" "$new/lib/ggml-copyright.txt"
find "$work/root/usr/lib" \( -name 'libggml.so.0' -o -name 'libggml-base.so.0' -o -name 'libggml-cpu*.so' \) \
  -exec cp -L {} "$new/lib/" \;
for f in include/ggml.h lib/libggml.so.0 lib/libggml-base.so.0; do
  [ -f "$new/$f" ] || die "the packages of version $version have no ${f##*/}"
done

cd "$new/lib"
# The versions of the C library's symbols that the libraries ask for, oldest first.
needed=$(for f in libggml*; do
  objdump -p "$f" | awk '/required from libc.so.6:/ { f = 1; next } /required from/ { f = 0 } f && /GLIBC_/ { print $NF }'
done | sort -uV)
newer=
for v in $needed; do
  ! dpkg --compare-versions "${v#GLIBC_}" gt "$glibc" || newer="$newer $v"
done
if [ -n "$newer" ]; then
  for v in $newer; do objdump -T libggml* | awk -v v="($v)" '/\*UND\*/ && index($0, v) { print $NF }'; done | sort -u >"$work/missing"
  unknown=$(grep -vxE '__isoc23_strto(l|ul|ll|ull)' "$work/missing" | tr '\n' ' ') || true
  [ -z "$unknown" ] || die "version $version needs a newer C library than $glibc, for $unknown"
  cat >"$work/shim.c" <<'END'
#include <stdlib.h>
long __isoc23_strtol(const char *s, char **end, int base) { return strtol(s, end, base); }
unsigned long __isoc23_strtoul(const char *s, char **end, int base) { return strtoul(s, end, base); }
long long __isoc23_strtoll(const char *s, char **end, int base) { return strtoll(s, end, base); }
unsigned long long __isoc23_strtoull(const char *s, char **end, int base) { return strtoull(s, end, base); }
END
  for v in $needed; do
    [ "$v" != GLIBC_2.38 ] && echo "$v { };" || echo "$v { global: __isoc23_*; local: *; };"
  done >"$work/shim.map"
  cc -shared -fPIC -O2 -o $shim "$work/shim.c" -Wl,--version-script="$work/shim.map" -Wl,-soname,$shim 2>"$work/log" ||
    die "the stand-in for newer C functions could not be compiled: $(last_error "$work/log")"
  for f in libggml*; do
    sed -z "s/^libc\.so\.6\$/$shim/" "$f" >"$work/patched" && cat "$work/patched" >"$f"
    ! objdump -p "$f" | grep -q 'libc\.so\.6' || die "$f of version $version could not be adapted to C library $glibc"
  done
fi
chmod 644 ./*
for f in libggml*; do
  LD_LIBRARY_PATH=$new/lib ldd -r "./$f" >"$work/log" 2>&1 || true
  ! grep -E 'not found|undefined symbol' "$work/log" >"$list" || die "$f cannot be loaded here: $(head -n 1 "$list" | sed 's/^[[:space:]]*//')"
done
cd "$new"
find . -type f ! -name files.txt -exec sha256sum {} + | sort -k 2 >"$work/files.txt"
mv "$work/files.txt" files.txt
cd "$root"
[ ! -e "$folder" ] || rm -rf "$folder" # a damaged one: an intact one would have been used above
mv "$new" "$folder" 2>"$work/log" || die "$root/$folder could not be made: $(last_error "$work/log")"
printf '%s\n' "$root/$folder"
