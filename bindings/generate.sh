#!/bin/sh
# generate.sh JEXTRACT_HOME [FOLDER]: writes the bindings of native/include/icf.h below FOLDER. Without FOLDER it replaces
# the committed ones and records the header's checksum in jextract.properties.
set -eu
export LC_ALL=C

here=$(cd "$(dirname "$0")" && pwd)
header=$here/../native/include/icf.h
jextract=${1:?usage: generate.sh JEXTRACT_HOME [FOLDER]}/bin/jextract
folder=${2:-$here/src/main/java}
[ -x "$jextract" ] || {
  echo "generate.sh: there is no $jextract" >&2
  exit 1
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Only what the header itself defines; without the comments, which hold paths.
"$jextract" --dump-includes "$work/all" "$header" 2>"$work/log" || { cat "$work/log" >&2; exit 1; }
grep 'header: .*/icf\.h$' "$work/all" | sed 's/ *#.*//' >"$work/includes"
mkdir -p "$work/java"
# The handles are declared and never defined: jextract says of each that it skips it.
"$jextract" --output "$work/java" --target-package icformer.bindings --header-class-name IcfNative "@$work/includes" "$header" \
  2>"$work/log" || { cat "$work/log" >&2; exit 1; }
grep -v 'warning: Skipping icf_[a-z]* (type Declared(icf_[a-z]*) is not supported)' "$work/log" >&2 || true

rm -rf "$folder/icformer/bindings"
mkdir -p "$folder/icformer"
mv "$work/java/icformer/bindings" "$folder/icformer/bindings"
if [ $# -eq 1 ]; then
  sum=$(sha256sum "$header" | cut -d' ' -f1)
  sed "s/^header\.sha256=.*/header.sha256=$sum/" "$here/jextract.properties" >"$work/properties"
  cat "$work/properties" >"$here/jextract.properties"
fi
