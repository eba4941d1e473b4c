"""Requests of every kind that a soak sends, and what must come back of each. The same number gives the same request."""

import json
from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cache
from random import Random
from typing import Any

from counters import Counts
from judges import Judge, same, text_is, valid_calls
from odd_bodies import ODD, places
from recorded import before_stop
from replies import TIME, WEATHER, tool
from routes import SHAPES, Ask
from scripts import QUESTION, Script, drawn, prepare, said
from server import Server

from chat_adapters.adapters import get
from chat_adapters.toolkit.strategies import contents
from chat_adapters.toolkit.writing import write_reply

__all__ = ["CHAT", "MESSAGES", "RESPONSES", "Case", "Leave", "Traffic"]

CHAT, RESPONSES, MESSAGES = SHAPES
PATHS = tuple(SHAPES)

LISTED = [{"name": "city", "type": "str"}, {"name": "days", "type": "int"}]
CITIES = ("Paris", "北京", "", "{x}", "a, b", "it's")
"""No more than the schema allows, and nothing to escape: to xgrammar, a string with a limit has no escapes."""
EXPLANATION = "Explains. " * 1000
PADDING = "x" * 2**20


class Leave(Enum):
    """When the client closes the connection."""

    IN_THE_BODY = "in the body"
    AT_ONCE = "before the first byte"
    IN_THE_STREAM = "in the stream"


@dataclass(frozen=True, slots=True)
class Case:
    """One request, and what is known of its answer."""

    path: str
    body: dict[str, Any] | bytes
    """The route's own fields, without the model and `stream`; bytes are sent as they are."""
    stream: bool
    extra: dict[str, Any] = field(default_factory=dict)
    """What vLLM adds to the fields."""
    judge: Judge | None = None
    """None where any answer is right that is no error of the server's."""
    choices: int = 1
    refused: bool = False
    """The server must say that the request is wrong."""
    leave: Leave | None = None
    place: float = 0.0
    """Where the client leaves: a share of the body, or of what a stream may have."""
    counts: Counts | None = None
    """What the server counts of the replies; None where it counts the calls that come."""
    characters: int = 0
    """How many are compared."""
    kind: str = ""

    def changed(self, **fields: Any) -> "Case":
        """The case with these fields in its body; without those that are None."""
        assert isinstance(self.body, dict)
        body = {key: value for key, value in {**self.body, **fields}.items() if value is not None}
        return replace(self, body=body)


class Traffic:
    """Requests for a server, by number."""

    def __init__(self, server: Server, seed: int, scripts: int = 60) -> None:
        self._server = server
        self._adapter = get(server.adapter)
        self._seed = seed
        self._scripts = prepare(server, self._adapter, seed, scripts)
        self._plain = self._plain_texts(scripts)
        self._many = self._tools_that_fit()
        self._written = cache(self._write)
        self._kinds: dict[str, tuple[int, Callable[[Random, bool], Case]]] = {
            "auto": (30, self.auto),
            "long arguments": (3, self.long),
            "cut by max_tokens": (6, self.cut),
            "cut by a stop string": (3, self.stopped),
            "two choices": (3, self.two_choices),
            "one call at most": (4, self.one_call),
            "after a result": (4, self.after_a_result),
            "required, replayed": (6, self.required),
            "required, generated": (6, self.generated),
            "older styles": (6, self.older),
            "hundreds of tools": (3, self.many),
            "megabytes": (2, self.megabytes),
            "no calls wanted": (5, self.no_calls),
            "empty list of tools": (3, self.empty),
            "client leaves": (12, self.leaves),
            "wrong": (5, self.wrong),
            "odd values": (6, self.odd),
        }

    @property
    def kinds(self) -> list[str]:
        return list(self._kinds)

    def case(self, number: int, stream: bool, evenly: bool = False) -> Case:
        """A request that asks for a stream, or for a whole answer; of each kind as many, or as they are weighted."""
        chance = Random(f"{self._seed} {number} {stream}")
        weights = [1 if evenly else weight for weight, _ in self._kinds.values()]
        (kind,) = chance.choices(self.kinds, weights)
        return replace(self._kinds[kind][1](chance, stream), kind=kind)

    # What the model is made to write

    def auto(self, chance: Random, stream: bool) -> Case:
        return self._replayed(chance.choice(PATHS), chance.choice(self._scripts), stream)

    def long(self, chance: Random, stream: bool) -> Case:
        return self._replayed(chance.choice(PATHS), self._scripts[-1], stream)

    def cut(self, chance: Random, stream: bool) -> Case:
        script = chance.choice([script for script in self._scripts if script.cut[0]])
        count, seen = script.cut
        left = before_stop(seen, self._adapter.format.stop_strings)
        part = replace(script, ids=script.ids[:count], seen=left)
        return self._replayed(chance.choice(PATHS), part, stream, max_tokens=count)

    def stopped(self, chance: Random, stream: bool) -> Case:
        script = chance.choice([script for script in self._scripts if script.seen])
        start = chance.randrange(len(script.seen))
        stop = script.seen[start : start + 5]
        part = replace(script, seen=before_stop(script.seen, [stop]))
        return self._replayed(CHAT, part, stream).changed(stop=[stop])

    def two_choices(self, chance: Random, stream: bool) -> Case:
        case = self._replayed(CHAT, chance.choice(self._scripts), stream).changed(n=2)
        assert case.counts is not None
        return replace(case, choices=2, counts=case.counts + case.counts, characters=2 * case.characters)

    def one_call(self, chance: Random, stream: bool) -> Case:
        """A grammar ends the reply behind it."""
        script = self._written(calls(chance, 1), text=chance.choice(["", "Let me see."]))
        case = self._replayed(chance.choice((CHAT, RESPONSES)), script, stream)
        return case.changed(parallel_tool_calls=False)

    def after_a_result(self, chance: Random, stream: bool) -> Case:
        script = self._written((), text=f"{chance.randint(-30, 45)} degrees.", after_result=True)
        case = self._replayed(chance.choice(PATHS), script, stream)
        return case.changed(**conversation(case.path, *calls(chance, 1)[0]))

    def required(self, chance: Random, stream: bool) -> Case:
        named = chance.random() < 0.5
        wanted = calls(chance, 1 if named else chance.randint(1, 3))
        choice = {"type": "function", "function": {"name": wanted[0][0]}} if named else "required"
        return self._replayed(chance.choice(PATHS), self._written(wanted), stream, choice)

    def older(self, chance: Random, stream: bool) -> Case:
        """A list of parameters, on every route; `functions`, whose answer has room for one call."""
        case = self._replayed(chance.choice(PATHS), self._written(calls(chance, 1)), stream)
        if case.path == CHAT and chance.random() < 0.7:
            listed = {"name": "get_weather", "parameters": LISTED}
            return case.changed(tools=None, functions=[listed, {"name": "get_time"}])
        tools = [tool("get_weather", LISTED), TIME]
        return case.changed(tools=SHAPES[case.path].request(Ask(tools))["tools"])

    def many(self, chance: Random, stream: bool) -> Case:
        name = chance.choice(self._many)["function"]["name"]
        script = replace(self._written(((name, "{}"),)), tools=self._many)
        choice = chance.choice([None, "required"])
        return self._replayed(chance.choice(PATHS), script, stream, choice, max_tokens=ROOM)

    def megabytes(self, chance: Random, stream: bool) -> Case:
        """A large request that is answered, or tools that are too much for the model; in either style."""
        case = self.auto(chance, stream)
        if chance.random() < 0.4:
            return replace(case, extra={**case.extra, "padding": PADDING})
        parameters = chance.choice([LISTED, {"type": "object"}])
        count = chance.randint(300, 500)
        tools = [tool(f"f{number}", parameters, description=EXPLANATION) for number in range(count)]
        return Case(case.path, SHAPES[case.path].request(Ask(tools)), stream, refused=True, counts=Counter())

    # What random weights write

    def generated(self, chance: Random, stream: bool) -> Case:
        """Without a seed: with one, vLLM's CPU engine dies when it computes a prompt in parts."""
        path = chance.choice(PATHS)
        name = chance.choice([None, "get_weather"])
        choice: Any = {"type": "function", "function": {"name": name}} if name else "required"
        one = name is not None or chance.random() < 0.7
        body = SHAPES[path].request(Ask([WEATHER, TIME], choice=choice, max_tokens=1500))
        if path == MESSAGES:
            body["tool_choice"]["disable_parallel_tool_use"] = one
        else:
            body["parallel_tool_calls"] = not one
        return Case(path, body, stream, judge=valid_calls([WEATHER, TIME], name, one))

    # Text

    def no_calls(self, chance: Random, stream: bool) -> Case:
        path = chance.choice((CHAT, RESPONSES))
        case = self._text(path, chance, stream)
        return case.changed(tool_choice="none") if chance.random() < 0.5 else case.changed(tools=None)

    def empty(self, chance: Random, stream: bool) -> Case:
        """Stock vLLM refuses an empty list on one route, and takes it on the others."""
        path = chance.choice(PATHS)
        case = self._text(path, chance, stream).changed(tools=[])
        return replace(case, judge=None, refused=True, characters=0) if path == CHAT else case

    # What goes wrong

    def leaves(self, chance: Random, stream: bool) -> Case:
        ways = [way for way in Leave if stream or way is not Leave.IN_THE_STREAM]
        return replace(self.auto(chance, stream), leave=chance.choice(ways), place=chance.random())

    def wrong(self, chance: Random, stream: bool) -> Case:
        path, body = chance.choice(WRONG)
        if isinstance(body, dict):
            sound = Case(path, SHAPES[path].request(Ask([WEATHER])), stream)
            body = sound.changed(**body).body
        return Case(path, body, stream, refused=True, counts=Counter())

    def odd(self, chance: Random, stream: bool) -> Case:
        """A sound request, but for a value or two."""
        path = chance.choice(PATHS)
        tools = [chance.choice([WEATHER, tool("get_weather", LISTED)]), TIME]
        body = deepcopy(SHAPES[path].request(Ask(tools, choice=chance.choice([None, "required"]))))
        body |= {"model": self._server.name, "stream": stream}
        for _ in range(chance.randint(1, 2)):
            node, key = chance.choice([*places(body)])
            node[key] = deepcopy(chance.choice(ODD))
        body["max_output_tokens" if path == RESPONSES else "max_tokens"] = 1
        return Case(path, json.dumps(body).encode(), stream, counts=Counter())

    # How they are made

    def _replayed(
        self, path: str, script: Script, stream: bool, choice: Any = None, max_tokens: int = 2048
    ) -> Case:
        ask = Ask(script.tools, script.ids, choice, script.template, max_tokens=max_tokens)
        body = SHAPES[path].request(ask)
        if path == CHAT:
            body["messages"] = script.messages
        want = said(self._adapter, script.tools, script.seen, stream)
        judge = same(want, path, stream)
        return Case(path, body, stream, ask.extra, judge, counts=want.counts, characters=want.characters)

    def _text(self, path: str, chance: Random, stream: bool) -> Case:
        text, ids = chance.choice(self._plain)
        ask = Ask([WEATHER], ids)
        # SentencePiece's blank: only a whole text is decoded without.
        judge = text_is(text, " " + text)
        body = SHAPES[path].request(ask)
        return Case(path, body, stream, ask.extra, judge, counts=Counter(), characters=len(text))

    def _write(self, calls: tuple[tuple[str, str], ...], **more: Any) -> Script:
        """A reply in the trained form."""
        ids = self._server.ids(
            write_reply(self._adapter.format, *calls, **more) + self._adapter.stop_tokens[0]
        )
        return Script(tuple(ids), self._server.text(ids[:-1]), (0, ""), [WEATHER, TIME], QUESTION, None)

    def _plain_texts(self, count: int) -> list[tuple[str, tuple[int, ...]]]:
        """Texts, and the tokens that give them; no special ones, which are left out where nobody looks for calls."""
        adapter, server = self._adapter, self._server
        texts = drawn(contents(adapter.format), count, self._seed)
        plain = [text for text in texts if text.strip() and text[0] != " "]
        plain = [text for text in plain if not any(token in text for token in adapter.tokens)]
        ids = [tuple(server.ids(text + adapter.stop_tokens[0])) for text in plain]
        return [(server.text(tokens[:-1]), tokens) for tokens in ids]

    def _tools_that_fit(self) -> list[dict[str, Any]]:
        """Hundreds, if the prompt has room."""
        (model,) = self._server.client.models.list().data
        room = (model.model_extra or {})["max_model_len"] - ROOM
        for count in (500, 400, 300, 200, 100, 50):
            tools = [tool(f"f{number}", {"type": "object"}) for number in range(count)]
            body = {"model": self._server.name, "messages": QUESTION, "tools": tools}
            if self._server.post("/tokenize", body)["count"] <= room:
                return tools
        raise AssertionError("the prompt has no room for tools")


ROOM = 200
"""Tokens that are enough for a short reply."""


def calls(chance: Random, count: int) -> tuple[tuple[str, str], ...]:
    def call() -> tuple[str, str]:
        if chance.random() < 0.3:
            return "get_time", json.dumps({"zone": chance.choice(["UTC", "CET"])})
        given = {"city": chance.choice(CITIES), "days": chance.randint(1, 14)}
        return "get_weather", json.dumps(given, ensure_ascii=False)

    return tuple(call() for _ in range(count))


def conversation(path: str, name: str, arguments: str) -> dict[str, Any]:
    """A question, a call and its result, as a route has them."""
    if path == CHAT:
        function = {"name": name, "arguments": arguments}
        called = [{"id": "c1", "type": "function", "function": function}]
        return {
            "messages": [
                *QUESTION,
                {"role": "assistant", "content": None, "tool_calls": called},
                {"role": "tool", "tool_call_id": "c1", "content": "22"},
            ]
        }
    if path == RESPONSES:
        call = {"type": "function_call", "call_id": "c1", "name": name, "arguments": arguments}
        return {"input": [*QUESTION, call, {"type": "function_call_output", "call_id": "c1", "output": "22"}]}
    use = {"type": "tool_use", "id": "c1", "name": name, "input": json.loads(arguments)}
    result = {"type": "tool_result", "tool_use_id": "c1", "content": "22"}
    return {
        "messages": [
            *QUESTION,
            {"role": "assistant", "content": [use]},
            {"role": "user", "content": [result]},
        ]
    }


UNKNOWN = tool("get_weather", {"type": "object", "properties": {"city": {"type": "strnig"}}})
NOBODY = {"type": "function", "function": {"name": "nobody"}}
WRONG: list[tuple[str, dict[str, Any] | bytes]] = [
    *((path, body) for path in PATHS for body in (b"", b"[]", b'{"model": ', b"\x00", b'{"model": "other"}')),
    (CHAT, {"tools": [UNKNOWN], "tool_choice": "required"}),
    (CHAT, {"tools": "get_weather"}),
    (CHAT, {"tools": [], "tool_choice": "required"}),
    (CHAT, {"tool_choice": NOBODY}),
    (CHAT, {"tools": [tool("two words")], "tool_choice": "required"}),
    (CHAT, {"messages": [{"role": "wizard", "content": "Abracadabra"}]}),
    (CHAT, {"messages": []}),
    (CHAT, {"max_tokens": -1}),
    (CHAT, {"temperature": "hot"}),
    (CHAT, {"tools": None, "functions": [{"name": "two words"}]}),
    (RESPONSES, {"input": None}),
    (RESPONSES, {"tools": [UNKNOWN["function"] | {"type": "function"}], "tool_choice": "required"}),
    (MESSAGES, {"max_tokens": None}),
    (MESSAGES, {"messages": "hello"}),
]
"""Requests that every server must refuse: bodies, and what is changed in a sound one."""
