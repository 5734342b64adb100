#!/usr/bin/env python3
"""Renders the chat templates among the Java tests with jinja2, set up as the transformers library does it.

    render.py java/template/src/test/resources/icformer/template

rewrites FOLDER/cases.json: for each template of FOLDER and each conversation what comes out, or the exception's text; and
FOLDER/expressions.json: what each line of FOLDER/expressions.txt gives, or nothing where it is refused. Needs the Python
package jinja2.
"""

import datetime
import json
import pathlib
import sys

import jinja2
import jinja2.ext
import jinja2.sandbox

NOW = datetime.datetime(2024, 7, 6, 13, 5, 9)

SYSTEM = {"role": "system", "content": " You are <b>terse</b> & exact.\n"}
USER = {"role": "user", "content": "  Hi é 😀\n"}
ANSWER = {"role": "assistant", "content": "<think>\nhm\n</think>\n\nHello \"you\""}
AGAIN = {"role": "user", "content": "What's 2 < 3?"}
CALL = {"role": "assistant", "content": "", "tool_calls": [
    {"type": "function", "function": {"name": "f", "arguments": {"b": [1, 2.5, None, True], "a": "é\"\n"}}}]}
RESULT = {"role": "tool", "content": "42"}
TOOLS = [{"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {}}}}]

CONVERSATIONS = [
    {"messages": [USER]},
    {"messages": [USER], "add_generation_prompt": True},
    {"messages": [SYSTEM, USER], "add_generation_prompt": True},
    {"messages": [SYSTEM, USER, ANSWER]},
    {"messages": [USER, ANSWER, AGAIN], "add_generation_prompt": True, "enable_thinking": False},
    {"messages": [SYSTEM, USER, ANSWER, AGAIN], "add_generation_prompt": True},
    {"messages": [ANSWER, USER]},
    {"messages": [USER, SYSTEM]},
    {"messages": [SYSTEM, USER, CALL, RESULT], "tools": TOOLS, "add_generation_prompt": True},
]


def environment() -> jinja2.Environment:
    """The environment of transformers' apply_chat_template."""
    env = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[jinja2.ext.loopcontrols])

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = NOW.strftime
    return env


def render(template: str, conversation: dict) -> dict:
    variables = {"add_generation_prompt": False, "bos_token": "<s>", "eos_token": "</s>"} | conversation
    try:
        return {"text": environment().from_string(template).render(**variables)}
    except jinja2.exceptions.TemplateError as error:
        return {"error": str(error)}


def expression(template: str) -> str | None:
    """What a template of the expressions gives; None where it is refused, in whatever way."""
    try:
        return render(template, {"messages": [{"role": "user", "content": "Hi"}]}).get("text")
    except Exception:  # what Python itself raises is let through by jinja2
        return None


def main() -> None:
    folder = pathlib.Path(sys.argv[1])
    cases = []
    for path in sorted(folder.glob("*.jinja")):
        template = path.read_text()
        conversations = CONVERSATIONS if path.stem != "language" else CONVERSATIONS[:1]
        for conversation in conversations:
            cases.append({"template": path.name, "variables": conversation, **render(template, conversation)})
    (folder / "cases.json").write_text(json.dumps(cases, ensure_ascii=False, indent=1) + "\n")
    expressions = [{"template": line, "text": expression(line)} for line in (folder / "expressions.txt").read_text().splitlines()]
    (folder / "expressions.json").write_text(json.dumps(expressions, ensure_ascii=False, indent=1) + "\n")
    print(f"{len(cases)} cases, {len(expressions)} expressions")


if __name__ == "__main__":
    main()
