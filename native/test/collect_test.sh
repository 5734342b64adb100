#!/bin/sh
# collect_test.sh CMAKE FOLDER: tests FOLDER/collect.cmake and FOLDER/link.cmake: they remove nothing that is not the build's.
set -eu
export LC_ALL=C

cmake=$1
scripts=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

check() { # check NAME COMMAND …: COMMAND must succeed
  name=$1
  shift
  "$@" || {
    failed=1
    printf 'collect_test: %s\n' "$name"
  }
}

collect() { # collect FOLDER FILE: fills FOLDER with libicf.so and FILE
  "$cmake" "-DFOLDER=$1" "-DGGML_FILES=$2" -P "$scripts/collect.cmake" >"$work/log" 2>&1
}

own() { # own FOLDER: what configuring does with it, and the linker then
  printf 'include("%s/owned.cmake")\nicf_own_folder("%s")\n' "$scripts" "$1" >"$work/own.cmake"
  "$cmake" -P "$work/own.cmake" >"$work/log" 2>&1 && printf 'icf' >"$1/libicf.so"
}

mkdir "$work/ggml"
for name in libggml-old.so libggml-new.so; do printf '%s' "$name" >"$work/ggml/$name"; done

lib=$work/lib
check 'an own folder is filled' own "$lib"
check 'with ggml' collect "$lib" "$work/ggml/libggml-old.so"
check 'whose file is there' test -f "$lib/libggml-old.so"
printf 'mine' >"$lib/thesis.txt"
mkdir "$lib/photos"
check 'again' own "$lib"
check 'with another ggml' collect "$lib" "$work/ggml/libggml-new.so"
check 'the file of the build before is gone' test ! -e "$lib/libggml-old.so"
check 'that of this one is there' test -f "$lib/libggml-new.so"
check "another's file stays" test -f "$lib/thesis.txt"
check "another's folder stays" test -d "$lib/photos"
printf 'changed' >"$lib/libggml-new.so"
check 'once more' collect "$lib" "$work/ggml/libggml-old.so"
check 'a file that was changed since stays' test -f "$lib/libggml-new.so"

for file in thesis.txt .hidden libggml.so.0; do
  foreign=$work/foreign$file
  mkdir "$foreign"
  printf 'mine' >"$foreign/$file"
  check "a folder with $file is refused" eval '! own "$foreign"'
  check 'and not filled either' eval '! collect "$foreign" "$work/ggml/libggml-new.so"'
  check 'nothing is put there' test ! -e "$foreign/libggml-new.so"
  check "and $file is as it was" test "$(cat "$foreign/$file")" = mine
done
mkdir "$work/listed"
printf 'bread\nmilk\n' >"$work/listed/files.txt"
check "another's files.txt is refused" eval '! own "$work/listed"'
check 'and kept' test "$(head -n 1 "$work/listed/files.txt")" = bread

mkdir "$work/links"
printf 'mine' >"$work/links/own.so"
ln -s nowhere "$work/links/libggml-gone.so"
check 'links are made' "$cmake" "-DFOLDER=$lib" "-DLINKS=$work/links" -P "$scripts/link.cmake"
check 'a file that is no link stays' test -f "$work/links/own.so"
check 'an old link is gone' test ! -L "$work/links/libggml-gone.so"
exit $failed
