"""Conversations of every kind that templates meet: with and without a system, tools, parts, thoughts, empty and out of order."""

from typing import Any


def text(role: str, content: Any, **more: Any) -> dict:
    return {"role": role, "content": content, **more}


def parts(role: str, *contents: str) -> dict:
    return text(role, [{"type": "text", "text": content} for content in contents])


def call(content: str | None, *calls: tuple[str, str, Any]) -> dict:
    functions = [
        {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}} for id, name, arguments in calls
    ]
    return {"role": "assistant", "content": content, "tool_calls": functions}


def tool(name: str, description: str, properties: dict, **more: Any) -> dict:
    parameters = {"type": "object", "properties": properties, "required": list(properties)[:1]}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters, **more}}


SYSTEM = text("system", " You are <b>terse</b> & exact.\n")
USER = text("user", "  Hi é 😀\n")
THINKING = text("assistant", '<think>\nhm\n</think>\n\nHello "you"')
ANSWER = text("assistant", "Plain 'answer'.")
AGAIN = text("user", "What's 2 < 3?")
CALL = call("", ("call_abc12", "f", {"b": [1, 2.5, None, True], "a": 'é"\n'}))
CALL_OF_TEXT = call(None, ("call00001", "weather", '{"city": "Zürich"}'))
CALLS = call("Let me see", ("abcdefghi", "f", {"x": 1}), ("abcdefghj", "g", {}))
RESULT = text("tool", "42", name="f", tool_call_id="call_abc12")
WEATHER = text("tool", '{"t": 3}', name="weather", tool_call_id="call00001")
RESULTS = [text("tool", "one", name="f", tool_call_id="abcdefghi"), text("tool", "two", name="g", tool_call_id="abcdefghj")]
IMAGE = text("user", [{"type": "image"}, {"type": "text", "text": "What is this?"}])
TOOLS = [
    tool(
        "f",
        'd "q"',
        {
            "a": {"type": "string", "description": "x", "enum": ["p", "q"]},
            "b": {"type": ["array", "null"], "items": {"type": "number"}},
        },
    ),
    tool("weather", "Wetter für é", {"city": {"type": "string"}}, **{"return": {"type": "string", "description": "r"}}),
]


def conversation(*messages: dict, ask: bool = True, **more: Any) -> dict:
    return {
        "messages": list(messages),
        "add_generation_prompt": ask,
        "bos_token": "<s>",
        "eos_token": "</s>",
        "tools": None,
        "documents": None,
        **more,
    }


CONVERSATIONS = [
    conversation(USER, ask=False),
    conversation(USER),
    conversation(SYSTEM, USER),
    conversation(SYSTEM, USER, ANSWER, AGAIN),
    conversation(SYSTEM, USER, THINKING, ask=False),
    conversation(USER, THINKING, AGAIN, enable_thinking=False),
    conversation(USER, THINKING, AGAIN, enable_thinking=True),
    conversation(SYSTEM, USER, text("assistant", "Yes.", reasoning_content="Because it is.\n"), AGAIN),
    conversation(USER, text("assistant", "Yes.", thinking="Because it is.\n"), ask=False),
    conversation(SYSTEM, USER, tools=TOOLS),
    conversation(SYSTEM, USER, CALL, RESULT, tools=TOOLS),
    conversation(USER, CALL_OF_TEXT, WEATHER, tools=TOOLS),
    conversation(USER, CALLS, *RESULTS, ANSWER, AGAIN, tools=TOOLS),
    conversation(SYSTEM, USER, CALL, RESULT, ask=False),
    conversation(parts("user", "Look at", " this")),
    conversation(parts("system", "Be kind."), IMAGE, parts("assistant", "Sure."), AGAIN),
    conversation(IMAGE, ANSWER, ask=False),
    conversation(ask=False),
    conversation(),
    conversation(ANSWER, USER, ask=False),
    conversation(USER, SYSTEM, ask=False),
    conversation(USER, AGAIN),
    conversation(text("developer", "Dev says."), USER),
    conversation(text("user", "")),
    conversation(text("system", ""), USER),
    conversation(USER, documents=[{"title": "T", "text": "doc é"}, {"title": "V", "text": "w"}]),
]
