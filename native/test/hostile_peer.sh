#!/bin/sh
# hostile_peer.sh FOLDER COMMAND…: how another program takes the files that `test_hostile --write FOLDER` left, but for those of
# formers. COMMAND gets each file in place of the word FILE, 10 seconds and 4 GiB of address space, and ends as one of: refused
# (exit code other than 0), accepted (0), crashed (a signal), hung. For each class the counts, and the names of what crashed or
# hung.
set -u
[ $# -ge 2 ] || { echo "usage: $0 FOLDER COMMAND… FILE …" >&2; exit 2; }
folder=$1
shift
results=$(mktemp)
log=$(mktemp)
trap 'rm -f "$results" "$log"' EXIT
tab=$(printf '\t')
while IFS=$tab read -r file kind expected class name; do
  case $kind-$expected in former-* | file-ok) continue ;; esac
  [ "$expected" = ok ] && class="valid"
  path=$folder/$file
  (
    ulimit -c 0
    ulimit -v 4194304 # address space: libraries and maps count
    # shellcheck disable=SC2016 # the words are split by the inner shell
    exec timeout -s KILL 10 sh -c 'path=$1; shift; for word; do shift; [ "$word" != FILE ] || word=$path; set -- "$@" "$word"; done; exec "$@"' \
      sh "$path" "$@"
  ) >"$log" 2>&1 </dev/null
  code=$?
  if [ $code -eq 0 ]; then end=accepted
  elif [ $code -eq 137 ]; then end=hung
  elif [ $code -ge 128 ]; then end=crashed
  else end=refused; fi
  printf '%s\t%s\t%s\t%s\n' "$class" "$end" "$code" "$name" >>"$results"
done <"$folder/cases.tsv"
awk -F'\t' '
  { n[$1]++; c[$1, $2]++; t[$2]++; all++ }
  $2 == "crashed" || $2 == "hung" { bad = bad sprintf("%s (%s): %s: %s\n", $2, $3, $1, $4) }
  END {
    printf "%-16s %8s %8s %8s %8s\n", "class", "refused", "accepted", "crashed", "hung"
    for (k in n) printf "%-16s %8d %8d %8d %8d\n", k, c[k, "refused"], c[k, "accepted"], c[k, "crashed"], c[k, "hung"] | "sort"
    close("sort")
    printf "%-16s %8d %8d %8d %8d\n\n%s", "all", t["refused"], t["accepted"], t["crashed"], t["hung"], bad
  }' "$results"
