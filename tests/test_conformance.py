"""Every adapter keeps what the kit checks; and so do formats that the tests invent: a family is data, nothing else."""

from pathlib import Path

import pytest

pytest.importorskip("xgrammar", reason="xgrammar comes with vLLM, which is not installed")

from formats import INVENTED, UNMARKED

from chat_adapters.adapters import ADAPTERS, Adapter, Call, Format, Reply, Tool
from chat_adapters.toolkit.checks import reply_of
from chat_adapters.toolkit.kit import CHECKS, Subject
from chat_adapters.toolkit.kit_triangle import turn

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"

INVENTED_TEMPLATE = """\
{%- for message in messages %}
    {{- '<s>' + message.role + ': ' + message.content }}
    {%- for call in message.tool_calls or [] %}
        {{- ' ' if message.content or not loop.first }}
        {{- '[[CALL]] {"tool": "' + call.function.name + '", "input": ' + call.function.arguments | tojson + '} [[/CALL]]' }}
    {%- endfor %}
    {{- '</s>' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<s>assistant: ' }}{% endif %}"""


def adapter_of(name: str, format: Format) -> Adapter:
    return Adapter(name, models="none", format=format, turn_tokens=("<s>",), stop_tokens=("</s>",))


SUBJECTS = {name: Subject(adapter, FIXTURES / name) for name, adapter in ADAPTERS.items()} | {
    "invented": Subject(adapter_of("invented", INVENTED), own_template=INVENTED_TEMPLATE),
    "unmarked": Subject(adapter_of("unmarked", UNMARKED)),
}
OF_FIXTURES = {"golden-prompts", "golden-grammars", "replies", "recorded"}
WITHOUT = {
    **{name: {"recorded"} for name in ADAPTERS},  # see test_recorded.py
    # Its template takes one spelling and no tools, and refuses nothing.
    "invented": {"spellings", "everything-told", "refusals", *OF_FIXTURES},
    # It has no template.
    "unmarked": {
        "template-parser", "template-grammar", "stop-tokens", "prompts-continue", "spellings", "everything-told", "refusals",
        *OF_FIXTURES,
    },
}  # fmt: skip
"""What is left out, and why."""


@pytest.mark.parametrize(
    ("name", "check"), [(name, check) for name in SUBJECTS for check in CHECKS if check not in WITHOUT[name]]
)
def test_keeps(name: str, check: str) -> None:
    CHECKS[check](SUBJECTS[name])


def test_replies_are_what_the_types_say() -> None:
    """The reply of one fixed conversation, spelled out: generated ones cannot agree on a mistake in it."""
    text = turn(SUBJECTS["qwen2_5"], {"f": {"type": "object"}}, "Hi", [("f", {"a": "é"}), ("f", {})])
    assert text == (
        'Hi\n<tool_call>\n{"name": "f", "arguments": {"a": "é"}}\n</tool_call>\n'
        '<tool_call>\n{"name": "f", "arguments": {}}\n</tool_call>'
    )
    assert reply_of(ADAPTERS["qwen2_5"].format, [Tool("f")], text) == Reply(
        "Hi", (Call("f", '{"a": "é"}'), Call("f", "{}"))
    )
