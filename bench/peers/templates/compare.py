#!/usr/bin/env python3
"""Compares renderings with jinja2's.

    compare.py FOLDER                     every *.jinja below FOLDER with every conversation of conversations.py
    compare.py --random 20000 [--seed 1]  random templates of grammar.py

prints how many are the same, different, and refused by one or both, and the first of those that differ. Needs the Python package
jinja2, and the module's classes: mvn -pl java/template test-compile, with jackson-core on --classpath (a jar).
"""

import argparse
import collections
import copy
import json
import pathlib
import subprocess
import tempfile

import conversations
import grammar
import reference

ROOT = pathlib.Path(__file__).resolve().parents[3]
MODULE = ROOT / "java" / "template" / "target"


def java(templates: list[str], variables: list[dict], classpath: str) -> list[dict]:
    """What Java makes of each template with each of the variables."""
    with tempfile.TemporaryDirectory() as folder:
        given, made = pathlib.Path(folder, "in.json"), pathlib.Path(folder, "out.jsonl")
        given.write_text(json.dumps({"templates": templates, "variables": variables}))
        path = f"{MODULE / 'classes'}:{MODULE / 'test-classes'}:{classpath}"
        subprocess.run(["java", "-cp", path, "icformer.template.RenderAll", given, made], check=True)
        return [json.loads(line) for line in made.read_text().splitlines()]


def kind(wanted: dict, got: dict) -> str:
    if "text" in wanted and "text" in got:
        return "same" if wanted["text"] == got["text"] else "different"
    if "text" in wanted:
        return "refused only here"
    return "accepted only here" if "text" in got else "refused by both"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=pathlib.Path)
    parser.add_argument("--random", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", type=int, default=10)
    parser.add_argument("--classpath", default="")
    arguments = parser.parse_args()
    if arguments.folder:
        templates = sorted({path.read_text() for path in arguments.folder.rglob("*.jinja")})
        variables = conversations.CONVERSATIONS
    else:
        templates = grammar.templates(arguments.random, arguments.seed)
        variables = [grammar.VARIABLES]
    pairs = [(template, given) for template in templates for given in variables]
    counts, shown = collections.Counter(), []
    for (template, given), got in zip(pairs, java(templates, variables, arguments.classpath), strict=True):
        wanted = reference.render(template, copy.deepcopy(given))
        if " at 0x" in wanted.get("text", ""):  # an address of Python's
            continue
        counts[kind(wanted, got)] += 1
        if kind(wanted, got) not in ("same", "refused by both"):
            shown.append((template, wanted, got))
    print(f"{len(templates)} templates: {dict(counts)}")
    for template, wanted, got in sorted(shown, key=lambda case: len(case[0]))[: arguments.show]:
        print(template[:400], "\n  jinja2:", str(wanted)[:400], "\n  here:  ", str(got)[:400])


if __name__ == "__main__":
    main()
