"""What a server's prefix cache keeps of a conversation with tools: `make bench-prompts`, or `python benchmarks/prefix_cache.py`.

Ten requests to a real server, each with the whole conversation so far; what the model replies is replayed. For each
adapter a server with our template, and one with the official one where it is given as a file. It writes prefix_cache.json
and prefix_cache.md into this folder. docs/performance.md says what is measured, and how.
"""

import json
import re
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

import vllm
from prompts import HERE, answer, arguments, asked, question, result, tools, write
from tables import table

sys.path.append(str(HERE.parent / "tests" / "serving"))  # the server of the tests

from server import DUMMY, Server
from tiny import FAMILIES, write_tiny_checkpoint

from chat_adapters.adapters import Adapter, get
from chat_adapters.toolkit.writing import write_reply

BLOCK = 32
"""Tokens that are kept together; on a CPU, vLLM knows no less."""
ARGUMENTS = ("--enable-prefix-caching", "--block-size", str(BLOCK), "--max-model-len", "16384")
TURNS = (
    "call",
    "said and call",
    "answer",
    "call",
    "call",
    "answer",
    "said and call",
    "call",
    "call",
    "answer",
)
"""What the model does in each; behind an answer the user asks again."""
SAID = "Let me look."
CONTEXT = 12
"""Tokens that are shown of where two texts part."""
COUNTER = r"^vllm:prefix_cache_%s_total\{.*\} (\S+)$"


def measure(name: str, official: Path | None, tokenizer: Path | None, turns: Sequence[str]) -> dict[str, Any]:
    """By template, what each turn found in the cache."""
    templates = {"ours": (), **({"official": ("--chat-template", str(official))} if official else {})}
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        model = write_tiny_checkpoint(Path(folder) / "tiny", FAMILIES[name], tokenizer)
        for label, template in templates.items():
            given = (*DUMMY, *FAMILIES[name].arguments, *ARGUMENTS, *template)
            with Server(model, name, *given, workdir=Path(folder)) as server:
                found[label] = list(rounds(server, get(name), turns))
    return found


def rounds(server: Server, adapter: Adapter, turns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """What each turn's prompt found in the cache, and what it could have found."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": question(0)}]
    computed: list[int] = []
    before = counted(server)
    for number, kind in enumerate(turns):
        prompt, wrote, replied = send(server, adapter, messages, number, kind)
        after = counted(server)
        same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(computed, prompt, strict=False)))
        yield {
            "turn": kind,
            "prompt": after["queries"] - before["queries"],
            "hits": after["hits"] - before["hits"],
            "best": len(computed) // BLOCK * BLOCK,
            "parts": parts(server, computed, prompt, same),
        }
        before, computed = after, (prompt + wrote)[:-1]  # of its last token the model has computed nothing
        messages += [replied, *continued(replied, number)]


def send(
    server: Server, adapter: Adapter, messages: Sequence[Mapping[str, Any]], number: int, kind: str
) -> tuple[list[int], list[int], dict[str, Any]]:
    """One request: the tokens of its prompt and of the reply, and the message that a client keeps."""
    body = {
        "model": server.name,
        "messages": messages,
        "tools": tools(3),
        "return_token_ids": True,
        "vllm_xargs": {
            "replay_ids": server.ids(script(adapter, number, kind, messages[-1]["role"] == "tool"))
        },
    }
    got = server.post("/v1/chat/completions", body)
    (choice,) = got["choices"]
    said, calls = choice["message"]["content"], choice["message"].get("tool_calls") or []
    if [call["function"]["name"] for call in calls] != [tools(1)[0]["function"]["name"]] * ("call" in kind):
        raise ValueError(f"{adapter.name}: the reply to turn {number} was not read: {choice['message']}")
    replied = {"role": "assistant", "content": said, **({"tool_calls": calls} if calls else {})}
    return got["prompt_token_ids"], choice["token_ids"], replied


def script(adapter: Adapter, number: int, kind: str, after_result: bool) -> str:
    """What a trained model writes, to where it stops."""
    stop = adapter.stop_tokens[0]
    if "call" not in kind:
        return write_reply(adapter.format, text=answer(number), after_result=after_result) + stop
    name, written = tools(1)[0]["function"]["name"], json.dumps(arguments(number), ensure_ascii=False)
    text = SAID if "said" in kind else ""
    reply = write_reply(adapter.format, (name, written), text=text, after_result=after_result)
    return reply + "".join(adapter.format.stop_strings[:1]) + stop


def continued(replied: Mapping[str, Any], number: int) -> list[dict[str, Any]]:
    """What comes behind a reply: the results, or the next question."""
    calls = replied.get("tool_calls", ())
    if not calls:
        return [{"role": "user", "content": question(number + 1)}]
    return [{"role": "tool", "tool_call_id": call["id"], "content": result(number)} for call in calls]


def counted(server: Server) -> dict[str, int]:
    """Tokens looked up in the cache, and tokens found."""
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=60) as metrics:
        text = metrics.read().decode()
    return {
        key: int(sum(float(found) for found in re.findall(COUNTER % key, text, re.MULTILINE)))
        for key in ("queries", "hits")
    }


def parts(server: Server, computed: Sequence[int], prompt: Sequence[int], same: int) -> dict[str, str] | None:
    """Where a prompt parts from what was computed before; None where it goes on with all of it."""
    if same == len(computed):
        return None
    around = [server.text(ids[max(same - CONTEXT, 0) : same + CONTEXT]) for ids in (computed, prompt)]
    return {"computed": around[0], "prompt": around[1]}


def report(found: Mapping[str, Any]) -> str:
    """All of it, as tables."""
    every = [
        (f"{name}, {label}", turns)
        for name, templates in found["adapters"].items()
        for label, turns in templates.items()
    ]
    lost = [
        [label, str(number), _code(turn["parts"]["computed"]), _code(turn["parts"]["prompt"])]
        for label, turns in every
        for number, turn in enumerate(turns)
        if turn["parts"]
    ]
    longest = max(len(turns) for _, turns in every)
    pieces = [
        "# What the prefix cache keeps of a conversation with tools",
        "Made by `make bench-prompts` with prefix_cache.json; docs/performance.md says what the numbers mean.",
        "## Of the tokens of all prompts",
        table(
            ["template", "found in the cache", "best possible", "prompts that went on with all that was computed"],
            [[label, *_all(turns)] for label, turns in every],
        ),
        "## Turn by turn: tokens found, of those that could be, of the prompt's",
        table(
            ["template", *map(str, range(longest))],
            [[label, *(f"{turn['hits']} / {turn['best']} / {turn['prompt']}" for turn in turns)] for label, turns in every],
        ),
        "## Where a prompt parts from what was computed",
        table(["template", "turn", "computed before", "the prompt"], lost) if lost else "Nowhere.",
    ]  # fmt: skip
    return "\n\n".join(pieces) + "\n"


def _all(turns: Sequence[Mapping[str, Any]]) -> list[str]:
    prompts = sum(turn["prompt"] for turn in turns)
    share = [f"{sum(turn[key] for turn in turns) / prompts:.1%}" for key in ("hits", "best")]
    return [*share, f"{sum(turn['parts'] is None for turn in turns[1:])} of {len(turns) - 1}"]


def _code(text: str) -> str:
    """Within a table, on one line."""
    shown = json.dumps(text, ensure_ascii=False)[1:-1].replace("|", "\\|").replace("`", "'")
    return f"`{shown}`"


def main() -> None:
    given = asked(__doc__)
    turns = TURNS[:3] if given.quick else TURNS
    found: dict[str, Any] = {"vllm": vllm.__version__, "block": BLOCK, "tokenizers": {}, "adapters": {}}
    for name in given.adapters:
        tokenizer = given.tokenizers.get(name)
        found["tokenizers"][name] = tokenizer.name if tokenizer else "a small one"
        found["adapters"][name] = measure(name, given.official.get(name), tokenizer, turns)
    write(given.folder, "prefix_cache", found, report(found))


if __name__ == "__main__":
    main()
