#!/bin/sh
# check_sources.sh SRC: fails where a file of SRC includes one of its own room or of a room above it, where a file belongs to no
# room, and where a function is longer than 60 lines.
# check_sources.sh --self-test: whether it would.
set -eu

# The rooms, from the ground up, a line each. Files of one line do not know each other; a folder is one room, whose files do.
rooms='
utf8 memory
error
gguf_file backend
hparams
fingerprint tensor_store kernels/ kv_cache graph_ops sampling quantize
layer adapter device_sampling readback state
products
cache_attention
arch/
work
formers/ graph_decode
computation
model
former_file
digester session
api
'
longest=60

check() {
  (cd "$1" && find . -name '*.h' -o -name '*.cpp' | sed 's|^\./||' | sort | ROOMS="$rooms" xargs awk -v longest="$longest" '
    BEGIN {
      lines = split(ENVIRON["ROOMS"], line, "\n")
      for (i = 1; i <= lines; i++) {
        n = split(line[i], names, " ")
        for (j = 1; j <= n; j++) { rank[names[j]] = i }
      }
    }
    function room_of(file) {
      if (!sub(/\/.*/, "/", file)) { sub(/\.(h|cpp)$/, "", file) }
      return file
    }
    function complain(text) { printf "%s:%d: %s\n", FILENAME, FNR, text; bad = 1 }
    FNR == 1 {
      room = room_of(FILENAME)
      if (!(room in rank)) { complain("the file belongs to no room: check_sources.sh lists them") }
      start[0] = start[4] = 0
    }
    /^#include "/ {
      split($0, quoted, "\"")
      target = room_of(quoted[2])
      if (quoted[2] !~ /^(icf|ggml.*)\.h$/ && target != room && !(rank[target] < rank[room])) {
        complain("includes " quoted[2] ", which is not below it")
      }
      if (target == "kernels/" && room != target && quoted[2] != "kernels/kernels.h") {
        complain("includes " quoted[2] ", a layout that only its kernels know")
      }
    }
    # A definition begins behind the end of the one before, at no indentation or as a member of a class.
    /^[A-Za-z]/ && !start[0] && !/^namespace/ { start[0] = FNR; plain[0] = !/^(template <.*> )?(class|struct|enum|extern|using)/ }
    /^    [A-Za-z]/ && !start[4] { start[4] = FNR; plain[4] = !/^    (class|struct|enum)/ }
    /^    \}/ && start[4] && plain[4] && FNR - start[4] >= longest { complain(FNR - start[4] + 1 " lines in one function") }
    /^    (\}|[^ ].*;$)/ { start[4] = 0 }
    /^\}/ && start[0] && plain[0] && FNR - start[0] >= longest { complain(FNR - start[0] + 1 " lines in one function") }
    /^(\}|[^ ].*[;}]$|#|(public|private|protected):)/ { if (!/:$/) { start[0] = 0 } start[4] = 0 }
    END { exit bad }')
}

# expect TEXT: the folder with what is on standard input as FILE must be refused with that text.
expect() {
  mkdir -p "$work/$(dirname "$1")"
  cat >"$work/$1"
  if check "$work" >"$work/out" || ! grep -q "$2" "$work/out"; then
    echo "check_sources.sh does not see '$2' in $1" >&2
    exit 1
  fi
  rm "$work/$1"
}

if [ "$1" = --self-test ]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  printf '#include "error.h"\n#include "arch/decoder.h"\n' >"$work/model.cpp"
  check "$work"
  printf '#include "session.h"\n' | expect model.h 'not below it'
  printf '#include "digester.h"\n' | expect session.h 'not below it'
  printf '#include "model.h"\n' | expect arch/new.cpp 'not below it'
  printf '#include "kernels/avx2.h"\n' | expect products.cpp 'only its kernels know'
  printf 'int x;\n' | expect unheard_of.cpp 'no room'
  long=$(i=0; while [ $i -lt 60 ]; do echo '        x();'; i=$((i + 1)); done)
  printf 'namespace icf {\n\nstatic void f(int a,\n              int b) {\n%s\n}\n\n}\n' "$long" | expect error.cpp '63 lines in one'
  printf 'class C {\npublic:\n    int a;\n\n    void f() {\n%s\n    }\n};\n' "$long" | expect error.h '62 lines in one'
  exit 0
fi
check "$1"
