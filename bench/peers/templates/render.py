#!/usr/bin/env python3
"""Writes what jinja2 makes of the templates among the Java tests, set up as the transformers library does it.

    render.py java/template/src/test/resources/icformer/template

rewrites in that folder: cases.json, for each template and each of a few conversations what comes out, or the exception's text;
expressions.json, what each line of expressions.txt gives, or nothing where it is refused; generated.json, the same of random
templates of grammar.py. Needs the Python package jinja2. compare.py compares more than is kept there.
"""

import copy
import json
import pathlib
import sys

import grammar
import reference
from conversations import AGAIN, ANSWER, CALL, RESULT, SYSTEM, THINKING, TOOLS, USER

CONVERSATIONS = [
    {"messages": [USER]},
    {"messages": [USER], "add_generation_prompt": True},
    {"messages": [SYSTEM, USER], "add_generation_prompt": True},
    {"messages": [SYSTEM, USER, THINKING]},
    {"messages": [USER, THINKING, AGAIN], "add_generation_prompt": True, "enable_thinking": False},
    {"messages": [SYSTEM, USER, ANSWER, AGAIN], "add_generation_prompt": True},
    {"messages": [THINKING, USER]},
    {"messages": [USER, SYSTEM]},
    {"messages": [SYSTEM, USER, CALL, RESULT], "tools": TOOLS, "add_generation_prompt": True},
]

GENERATED = 1500  # of which three in four are rendered
LONGEST = 300


def of_conversation(name: str, template: str, conversation: dict) -> dict:
    variables = {"add_generation_prompt": False, "bos_token": "<s>", "eos_token": "</s>"} | conversation
    result = reference.render(template, variables)
    return {"template": name, "variables": conversation} | {key: result[key] for key in ("text", "error") if key in result}


def generated() -> dict:
    """Templates that give the same text in every run, shorter ones first."""
    kept, refused = [], 0
    for template in grammar.templates(30 * GENERATED, seed=1):
        result = reference.render(template, copy.deepcopy(grammar.VARIABLES))
        text = result.get("text")
        unsteady = text is not None and (" at 0x" in text or "object" in text)
        if len(template) > LONGEST or unsteady or text is None and refused > GENERATED // 4:
            continue
        refused += text is None
        kept.append({"template": template, "text": text})
        if len(kept) == GENERATED:
            break
    return {"variables": grammar.VARIABLES, "cases": kept}


def write(path: pathlib.Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n")


def main() -> None:
    folder = pathlib.Path(sys.argv[1])
    cases = []
    for path in sorted(folder.glob("*.jinja")):
        for conversation in CONVERSATIONS if path.stem != "language" else CONVERSATIONS[:1]:
            cases.append(of_conversation(path.name, path.read_text(), conversation))
    write(folder / "cases.json", cases)
    given = {
        "messages": [{"role": "user", "content": "Hi"}],
        "add_generation_prompt": False,
        "bos_token": "<s>",
        "eos_token": "</s>",
    }
    lines = (folder / "expressions.txt").read_text().splitlines()
    expressions = [{"template": line, "text": reference.render(line, copy.deepcopy(given)).get("text")} for line in lines]
    write(folder / "expressions.json", expressions)
    random = generated()
    write(folder / "generated.json", random)
    print(f"{len(cases)} cases, {len(expressions)} expressions, {len(random['cases'])} generated templates")


if __name__ == "__main__":
    main()
