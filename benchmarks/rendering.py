"""What a prompt costs vLLM's API server, by turns and tools: `make bench-prompts`, or `python benchmarks/rendering.py`.

Our templates beside the official ones, which are given as files, and the renderer of `--tokenizer-mode chat_adapters`
beside vLLM's. It writes rendering.json and rendering.md into this folder. docs/performance.md says what is measured, and how.
"""

import gc
import logging
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from functools import partial
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any, NamedTuple

import vllm
from prompts import HERE, asked, conversation, tools, write
from tables import table
from vllm.config import DeviceConfig, ModelConfig, VllmConfig
from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionToolsParam
from vllm.renderers import ChatParams, TokenizeParams
from vllm.renderers.chat_utils import parse_chat_messages
from vllm.renderers.hf import HfRenderer, safe_apply_chat_template
from vllm.renderers.registry import renderer_from_config
from vllm.tokenizers.registry import cached_tokenizer_from_config

from chat_adapters.adapters import ADAPTERS, read_template
from chat_adapters.vllm_plugin import MODE, register

sys.path.append(str(HERE.parent / "tests" / "serving"))  # the checkpoints of the tests

from tiny import FAMILIES, write_tiny_checkpoint

CELLS = """\
Medians in milliseconds of CPU time, on the machine of this run. Where nothing else is said, 10 turns and 1 tool.
A dash: no official template was given."""


class Point(NamedTuple):
    """What a request holds."""

    turns: int = 10
    tools: int = 1


AXES: dict[str, tuple[Point, ...]] = {
    "turns": tuple(Point(turns=turns) for turns in (2, 10, 50, 200)),
    "tools": tuple(Point(tools=tools) for tools in (0, 1, 20, 200)),
}
QUICK = {"turns": (Point(2),), "tools": (Point(2, 0),)}
ROUNDS = 9

TEMPLATE, OFFICIAL = "template", "official template"
VLLMS, OURS, SPELLED, VLLMS_OFFICIAL = "vLLM", "ours", "ours, a token spelled", "vLLM, official template"
"""What is measured: a template alone; and template and tokens, by whose renderer."""


class Rendering(NamedTuple):
    """One checkpoint, under the mode and as vLLM alone serves it."""

    model: ModelConfig
    ours: HfRenderer
    vllms: HfRenderer


def rendering(checkpoint: Path) -> Rendering:
    """The renderers that vLLM's server would make."""
    register()
    model = ModelConfig(model=str(checkpoint), tokenizer_mode=MODE, dtype="float32")
    config = VllmConfig(model_config=model, device_config=DeviceConfig("cpu"))
    ours: Any = renderer_from_config(config)
    tokenizer: Any = cached_tokenizer_from_config(model)
    return Rendering(model, ours, HfRenderer(config, tokenizer))


def measure(
    name: str, points: Iterable[Point], official: Path | None, tokenizer: Path | None, rounds: int
) -> dict[Point, Any]:
    """Milliseconds of everything at each point, and how long the prompts are."""
    with tempfile.TemporaryDirectory() as folder:
        made = rendering(write_tiny_checkpoint(Path(folder), FAMILIES[name], tokenizer))
        templates = {TEMPLATE: read_template(ADAPTERS[name])}
        if official:
            templates[OFFICIAL] = official.read_text("utf-8")
        return {point: at(made, templates, name, point, rounds) for point in points}


def at(made: Rendering, templates: Mapping[str, str], name: str, point: Point, rounds: int) -> dict[str, Any]:
    """The same at one point; in each round all take turns, in another order."""
    messages = conversation(point.turns)
    offered = [
        ChatCompletionToolsParam.model_validate(tool).model_dump() for tool in tools(point.tools)
    ] or None
    spelled = deepcopy(messages)
    spelled[-3]["content"] += ADAPTERS[name].stop_tokens[0]
    runs: dict[str, Callable[[], Any]] = {
        label: partial(template_alone, made, template, messages, offered)
        for label, template in templates.items()
    }
    ours = templates[TEMPLATE]
    runs[VLLMS] = partial(prompt, made.vllms, ours, messages, offered)
    runs[OURS] = partial(prompt, made.ours, ours, messages, offered)
    runs[SPELLED] = partial(prompt, made.ours, ours, spelled, offered)
    if OFFICIAL in templates:
        runs[VLLMS_OFFICIAL] = partial(prompt, made.vllms, templates[OFFICIAL], messages, offered)
    given = {label: run() for label, run in runs.items()}  # the first time, templates are compiled
    assert given[OURS][1]["prompt_token_ids"] == given[VLLMS][1]["prompt_token_ids"]
    taken: dict[str, list[float]] = {label: [] for label in runs}
    labels = list(runs)
    gc.freeze()  # as vLLM's server does
    for turn in range(rounds):
        place = turn % len(labels)
        for label in (*labels[place:], *labels[:place]):
            taken[label].append(runs[label]()[0])
    gc.unfreeze()
    return {
        "ms": {label: 1e3 * median(spent) for label, spent in taken.items()},
        "characters": {label: len(given[label][1]) for label in templates},
        "tokens": len(given[OURS][1]["prompt_token_ids"]),
    }


def template_alone(
    made: Rendering, template: str, messages: Sequence[Mapping[str, Any]], offered: Any
) -> tuple[float, str]:
    """Seconds that vLLM takes for a template, and the text."""
    given: Any = deepcopy(messages)
    parsed, _, _ = parse_chat_messages(given, made.model, "string")
    tokenizer: Any = made.vllms.tokenizer
    began = process_time()
    text = safe_apply_chat_template(
        made.model,
        tokenizer,
        parsed,
        tools=offered,
        chat_template=template,
        tokenize=False,
        add_generation_prompt=True,
    )
    return process_time() - began, text


def prompt(
    renderer: HfRenderer, template: str, messages: Sequence[Mapping[str, Any]], offered: Any
) -> tuple[float, Any]:
    """Seconds from a request's messages to what the engine gets, and that."""
    given: Any = deepcopy(messages)
    settings = {"add_generation_prompt": True, "tokenize": False, "tools": offered}
    params = ChatParams(chat_template=template, chat_template_kwargs=settings)
    tokens = TokenizeParams(max_total_tokens=1_000_000, add_special_tokens=False)
    began = process_time()
    _, (made,) = renderer.render_chat([given], params, tokens)
    return process_time() - began, made


def report(found: Mapping[str, Any]) -> str:
    """All of it, as tables."""
    rows = [
        (f"{name}, {axis}: {label}", one)
        for name, axes in found["adapters"].items()
        for axis, points in axes.items()
        for label, one in points.items()
    ]
    parts = [
        "# What a prompt costs",
        "Made by `make bench-prompts` with rendering.json; docs/performance.md says what the numbers mean.",
        CELLS,
        "## The template alone",
        table(["", "characters", "ours", "characters of the official", "official", "ours, times the official"],
              [[label, *_alone(one)] for label, one in rows]),
        "## Template and tokens",
        table(["", "tokens", "vLLM's renderer, official template", "vLLM's renderer", "our renderer", "ours, times vLLM's",
               "our renderer, a result spells a special token"],
              [[label, *_whole(one)] for label, one in rows]),
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def _alone(one: Mapping[str, Any]) -> list[str]:
    ms, characters = one["ms"], one["characters"]
    cells = [f"{characters[TEMPLATE]:,}", _ms(ms[TEMPLATE])]
    if OFFICIAL not in ms:
        return [*cells, "-", "-", "-"]
    return [*cells, f"{characters[OFFICIAL]:,}", _ms(ms[OFFICIAL]), f"{ms[TEMPLATE] / ms[OFFICIAL]:.2f}"]


def _whole(one: Mapping[str, Any]) -> list[str]:
    ms = one["ms"]
    official = _ms(ms[VLLMS_OFFICIAL]) if VLLMS_OFFICIAL in ms else "-"
    times = f"{ms[OURS] / ms[VLLMS]:.2f}"
    return [f"{one['tokens']:,}", official, _ms(ms[VLLMS]), _ms(ms[OURS]), times, _ms(ms[SPELLED])]


def _ms(value: float) -> str:
    return f"{value:.2f}"


def main() -> None:
    logging.disable(logging.WARNING)
    given = asked(__doc__)
    axes, rounds = (QUICK, 1) if given.quick else (AXES, ROUNDS)
    every = {point for points in axes.values() for point in points}
    found: dict[str, Any] = {"vllm": vllm.__version__, "tokenizers": {}, "adapters": {}}
    for name in given.adapters:
        tokenizer = given.tokenizers.get(name)
        at_points = measure(name, every, given.official.get(name), tokenizer, rounds)
        found["tokenizers"][name] = tokenizer.name if tokenizer else "a small one"
        found["adapters"][name] = {
            axis: {str(getattr(point, axis)): at_points[point] for point in points}
            for axis, points in axes.items()
        }
    write(given.folder, "rendering", found, report(found))


if __name__ == "__main__":
    main()
