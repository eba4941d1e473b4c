"""`make demo`: what the plugin does, one screen a model family, with real vLLM servers and the real openai client.

No weights are needed. A tiny model with random weights is served on the CPU; it knows nothing, so where a step shows
what a trained model writes, the tokens are replayed (see `replay.py`) and the step says so. Where a grammar leads,
the random weights write for real.

`ADAPTER=llama3_1 make demo` shows one family. `MODEL=/path/to/checkpoint ADAPTER=name make demo` serves that
checkpoint with its own weights instead and replays nothing; the adapter is qwen2_5 if none is named.
"""

import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from replies import Reply, ask, faults, tool
from rich.console import Console
from rich.table import Table
from rich.text import Text
from server import DUMMY, Server, ServerFailed
from tiny import ALL_STOP_TOKENS, FAMILIES, write_tiny_checkpoint

from chat_adapters.adapters import Adapter, UnknownAdapterError, get
from chat_adapters.toolkit.launch import generation_folder
from chat_adapters.toolkit.writing import write_reply

FIRST = "qwen2_5"
"""The family that is shown in full when all are shown."""
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
    "The weights know nothing: in a step marked [italic magenta](replayed)[/] they were made to write\n"
    "what a trained model writes; else they wrote it themselves, led by the plugin's grammar.\n"
)
QUESTION = {"role": "user", "content": "海淀区天气"}
HAIDIAN = ("amap_weather", '{"location": "海淀区"}')
CHAOYANG = ("amap_weather", '{"location": "朝阳区"}')
CALLED = {
    "role": "assistant",
    "content": None,
    "tool_calls": [
        {
            "id": "call_1",
            "type": "function",
            "function": {"name": HAIDIAN[0], "arguments": HAIDIAN[1]},
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
    text: str = ""
    """What a trained model says and calls, and so what the caller must get; without both, the model writes."""
    calls: tuple[tuple[str, str], ...] = ()
    parallel: bool = True
    show_prompt: bool = False
    in_full_only: bool = False

    @property
    def expected(self) -> list[str]:
        return summary(self.text, self.calls)

    def script(self, adapter: Adapter) -> str | None:
        """How a model of this family writes it."""
        if not self.text and not self.calls:
            return None
        after_result = self.messages[-1]["role"] == "tool"
        return write_reply(adapter.format, *self.calls, text=self.text, after_result=after_result)


STEPS = (
    Step(
        "tool_choice auto: the model's own form of a call becomes OpenAI's",
        (QUESTION,),
        "auto",
        "tool_calls",
        calls=(HAIDIAN,),
    ),
    Step(
        "text and two calls in one turn",
        ({"role": "user", "content": "海淀区和朝阳区天气"},),
        "auto",
        "tool_calls",
        text="我来查一下。",
        calls=(HAIDIAN, CHAOYANG),
        in_full_only=True,
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
        text="海淀区今天晴，25度。",
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


def wrong_with(step: Step, reply: Reply, replayed: bool) -> Iterator[str]:
    """What is wrong with a reply. Of a real model's own words no more is asked than calls that can be executed."""
    for name, text in reply.calls:
        if name != WEATHER["function"]["name"]:
            yield f"called {name!r}, which was not offered"
        yield from faults(text, WEATHER["function"]["parameters"])
    if not step.expected and len(reply.calls) != 1:
        yield f"{len(reply.calls)} calls, not one"
    if replayed and summary(reply.content, reply.calls) != step.expected:
        yield f"expected {step.expected}"
    if (not step.expected or replayed) and reply.finish_reason != step.finish_reason:
        yield f"the finish reason is {reply.finish_reason!r}, not {step.finish_reason!r}"


def summary(content: str, calls: Sequence[tuple[str, str]]) -> list[str]:
    """What the caller gets, a line for the text and for each call."""
    return ([repr(content)] if content else []) + [f"{name}({arguments})" for name, arguments in calls]


def visible(text: str) -> str:
    """On one line, and harmless to a terminal: random weights write any character."""
    return "".join("⏎" if c == "\n" else c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)


def run(step: Step, number: int, server: Server, console: Console, can_replay: bool) -> bool:
    """Send a step's request whole and streamed, print both, and say whether they are right."""
    adapter = get(server.adapter)
    script = step.script(adapter) if can_replay else None
    replay = None if script is None else script + adapter.stop_tokens[0]
    whole, streamed = (send(step, server, replay, stream) for stream in (False, True))
    got, again = (summary(reply.content, reply.calls) for reply in (whole, streamed))
    same = got == again
    wrong = [fault for reply in (whole, streamed) for fault in wrong_with(step, reply, replay is not None)]

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
    for row in got:
        line("reply", row, "green")
    for row in [] if same else again:
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


def show(name: str, given: Path | None, steps: Sequence[Step], console: Console) -> list[bool]:
    """Serve one family, the given checkpoint or a tiny one, and run the steps: which are right."""
    with tempfile.TemporaryDirectory() as folder:
        workdir = Path(folder)
        arguments = list(FAMILIES[name].arguments)
        model = given or write_tiny_checkpoint(workdir / "tiny", FAMILIES[name])
        stop_tokens = generation_folder(get(name))
        if stop_tokens:
            arguments += ["--generation-config", str(stop_tokens if given else model / ALL_STOP_TOKENS)]
        if given:
            server = Server(given, name, *arguments, "--max-model-len", "4096", workdir=workdir, replay=False)
        else:
            server = Server(model, name, *arguments, *DUMMY, workdir=workdir)
        console.rule(f"[bold]{name}[/]: {get(name).models}", align="left", style="dim")
        flags = " ".join((f"--tool-call-parser {name} --chat-template {name}.jinja", *arguments))
        console.print(
            f"Stock vLLM with [bold]{flags}[/] serves "
            f"{given.name if given else 'a tiny model with random weights on the CPU'}."
        )
        with server:
            console.print(f"Up after {server.seconds:.0f} s.\n")
            return [
                run(step, number, server, console, can_replay=not given)
                for number, step in enumerate(steps, start=1)
            ]


def main() -> int:
    console = Console(width=100, highlight=False, soft_wrap=False)
    given = Path(os.environ["MODEL"]).expanduser().resolve() if os.environ.get("MODEL") else None
    asked = os.environ.get("ADAPTER") or (FIRST if given else None)
    names = [get(asked).name] if asked else sorted(FAMILIES, key=lambda name: name != FIRST)
    short = [step for step in STEPS if not step.in_full_only]
    began = time.monotonic()
    right: list[bool] = []
    if not given:
        console.print(MEANING)
    for name in names:
        right += show(name, given, STEPS if name in (asked, FIRST) else short, console)
        console.print()
    verdict = "[bold green]All as it should be[/]" if all(right) else "[bold red]Something is wrong[/]"
    console.print(f"{verdict}, in {time.monotonic() - began:.0f} s.")
    return 0 if all(right) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (ServerFailed, UnknownAdapterError) as error:
        sys.exit(str(error))
