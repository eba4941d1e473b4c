"""`make demo`: what the plugin does, on one screen, with a real vLLM server and the real openai client.

No weights are needed. A tiny model with random weights is served on the CPU; it knows nothing, so where a step shows
what a trained model writes, the tokens are replayed (see `replay.py`) and the step says so. Where a grammar leads,
the random weights write for real.

`MODEL=/path/to/checkpoint make demo` serves that checkpoint with its own weights instead and replays nothing.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from replies import Reply, ask, tool
from rich.console import Console
from rich.table import Table
from rich.text import Text
from server import DUMMY, Server, ServerFailed
from tiny import QWEN2_5, write_tiny_checkpoint

ADAPTER = "qwen2_5"
END = "<|im_end|>"
WEATHER = tool(
    "amap_weather",
    {
        "type": "object",
        "properties": {
            "location": {
                "type": "string",
                "description": "城市/区具体名称，如`北京市海淀区`请描述为`海淀区`",
                "maxLength": 16,
            }
        },
        "required": ["location"],
    },
    description="amap weather tool",
)
MEANING = (
    " The weights know nothing: in a step marked [italic magenta](replayed)[/] they were made to "
    "write\nwhat a trained model writes; else they wrote it themselves, led by the plugin's grammar."
)
QUESTION = {"role": "user", "content": "海淀区天气"}
HAIDIAN = '<tool_call>\n{"name": "amap_weather", "arguments": {"location": "海淀区"}}\n</tool_call>'
CHAOYANG = HAIDIAN.replace("海淀区", "朝阳区")
CALLED = {
    "role": "assistant",
    "content": None,
    "tool_calls": [
        {
            "id": "call_1",
            "type": "function",
            "function": {"name": "amap_weather", "arguments": '{"location": "海淀区"}'},
        }
    ],
}
RESULT = {"role": "tool", "tool_call_id": "call_1", "content": '{"weather": "晴", "temperature": 25}'}


@dataclass(frozen=True, slots=True)
class Step:
    """One request, sent whole and streamed, and what must come back."""

    title: str
    messages: tuple[dict[str, Any], ...]
    tool_choice: object
    finish_reason: str
    script: str | None = None
    """What the model is made to write; without it, the model writes."""
    expected: Sequence[str] = ()
    """What the caller gets for the script, as `summary` puts it."""
    parallel: bool = True
    show_prompt: bool = False


STEPS = (
    Step(
        "tool_choice auto: the model's own form of a call becomes OpenAI's",
        (QUESTION,),
        "auto",
        "tool_calls",
        script=HAIDIAN,
        expected=['amap_weather({"location": "海淀区"})'],
    ),
    Step(
        "text and two calls in one turn",
        ({"role": "user", "content": "海淀区和朝阳区天气"},),
        "auto",
        "tool_calls",
        script=f"我来查一下。\n{HAIDIAN}\n{CHAOYANG}",
        expected=[
            "'我来查一下。'",
            'amap_weather({"location": "海淀区"})',
            'amap_weather({"location": "朝阳区"})',
        ],
    ),
    Step(
        "tool_choice required: even random weights can only write a valid call",
        (QUESTION,),
        "required",
        "tool_calls",
        parallel=False,
    ),
    Step(
        "a named function: exactly that call; vLLM's finish reason for it is stop",
        (QUESTION,),
        {"type": "function", "function": {"name": "amap_weather"}},
        "stop",
    ),
    Step(
        "the tool's result goes back: the prompt as the server really rendered it",
        (QUESTION, CALLED, RESULT),
        "auto",
        "stop",
        script="海淀区今天晴，25度。",
        expected=["'海淀区今天晴，25度。'"],
        show_prompt=True,
    ),
)


def send(step: Step, server: Server, replay: str | None, stream: bool) -> Reply:
    return ask(
        server,
        stream=stream,
        replay=replay,
        messages=list(step.messages),
        tools=[WEATHER],
        tool_choice=step.tool_choice,
        parallel_tool_calls=step.parallel,
        max_tokens=256,
    )


def faults(step: Step, reply: Reply, replayed: bool) -> Iterator[str]:
    """What is wrong with a reply. Of a real model's own words no more is asked than calls that can be executed."""
    for name, text in reply.calls:
        if name != WEATHER["function"]["name"]:
            yield f"called {name!r}, which was not offered"
        try:
            arguments = json.loads(text)
        except ValueError:
            yield f"arguments do not load: {text!r}"
        else:
            schema = WEATHER["function"]["parameters"]
            yield from (error.message for error in Draft202012Validator(schema).iter_errors(arguments))
    if step.script is None and len(reply.calls) != 1:
        yield f"{len(reply.calls)} calls, not one"
    if replayed and summary(reply) != step.expected:
        yield f"expected {step.expected}"
    if (step.script is None or replayed) and reply.finish_reason != step.finish_reason:
        yield f"the finish reason is {reply.finish_reason!r}, not {step.finish_reason!r}"


def summary(reply: Reply) -> list[str]:
    """What the caller got, a line for the text and for each call."""
    text = [repr(reply.content)] if reply.content else []
    return text + [f"{name}({arguments})" for name, arguments in reply.calls]


def visible(text: str) -> str:
    """On one line, and harmless to a terminal: random weights write any character."""
    return "".join("⏎" if c == "\n" else c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)


def run(step: Step, number: int, server: Server, console: Console, can_replay: bool) -> bool:
    """Send a step's request whole and streamed, print both, and say whether they are right."""
    replay = step.script + END if step.script is not None and can_replay else None
    whole, streamed = (send(step, server, replay, stream) for stream in (False, True))
    same = summary(whole) == summary(streamed)
    wrong = [fault for reply in (whole, streamed) for fault in faults(step, reply, replay is not None)]

    lines = Table.grid(padding=(0, 2))
    lines.add_column(style="dim", min_width=8)
    lines.add_column(overflow="fold")

    def line(label: str, text: str, style: str) -> None:
        lines.add_row(f"   {label}", Text(visible(text), style=style))

    if step.show_prompt:
        prompt = server.text(whole.prompt_ids)
        line("prompt", "... " + prompt[prompt.rindex(step.messages[0]["content"]) :], "blue")
    else:
        line("user", step.messages[-1]["content"], "blue")
    line("model", server.text(whole.token_ids), "yellow")
    for row in summary(whole):
        line("reply", row, "green")
    for row in [] if same else summary(streamed):
        line("again", row, "green")
    stream = f"streamed, the {'same' if same else 'second'} came in {streamed.pieces} pieces"
    line("finish", f"{whole.finish_reason}; {stream}", "dim")
    for fault in wrong:
        line("WRONG", fault, "bold red")
    console.print(
        Text(f"{number}  {step.title}", style="bold"),
        Text(f"({'replayed' if replay else 'the model writes'})", style="italic magenta"),
    )
    console.print(lines)
    return not wrong


def main() -> int:
    console = Console(width=100, highlight=False, soft_wrap=False)
    given = os.environ.get("MODEL")
    with tempfile.TemporaryDirectory() as folder:
        workdir = Path(folder)
        if given:
            model = Path(given).expanduser().resolve()
            server = Server(model, ADAPTER, "--max-model-len", "4096", workdir=workdir, replay=False)
        else:
            model = write_tiny_checkpoint(workdir / "tiny", QWEN2_5)
            server = Server(model, ADAPTER, *DUMMY, workdir=workdir)
        console.print(
            f"Stock vLLM with [bold]--tool-call-parser {ADAPTER} --chat-template {ADAPTER}.jinja[/] serves "
            f"{model.name if given else 'a tiny model with random weights on the CPU.'}"
        )
        began = time.monotonic()
        with server:
            console.print(f"Up after {server.seconds:.0f} s.{'' if given else MEANING}\n")
            right = [
                run(step, number, server, console, can_replay=not given)
                for number, step in enumerate(STEPS, start=1)
            ]
        verdict = "[bold green]All as it should be[/]" if all(right) else "[bold red]Something is wrong[/]"
        console.print(f"\n{verdict}, in {time.monotonic() - began:.0f} s.")
    return 0 if all(right) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ServerFailed as error:
        sys.exit(str(error))
