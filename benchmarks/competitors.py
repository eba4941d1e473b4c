"""Who is measured, and how each is driven: the adapters, vLLM's own parsers, and the floor, all through vLLM's `Parser`.

The reply is the same for all, each in the form that the parser reads; the cuts too: so many characters a delta, special
tokens alone, as vLLM streams them (and as `internlm` needs them).
"""

import json
import re
from collections.abc import Callable, Sequence
from functools import cache
from time import thread_time
from typing import Any, NamedTuple

import floor
from vllm.entrypoints.generate.base.protocol import DeltaMessage
from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
from vllm.parser.parser_manager import ParserManager

from chat_adapters.adapters import ADAPTERS, Adapter, PythonCall
from chat_adapters.toolkit.writing import write_reply
from chat_adapters.vllm_plugin import register

__all__ = [
    "COMPETITORS",
    "FLOOR",
    "OURS",
    "PEERS",
    "PYTHON",
    "RIVALS",
    "Call",
    "Competitor",
    "Delta",
    "Outcome",
    "Reply",
    "deltas",
    "ours",
    "stream",
    "whole",
]

CHARACTERS_A_TOKEN = 4
_BATCH = 256
"""Deltas whose messages are kept until the clock stands still: a client's work is not the parser's."""


class Call(NamedTuple):
    """What is to come out of a reply, and what went in."""

    name: str
    arguments: dict[str, Any]


class Reply(NamedTuple):
    """A text, then calls."""

    text: str
    calls: tuple[Call, ...]

    @property
    def json(self) -> str:
        """The arguments, as `json.loads` would read them."""
        return json.dumps([call.arguments for call in self.calls], ensure_ascii=False)


class Competitor(NamedTuple):
    """A parser by its name, and what it reads."""

    name: str
    write: Callable[[Reply], str]
    tokens: tuple[str, ...] = ()
    """The special tokens of its form."""
    longest: int = 1_000_000
    """Characters of arguments up to which it is run."""
    rival: str = ""
    """The adapter that reads the same text."""
    spelling: str = ""
    """How the arguments are written, if not as the format's own template does."""

    @property
    def label(self) -> str:
        return f"{self.name}, {self.spelling}" if self.spelling else self.name

    def parser(self, request: ChatCompletionRequest) -> Any:
        """A fresh one, for one reply."""
        return _parser_class(self.name)(Vocabulary(self.tokens), request.tools)


@cache
def _parser_class(name: str) -> Any:
    """As a server has it, once."""
    return ParserManager.get_parser(tool_parser_name=name, enable_auto_tools=True)


class Vocabulary:
    """What parsers ask of a tokenizer: the special tokens have ids, all other text is one token again and again.

    It answers at once: a real one takes its time for `get_vocab`, which some of vLLM's parsers call for each reply.
    """

    def __init__(self, tokens: Sequence[str]) -> None:
        self._texts = ["text", *tokens]
        self._ids = {text: place for place, text in enumerate(self._texts)}
        self.all_special_tokens = list(tokens)
        self.all_special_ids = [self._ids[token] for token in tokens]

    def get_vocab(self) -> dict[str, int]:
        return self._ids

    def convert_tokens_to_ids(self, token: str) -> int | None:
        return self._ids.get(token)

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(self._texts[token] for token in ids)


def _ours(adapter: Adapter) -> Competitor:
    def write(reply: Reply) -> str:
        calls = [(call.name, json.dumps(call.arguments, ensure_ascii=False)) for call in reply.calls]
        return write_reply(adapter.format, *calls, text=reply.text)

    return Competitor(adapter.name, write, adapter.tokens)


OURS = [_ours(adapter) for adapter in ADAPTERS.values()]
_OF = {competitor.name: competitor for competitor in OURS}


def _like(name: str, adapter: str, longest: int) -> Competitor:
    """One of vLLM's that reads what an adapter reads."""
    ours = _OF[adapter]
    return Competitor(name, ours.write, ours.tokens, longest, adapter)


def _calls(begin: str, call: Callable[[Call], str], between: str, end: str) -> Callable[[Reply], str]:
    def write(reply: Reply) -> str:
        wrote = between.join(map(call, reply.calls))
        return reply.text + (begin + wrote + end if wrote else "")

    return write


def _members(call: Call, begin: str, between: str, end: str) -> str:
    """Arguments one by one, texts as they are and other values as JSON."""
    return "".join(
        begin + name + between + (value if isinstance(value, str) else json.dumps(value)) + end
        for name, value in call.arguments.items()
    )


def _granite(call: Call) -> str:
    return json.dumps({"name": call.name, "arguments": call.arguments}, ensure_ascii=False)


def _kimi(call: Call) -> str:
    arguments = json.dumps(call.arguments, ensure_ascii=False)
    return (
        f"<|tool_call_begin|>functions.{call.name}:0<|tool_call_argument_begin|>{arguments}<|tool_call_end|>"
    )


def _qwen(call: Call) -> str:
    members = _members(call, "<parameter=", ">\n", "\n</parameter>\n")
    return f"<tool_call>\n<function={call.name}>\n{members}</function>\n</tool_call>"


def _glm(call: Call) -> str:
    members = _members(call, "<arg_key>", "</arg_key><arg_value>", "</arg_value>")
    return f"<tool_call>{call.name}{members}</tool_call>"


def _minimax(call: Call) -> str:
    members = _members(call, '<parameter name="', '">', "</parameter>\n")
    return f'<invoke name="{call.name}">\n{members}</invoke>\n'


_DSML = "\uff5cDSML\uff5c"


def _deepseek(call: Call) -> str:
    members = "".join(
        f'<{_DSML}parameter name="{name}" string="{str(isinstance(value, str)).lower()}">'
        f"{value if isinstance(value, str) else json.dumps(value)}</{_DSML}parameter>\n"
        for name, value in call.arguments.items()
    )
    return f'<{_DSML}invoke name="{call.name}">\n{members}</{_DSML}invoke>\n'


def _python(reply: Reply) -> str:
    form = ADAPTERS["chatglm3"].format.call
    assert isinstance(form, PythonCall)
    return ADAPTERS["chatglm3"].format.separator.join(
        form.begin(call.name)
        + ", ".join(f"{key}={value!r}" for key, value in call.arguments.items())
        + form.end
        for call in reply.calls
    )


_SIXTEEN = 16_384
_KIMI = [
    f"<|tool_call{part}|>"
    for part in ("s_section_begin", "_begin", "_argument_begin", "_end", "s_section_end")
]

PEERS = [
    _like("llama3_json", "llama3_1", _SIXTEEN),
    _like("hermes", "qwen2_5", 65_536),
    _like("internlm", "internlm2_5", _SIXTEEN),
    # These are vLLM's parser engine.
    Competitor("granite", _calls("<|tool_call|>[", _granite, ", ", "]"), ("<|tool_call|>",), 4096),
    Competitor("kimi_k2", _calls(_KIMI[0], _kimi, "", _KIMI[-1]), (*_KIMI,), _SIXTEEN),
    Competitor("qwen3_coder", _calls("", _qwen, "\n", ""), ("<tool_call>", "</tool_call>"), _SIXTEEN),
    Competitor("glm47", _calls("", _glm, "\n", ""), ("<tool_call>", "</tool_call>"), _SIXTEEN),
    Competitor(
        "minimax_m2",
        _calls("<minimax:tool_call>", _minimax, "", "</minimax:tool_call>"),
        ("<minimax:tool_call>", "</minimax:tool_call>"),
        _SIXTEEN,
    ),
    Competitor(
        "deepseek_v32",
        _calls(f"<{_DSML}function_calls>\n", _deepseek, "", f"</{_DSML}function_calls>"),
        longest=_SIXTEEN,
    ),
]  # fmt: skip
RIVALS = [peer for peer in PEERS if peer.rival]
PYTHON = _OF["chatglm3"]._replace(write=_python, spelling="Python literals")
"""Arguments as Python's own `repr` writes them, with single quotes."""
FLOOR = Competitor(floor.FLOOR, _OF["llama3_1"].write)
COMPETITORS = [FLOOR, *OURS, *PEERS]

register()


def ours(name: str) -> Competitor:
    """Ours of this name."""
    return _OF[name]


class Delta(NamedTuple):
    """What vLLM gives a parser at once."""

    text: str
    ids: list[int]


def deltas(competitor: Competitor, reply: Reply, step: int) -> list[Delta]:
    """The reply as vLLM streams it: so many characters at a time, special tokens alone."""
    text = competitor.write(reply)
    special = {token: place for place, token in enumerate(competitor.tokens, 1)}
    parts = re.split(f"({'|'.join(map(re.escape, special))})", text) if special else [text]
    cut: list[Delta] = []
    for part in parts:
        if part in special:
            cut.append(Delta(part, [special[part]]))
            continue
        pieces = (part[start : start + step] for start in range(0, len(part), step))
        cut += [Delta(piece, [0] * -(-len(piece) // CHARACTERS_A_TOKEN)) for piece in pieces]
    return cut


class Outcome(NamedTuple):
    """What became of a reply."""

    seconds: float
    """Of this thread, with the making of the parser."""
    reply: Reply | None
    """What a client gets; None after an error, or if arguments do not load."""
    pieces: int = 1
    """How many messages brought arguments."""


def stream(competitor: Competitor, cut: Sequence[Delta], request: ChatCompletionRequest) -> Outcome:
    """Reads a reply delta by delta."""
    client = _Client()
    took = 0.0
    parser: Any = None
    for start in range(0, len(cut), _BATCH):
        # New texts, as a server has just made them: those of a long reply would have to come from far away.
        batch = [Delta("".join(delta.text), [*delta.ids]) for delta in cut[start : start + _BATCH]]
        began = thread_time()
        parser = parser or competitor.parser(request)
        try:
            messages = [
                parser.parse_delta(
                    delta.text, delta.ids, request, prompt_token_ids=[0], finished=place == len(cut)
                )
                for place, delta in enumerate(batch, start + 1)
            ]
        except Exception:  # noqa: BLE001 - whichever it is, the request would end with HTTP 500
            return Outcome(took + thread_time() - began, None)
        took += thread_time() - began
        client.take(messages)
    return Outcome(took, client.reply(), client.pieces)


def whole(competitor: Competitor, text: str, request: ChatCompletionRequest) -> Outcome:
    """Reads a reply that is not streamed."""
    began = thread_time()
    try:
        _, content, calls = competitor.parser(request).parse(text, request, enable_auto_tools=True)
    except Exception:  # noqa: BLE001 - as above
        return Outcome(thread_time() - began, None)
    took = thread_time() - began
    return Outcome(took, _reply(content or "", [(call.name, call.arguments) for call in calls or []]))


class _Client:
    """Puts the messages of a stream together."""

    def __init__(self) -> None:
        self._content: list[str] = []
        self._names: list[str] = []
        self._arguments: list[list[str]] = []
        self.pieces = 0

    def take(self, messages: list[DeltaMessage | None]) -> None:
        for message in filter(None, messages):
            if message.content:
                self._content.append(message.content)
            for call in message.tool_calls or []:
                if call.function and call.function.name:
                    self._names.append(call.function.name)
                    self._arguments.append([])
                if call.function and call.function.arguments and self._arguments:
                    self.pieces += 1
                    self._arguments[-1].append(call.function.arguments)

    def reply(self) -> Reply | None:
        """None if the arguments do not load."""
        joined = map("".join, self._arguments)
        return _reply("".join(self._content), list(zip(self._names, joined, strict=True)))


def _reply(content: str, calls: list[tuple[str, str]]) -> Reply | None:
    try:
        return Reply(content.strip(), tuple(Call(name, json.loads(arguments)) for name, arguments in calls))
    except ValueError:
        return None
