"""The triangle: what the template writes, the parser reads and the grammar admits; what that admits, the parser reads."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import jsonschema
from hypothesis import strategies as st

from ..adapters import Format, PythonCall, Tool
from .checks import reply_of
from .kit_case import Failed, Skipped, Subject, every_example, fail, read_every_way
from .rendering import render
from .strategies import calls_of, contents, cuts, tool_sets
from .writing import write_arguments, write_reply

__all__ = [
    "free_until_a_call",
    "grammar_admits_template",
    "parser_reads_grammar",
    "parser_reads_template",
    "prompts_continue",
    "spellings_agree",
    "stop_tokens",
    "turn",
]

Calls = Sequence[tuple[str, Any]]
Json = dict[str, Any]

USER: Json = {"role": "user", "content": "?"}


def prompt_of(subject: Subject, messages: Sequence[Json], tools: Mapping[str, object], begin: bool) -> str:
    """The prompt of a conversation; `begin` says whether the assistant's turn is begun."""
    offered = [
        {"type": "function", "function": {"name": name, "parameters": parameters}}
        for name, parameters in tools.items()
    ]
    return render(subject.template, messages, offered, add_generation_prompt=begin)


def message_of(content: str, calls: Calls) -> Json:
    """An assistant's turn."""
    written = [
        {"id": f"call_{index}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for index, (name, arguments) in enumerate(calls)
    ]
    return {"role": "assistant", "content": content, "tool_calls": written}


CONVERSATION: list[Json] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "What is it?"},
    message_of("Let me see.", [("f", {"a": "é"})]),
    {"role": "tool", "tool_call_id": "call_0", "content": "21"},
    message_of("It is 21.", []),
    {"role": "user", "content": "And now?"},
    message_of("", [("f", {})]),
]
"""Every role, and calls with and without a text before them."""


def turn(subject: Subject, tools: Mapping[str, object], content: str, calls: Calls) -> str:
    """What the template writes for an assistant's turn: the reply that the model would have written.

    Raises:
        Failed: the prompt is not how the conversation with that turn begins.
    """
    reply = behind(subject, tools, [USER], [message_of(content, calls)]).removesuffix("\n")
    for token in subject.adapter.stop_tokens:
        reply = reply.removesuffix(token)
    return reply


def behind(
    subject: Subject, tools: Mapping[str, object], before: Sequence[Json], after: Sequence[Json]
) -> str:
    """What stands behind the prompt of a conversation when that goes on.

    Raises:
        Failed: it does not begin with the prompt; a server's prefix cache would miss.
    """
    prompt = prompt_of(subject, before, tools, True)
    whole = prompt_of(subject, [*before, *after], tools, False)
    if not whole.startswith(prompt):
        raise Failed(f"the prompt is not how the next one begins:\nprompt: {prompt!r}\nnext:   {whole!r}")
    return whole.removeprefix(prompt)


def parser_reads_template(subject: Subject) -> None:
    """What the template writes for a turn, the parser reads back: text, names and arguments."""
    padded = {**USER, "content": f" {USER['content']}\n"}
    prompts = [prompt_of(subject, [said], {}, True) for said in (USER, padded)]
    if subject.adapter.trims and prompts[0] != prompts[1]:
        raise Failed("white space around what a user says is written, though the adapter says that it trims")

    def holds(data: st.DataObject) -> None:
        format = subject.adapter.format
        tools = data.draw(tool_sets())
        calls, content = data.draw(calls_of(tools)), data.draw(contents(format))
        if subject.adapter.trims:
            content = content.strip()
        text, offered = turn(subject, tools, content, calls), [Tool(*tool) for tool in tools.items()]
        _begins_as_described(format, text, content, calls)
        read_every_way(format, offered, text, [data.draw(cuts(text))])
        reply = reply_of(format, offered, text)
        if reply.content != content:
            fail(f"the text was {content!r}, and is read as {reply.content!r}", format, offered, text)
        told = [(call.name, json.loads(call.arguments)) for call in reply.calls]
        if told != calls:
            fail(f"the calls were {calls}, and are read as {told}", format, offered, text)

    every_example(holds)


def _begins_as_described(format: Format, text: str, content: str, calls: Calls) -> None:
    """What the parser reads for either: a lead that is missing, or white space at a marker."""
    form = format.call
    if calls and not isinstance(form, PythonCall):
        start = write_reply(format, (calls[0][0], ""), text=content).removesuffix(form.end)
        if not text.startswith(start):
            raise Failed(
                f"the template begins the turn with {text[: len(start)]!r}, the format with {start!r}"
            )


def _grammars() -> Any:
    try:
        from . import grammars
    except ModuleNotFoundError as error:
        raise Skipped(f"{error.name} is not installed: pip install 'vllm-chat-adapters[kit]'") from None
    return grammars


def grammar_admits_template(subject: Subject) -> None:
    """What the template writes for a turn, the grammar admits: for `auto`, `required` and a named tool."""
    grammars = _grammars()

    def admitted(choice: str, tools: Mapping[str, object], text: str) -> None:
        grammar = grammars.compile_grammar(subject.adapter, tools, choice)
        if not grammars.admits(grammar, text):
            offered = [Tool(name) for name in tools]
            fail(f"the grammar for {choice!r} does not admit it", subject.adapter.format, offered, text)

    def holds(data: st.DataObject) -> None:
        tools = data.draw(tool_sets())
        calls = data.draw(calls_of(tools))
        text = turn(subject, tools, "", calls)
        admitted("auto", tools, text)
        admitted("auto", tools, turn(subject, tools, "Let me see.", calls))
        admitted("required", tools, text)
        name = calls[0][0]
        named = {name: tools[name]}
        admitted("forced", named, turn(subject, tools, "", calls[:1]))
        if len(calls) > 1 and grammars.admits(
            grammars.compile_grammar(subject.adapter, named, "forced"), text
        ):
            raise Failed(f"the grammar for one named tool admits several calls: {text!r}")

    every_example(holds)


def parser_reads_grammar(subject: Subject) -> None:
    """What the grammar for `required` admits, the parser reads: calls alone, without repairs, valid for their schemas."""
    grammars, format = _grammars(), subject.adapter.format

    def holds(data: st.DataObject) -> None:
        tools = data.draw(tool_sets())
        grammar = grammars.compile_grammar(subject.adapter, tools, "required")
        text = grammars.walk(grammar, data.draw(st.integers(0, 2**32)))
        offered = [Tool(*tool) for tool in tools.items()]
        reading, reply = read_every_way(format, offered, text), reply_of(format, offered, text)
        if reading.repairs:
            fail(f"it needs repairs: {reading.repairs}", format, offered, text)
        if reply.content or not reply.calls:
            fail(f"it is read as {reply}, not as calls alone", format, offered, text)
        for call in reply.calls:
            try:
                jsonschema.validate(json.loads(call.arguments), tools[call.name])
            except jsonschema.ValidationError as error:
                fail(
                    f"arguments of {call.name} that its schema forbids: {error.message}",
                    format,
                    offered,
                    text,
                )

    every_example(holds)


def free_until_a_call(subject: Subject) -> None:
    """For `auto` the grammar leaves text free, and holds a call to its form and its schema once it has begun."""
    grammars, format = _grammars(), subject.adapter.format
    tools = {"f": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}}
    grammar, call = grammars.compile_grammar(subject.adapter, tools, "auto"), subject.adapter.format.call
    right = write_arguments(call, {"a": 1})
    wrong = [write_arguments(call, value) for value in ({"a": "1"}, {}, {"a": 1, "b": 2})]
    wrong += ["null", right.replace("1", "1        ")]
    expected = {
        "Just text: {} [1] \"'.": True,
        f"So {call.begin('f')}{right}{call.end} and so on.": True,
        **{call.begin("f") + arguments + call.end: False for arguments in wrong},
        # A call in Python begins with its name: another one begins nothing but text.
        call.begin("g") + right + call.end: isinstance(call, PythonCall),
    }
    for text, admitted in expected.items():
        if grammars.admits(grammar, text) != admitted:
            fail(f"the grammar {'does not admit' if admitted else 'admits'} it", format, [Tool("f")], text)


def stop_tokens(subject: Subject) -> None:
    """Behind what the template writes for a turn stands a stop token; and it writes every token of the turns."""
    adapter, format = subject.adapter, subject.adapter.format
    tools = {"f": {"type": "object"}}
    ends = (*adapter.stop_tokens, *map(str.strip, format.stop_strings))
    said, call = "It is sunny.", write_reply(format, ("f", "{}"))
    for message, written, after in (
        (message_of(said, []), said, USER),
        (message_of("", [("f", {})]), call, {"role": "tool", "tool_call_id": "call_0", "content": "1"}),
    ):
        rest = behind(subject, tools, [USER], [message, after])
        _, found, end = rest.partition(written)
        if not found:
            raise Failed(f"the template writes {rest!r}, in which the format's {written!r} does not stand")
        if not end.lstrip().startswith(ends):
            raise Failed(
                f"behind {written!r} the template writes {end.lstrip()[:40]!r}; no stop token begins like that: "
                f"{', '.join(ends)}"
            )
    # One that is written for what this conversation lacks stands in the template.
    shown = prompt_of(subject, CONVERSATION, tools, True) + subject.template
    missing = [token for token in adapter.turn_tokens if token not in shown]
    if missing:
        raise Failed(f"the template does not write the turn tokens {', '.join(missing)}")


def prompts_continue(subject: Subject) -> None:
    """Each prompt of a conversation is how the next one begins, so that a server's prefix cache hits."""
    tools = {"f": {"type": "object"}}
    for place, message in enumerate(CONVERSATION):
        if message["role"] == "assistant":
            behind(subject, tools, CONVERSATION[:place], CONVERSATION[place:])


def spellings_agree(subject: Subject) -> None:
    """One conversation gives one prompt, in whichever of the spellings that callers use."""
    parameters = {"type": "object", "properties": {"a": {"type": "string"}}}
    function = {"name": "f", "description": "d", "parameters": parameters}
    plain, call = {"name": "f", "arguments": {"a": "é"}}, message_of("", [("f", {"a": "é"})])
    result = {"role": "tool", "tool_call_id": "call_0", "content": "one\ntwo"}
    system = {"role": "system", "content": "Be brief."}
    first, offered = [system, USER, call, result], [{"type": "function", "function": function}]
    in_text = {**plain, "arguments": json.dumps(plain["arguments"], ensure_ascii=False)}
    spellings: dict[str, tuple[list[Json], list[Json]]] = {
        "a bare function among the tools": (first, [function]),
        "null for an empty content": ([system, USER, {**call, "content": None}, result], offered),
        "contents in parts": (
            [system, USER, call, {**result, "content": [{"type": "text", "text": each} for each in ("one", "two")]}],
            offered,
        ),
        "the role developer": ([{**system, "role": "developer"}, USER, call, result], offered),
        "no key tool_calls": ([system, USER, {"role": "assistant", "content": "Hi"}], offered),
        "null for tool_calls": ([system, USER, {"role": "assistant", "content": "Hi", "tool_calls": None}], offered),
    }  # fmt: skip
    if not isinstance(subject.adapter.format.call, PythonCall):
        called = {"id": "call_0", "type": "function", "function": in_text}
        text = {**call, "tool_calls": [called]}
        spellings["arguments in a string"] = ([system, USER, text, result], offered)
    answer = [system, USER, {"role": "assistant", "content": "Hi", "tool_calls": []}]
    for what, (messages, tools) in spellings.items():
        usual = answer if messages[2].get("content") == "Hi" else first
        prompts = [
            render(subject.template, each, with_tools, add_generation_prompt=True)
            for each, with_tools in ((usual, offered), (messages, tools))
        ]
        if prompts[0] != prompts[1]:
            raise Failed(f"{what} changes the prompt:\nusual: {prompts[0]!r}\nother: {prompts[1]!r}")
