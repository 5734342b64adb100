#!/bin/sh
# launcher_test.sh ROOT: tests ROOT/icf in a folder of its own, with a JDK, a Maven and a CMake that only say how they were
# called.
set -eu
unset JAVA_HOME ICF_JAVA_OPTS OMP_WAIT_POLICY GOMP_SPINCOUNT LC_ALL LC_CTYPE LANG CDPATH || true

root=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
project="$work/a project, ä" # a blank and a letter beyond ASCII
bin=$work/bin                # all that PATH leads to
passed=0
failed=0

# check NAME EXPECTED ACTUAL: EXPECTED is a pattern of the shell.
check() {
  # shellcheck disable=SC2254 # a pattern
  case $3 in
    $2) passed=$((passed + 1)) ;;
    *)
      failed=$((failed + 1))
      printf 'launcher_test: %s\n  expected: %s\n  actual:   %s\n' "$1" "$2" "$3"
      ;;
  esac
}

# icf ARGUMENT...: what it writes, standard error first, and its exit code, as one line.
icf() {
  status=0
  output=$(env -i PATH="$bin" HOME="$work" ${java_home:+"JAVA_HOME=$java_home"} "$project/icf" "$@" 2>&1 </dev/null) || status=$?
  printf '%s' "$output => $status" | tr '\n' ' '
}

make_jdk() { # make_jdk FOLDER VERSION
  mkdir -p "$1/bin"
  printf 'JAVA_VERSION="%s"\n' "$2" >"$1/release"
  # shellcheck disable=SC2016 # expanded when it runs
  printf '%s\n' '#!/bin/sh' 'printf "java:"; printf " [%s]" "$@"; printf " charset=%s" "$(locale charmap)"' \
    'for a; do case $a in -XX:AOTConfiguration=*|-XX:AOTCache=*.new) : >"${a#*=}" ;; esac; done' >"$1/bin/java"
  cp "$1/bin/java" "$1/bin/javac"
  chmod +x "$1/bin/java" "$1/bin/javac"
}

mkdir -p "$project/native/src" "$project/bindings" "$project/java/cli/src/main" "$project/java/cli/src/test" "$project/.mvn" "$bin"
cp "$root/icf" "$project/icf"
: >"$project/pom.xml"
: >"$project/java/cli/src/main/Main.java"
for tool in sh env cat cp date dirname find flock getconf grep awk head id locale mkdir mktemp mv readlink rm sed sleep tail touch tr; do
  ln -s "$(command -v $tool)" "$bin/$tool"
done

# ---- What is missing is named ----

sed -i 's|/usr/lib/jvm/\*|/nowhere/*|; s|/opt/jdk\*|/nowhere/*|' "$project/icf" # it finds none of this machine's
check 'nothing' 'icf: the build needs a JDK 25 or newer (JAVA_HOME is not set, java on PATH is missing,*), cmake, a C++ compiler, make, Maven. Unpack a JDK anywhere*=> 1' "$(icf info)"
printf '#!/bin/sh\n' >"$bin/apt-get"
# shellcheck disable=SC2016 # expanded when it runs
printf '#!/bin/sh\necho " $2 | 25.0.3 | x"\n' >"$bin/apt-cache"
chmod +x "$bin/apt-get" "$bin/apt-cache"
check 'packages' '*. Install what is missing: *apt-get install openjdk-25-jdk-headless cmake g++ make maven. => 1' "$(icf info)"
printf '#!/bin/sh\n' >"$bin/apt-cache"
make_jdk "$work/jdk-17" 17.0.1
make_jdk "$work/jdk-25" 25.0.3
java_home=$work/jdk-17
check 'a JDK that is too old, and no package' "*(JAVA_HOME is $work/jdk-17,*apt-get install cmake g++ make maven. Unpack a JDK anywhere*=> 1" "$(icf info)"
java_home=$work/jdk-25
check 'no tools' 'icf: the build needs cmake, a C++ compiler, make, Maven. Install what is missing: *apt-get install cmake g++ make maven. => 1' "$(icf info)"
for tool in c++ make; do
  printf '#!/bin/sh\n' >"$bin/$tool"
done
printf '#!/bin/sh\necho "cmake version 3.18.4"\n' >"$bin/cmake"
# shellcheck disable=SC2016 # expanded when it runs
printf '%s\n' '#!/bin/sh' '{ echo "mvn: $*"; echo "java home: $JAVA_HOME"; } >>../calls' \
  'mkdir -p java/cli/target/modules native/target/lib && : >java/cli/target/modules/a.jar && : >native/target/lib/libicf.so' \
  'if [ -f ../fail ]; then cat ../fail; exit 1; fi' >"$bin/mvn"
chmod +x "$bin"/c++ "$bin"/make "$bin"/cmake "$bin"/mvn
check 'a CMake that is too old' 'icf: CMake 3.22 or newer is needed; */cmake is 3.18. => 1' "$(icf info)"
printf '#!/bin/sh\necho "cmake version 3.22.0"\n' >"$bin/cmake"

# ---- A build that fails ----

printf '%s\n' 'CMake Error at cmake/Ggml.cmake:1 (message):' '  ggml is not' '  installed.' '' '' 'Call Stack (most recent):' '  x' >"$work/fail"
check "CMake's message" 'icf: building icf: the build failed:   ggml is not   installed. icf: the whole log is */icf-build.log => 1' "$(icf info)"
printf '%s\n' '[INFO] fine' '[ERROR] Main.java: no' >"$work/fail"
check "Maven's message" 'icf: building icf: the build failed: ?ERROR? Main.java: no icf: the whole log is * => 1' "$(icf info)"
rm "$work/fail" "$work/calls"

# ---- The first run builds, the second does not ----

first=$(icf tokenize 'ein  wört' '*')
check 'the first run' "icf: building java:*=> 0" "$first"
check 'how Maven is called' "mvn: -B -Dnative.jobs=* -Dggml.source= -Dggml.cuda=OFF -Dggml.cuda.architectures= -Dggml.cublas= package * -pl java/cli -am
java home: $work/jdk-25" "$(cat "$work/calls")"
check 'arguments reach the command as they are' '*?-m? ?icformer.cli/icformer.cli.Main? ?tokenize? ?ein  wört? ?\*? *' "$first"
check 'the folders' "*?--module-path? ?$project/target/icf/*/modules?*?-Dicformer.library.path=$project/native/target/lib?*" "$first"
check 'the class cache' "*?-XX:AOTCache=$project/target/icf/*/classes.aot?*" "$first"
check 'the C locale' '*charset=UTF-8 => 0' "$first"
rm "$work/calls"
check 'the second run' 'java:*=> 0' "$(icf info)"
java_home=
check 'the JDK of the build, without JAVA_HOME' 'java:*=> 0' "$(icf info)"
check 'nothing is built' no "$([ -f "$work/calls" ] && echo yes || echo no)"
check 'closed streams' 'java:*' "$(env -i PATH="$bin" HOME="$work" "$project/icf" info 2>&- <&-)"
ln -s "$project/icf" "$work/link"
check 'a link to it' 'java:*' "$(cd / && env -i PATH="$bin" HOME="$work" "$work/link" info 2>&1)"
check 'options of the JVM' 'java:*?-Xmx1g? ?-Da=b?*' "$(env -i PATH="$bin" HOME="$work" ICF_JAVA_OPTS='-Xmx1g -Da=b' "$project/icf" info 2>&1)"

# ---- What makes it build again ----

java_home=$work/jdk-25
sleep 0.01
touch "$project/java/cli/src/main/Main.java"
check 'a newer source' 'icf: building java:*' "$(icf info)"
rm "$project/java/cli/src/main/Main.java"
check 'a source that is gone' 'icf: building java:*' "$(icf info)"
: >"$project/java/cli/src/test/MainTest.java"
check 'a newer test does not' 'java:*' "$(icf info)"
check 'asked to' 'icf: building java:*' "$(icf --rebuild info)"
rm "$project/native/target/lib/libicf.so"
check 'a library that is gone' 'icf: building java:*' "$(icf info)"
make_jdk "$work/jdk-26" 26
java_home=$work/jdk-26
check 'another JDK' 'icf: building java:*' "$(icf info)"
mkdir "$work/ggml"
rm "$work/calls"
check 'another ggml' 'icf: building java:*?info? charset=*' "$(icf --ggml-source "$work/ggml" --cuda info)"
check 'Maven is told' "*-Dggml.source=$work/ggml -Dggml.cuda=ON *" "$(cat "$work/calls")"
check 'it is kept' 'java:*' "$(icf info)"
rm "$work/calls"
check 'and given up' 'icf: building java:*' "$(icf --ggml-source= info)"
check 'Maven is told that too' '*-Dggml.source= -Dggml.cuda=OFF *' "$(cat "$work/calls")"
printf '#!/bin/sh\n' >"$bin/nvcc"
printf '#!/bin/sh\necho "GPU 0: one"\n' >"$bin/nvidia-smi"
chmod +x "$bin/nvcc" "$bin/nvidia-smi"
rm "$work/calls"
check 'a machine with a GPU' 'icf: building java:*' "$(icf --ggml-source "$work/ggml" --cuda-architectures '80;90' --cublas "$work/ggml" info)"
check 'CUDA is built unasked' "*-Dggml.cuda=ON -Dggml.cuda.architectures=80;90 -Dggml.cublas=$work/ggml *" "$(cat "$work/calls")"
check 'it is kept, too' 'java:*' "$(icf --ggml-source "$work/ggml" info)"
rm "$work/calls"
check 'without CUDA' 'icf: building java:*' "$(icf --no-cuda --cuda-architectures '' --cublas '' info)"
check 'Maven is told of that' "*-Dggml.source=$work/ggml -Dggml.cuda=OFF -Dggml.cuda.architectures= -Dggml.cublas= *" "$(cat "$work/calls")"
check 'no folder of cuBLAS' "icf: --cublas: there is no folder $work/none. => 1" "$(icf --cublas "$work/none" info)"
rm "$bin/nvcc" "$bin/nvidia-smi"
check 'no such folder' "icf: --ggml-source: there is no folder $work/none. => 1" "$(icf --ggml-source "$work/none" info)"
check 'no folder' 'icf: --ggml-source needs * => 1' "$(icf --ggml-source)"

# ---- Tests ----

rm "$work/calls"
check 'the tests' ' => 0' "$(icf test)"
check 'every test' 'mvn: * verify*' "$(cat "$work/calls")"
check 'a run after the tests builds nothing' 'java:*' "$(icf info)"
printf '[ERROR] a test failed\n' >"$work/fail"
check 'a test that fails' '?ERROR? a test failed => 1' "$(icf test -pl java/core)"

printf 'launcher_test: %s passed, %s failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
