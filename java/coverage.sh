#!/bin/sh
# coverage.sh: branches of java/core that its tests take, package by package, and the classes that miss most. The report in
# full is java/core/target/site/jacoco/index.html. Needs Maven and JAVA_HOME of a JDK 25.
set -eu
cd "$(dirname "$0")/.."
mvn -B -q -Pcoverage -pl java/core -am test -Dsurefire.failIfNoSpecifiedTests=false
awk -F, '
  NR > 1 { missed[$2] += $6; covered[$2] += $7; m += $6; c += $7; class_missed[$2 "." $3] += $6 }
  function line(name, missed, covered) {
    printf "%-44s %6d of %6d branches  %5.1f %%\n", name, covered, missed + covered, 100 * covered / (missed + covered)
  }
  END {
    for (name in missed) if (missed[name] + covered[name]) line(name, missed[name], covered[name])
    line("total", m, c)
    for (name in class_missed) if (class_missed[name] > 9) printf "%6d branches missed in %s\n", class_missed[name], name
  }
' java/core/target/site/jacoco/jacoco.csv
