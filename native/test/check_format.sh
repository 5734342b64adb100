#!/bin/sh
# check_format.sh [--apply]: fails where a file is not as clang-format writes it, or writes it so. Another version than the one
# named here has another taste: the check is then skipped (77). `.ci/environment` brings it; CLANG_FORMAT names it.
set -eu
version=19.1.7
cd "$(dirname "$0")/.."
format=${CLANG_FORMAT:-clang-format}
found=$("$format" --version 2>/dev/null | sed -n 's/.*version \([0-9.]*\).*/\1/p')
if [ "$found" != "$version" ]; then
  echo "skipped: clang-format $version is not installed${found:+ ($found is)}"
  exit 77
fi

# C binds a pointer's star to the name, C++ to neither side.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sed 's/^PointerAlignment: .*/PointerAlignment: Right/' .clang-format >"$work/c-style"
status=0
for file in include/icf.h $(find src test -name '*.h' -o -name '*.c' -o -name '*.cpp'); do
  case $file in
    include/icf.h | test/check.h | *.c) style=$work/c-style ;;
    *) style=.clang-format ;;
  esac
  "$format" --style="file:$style" "$file" >"$work/formatted"
  if ! cmp -s "$work/formatted" "$file"; then
    if [ "${1-}" = --apply ]; then
      cat "$work/formatted" >"$file"
    else
      diff -u "$file" "$work/formatted" || status=1
    fi
  fi
done
exit $status
