"""Many clients at once: the openai and anthropic packages, and bare connections for what these would never send."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anthropic
import httpx
import openai
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from routes import SHAPES, Answer
from server import Server
from traffic import CHAT, MESSAGES, RESPONSES, Case, Leave

__all__ = ["Crowd", "Outcome", "crowd"]

PATIENCE = 240.0
"""Seconds for one answer, from the request to its end."""
LONG_STREAM = 4_000
"""Bytes of a stream that is left somewhere."""
ENDS = {CHAT: b"data: [DONE]", RESPONSES: b"event: response.completed", MESSAGES: b"event: message_stop"}
SERVER_ERROR = re.compile(
    rb'"code": ?5\d\d|"type": ?"(InternalServerError|api_error)"|event: response.failed'
)
"""In a stream, whose status is 200 whatever happens."""


@dataclass(slots=True)
class Outcome:
    """What came of one request."""

    case: Case
    status: int | None = None
    """None if the client left before it came."""
    ended: bool = False
    """The answer came to its end."""
    faults: list[str] = field(default_factory=list)
    calls: int = 0
    """How many came."""


class Crowd:
    """Sends cases to one server, as many at once as are asked of it."""

    def __init__(
        self,
        server: Server,
        chat: openai.AsyncOpenAI,
        messages: anthropic.AsyncAnthropic,
        bare: httpx.AsyncClient,
    ) -> None:
        self._name = server.name
        self._bare = bare
        self._address = httpx.URL(server.url)
        self._create: dict[str, Any] = {
            CHAT: chat.chat.completions.create,
            RESPONSES: chat.responses.create,
            MESSAGES: messages.messages.create,
        }

    async def send(self, case: Case) -> Outcome:
        """Never raises for what the server does: that is in the outcome."""
        outcome = Outcome(case)
        how = self._leave if case.leave else self._converse if case.judge else self._post
        try:
            async with asyncio.timeout(PATIENCE):
                await how(case, outcome)
        except TimeoutError:
            outcome.faults.append(f"no end after {PATIENCE:.0f} s")
        except (openai.APIStatusError, anthropic.APIStatusError) as error:
            outcome.status, outcome.ended = error.status_code, True
            outcome.faults.append(f"HTTP {error.status_code}: {error}")
        except (
            openai.APIError,
            anthropic.APIError,
            httpx.HTTPError,
            OSError,
            AssertionError,
            KeyError,
        ) as error:
            outcome.faults.append(f"{type(error).__name__}: {error}")
        return outcome

    async def _converse(self, case: Case, outcome: Outcome) -> None:
        """Through the route's own client, whose answers are judged."""
        assert isinstance(case.body, dict)
        assert case.judge is not None
        answer = await self._create[case.path](
            model=self._name, stream=case.stream, extra_body=case.extra, **case.body
        )
        outcome.status = 200
        if case.stream:
            answer = [event async for event in answer]
        outcome.ended = True
        for one in of_choices(answer, case.choices):
            read = read_functions if "functions" in case.body else SHAPES[case.path].read
            said = read(one)
            outcome.calls += len(said.calls)
            outcome.faults += case.judge(said)

    async def _post(self, case: Case, outcome: Outcome) -> None:
        """A body as it is; of the answer, no more than its status and its end are looked at."""
        answer = await self._bare.post(
            case.path, content=self._written(case), headers={"Content-Type": "application/json"}
        )
        outcome.status, outcome.ended = answer.status_code, True
        refused = 400 <= answer.status_code < 500
        if not (refused or (answer.is_success and not case.refused)):
            outcome.faults.append(f"HTTP {answer.status_code}: {answer.text:.300}")
        if answer.is_success and "event-stream" in answer.headers["content-type"]:
            outcome.ended = ENDS[case.path] in answer.content
        if SERVER_ERROR.search(answer.content):
            outcome.faults.append(f"an error in the answer: {answer.text:.300}")

    async def _leave(self, case: Case, outcome: Outcome) -> None:
        if case.leave is Leave.IN_THE_STREAM:
            return await self._leave_stream(case, outcome)
        body = self._written(case)
        sent = body if case.leave is Leave.AT_ONCE else body[: int(case.place * len(body))]
        head = (
            f"POST {case.path} HTTP/1.1\r\nHost: {self._address.netloc.decode()}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        _, writer = await asyncio.open_connection(self._address.host, self._address.port)
        try:
            writer.write(head.encode() + sent)
            await writer.drain()
            await asyncio.sleep(case.place / 10)
        finally:
            writer.transport.abort()

    async def _leave_stream(self, case: Case, outcome: Outcome) -> None:
        most, got = int(case.place * LONG_STREAM), b""
        headers = {"Content-Type": "application/json"}
        async with self._bare.stream(
            "POST", case.path, content=self._written(case), headers=headers
        ) as answer:
            outcome.status = answer.status_code
            if answer.status_code != 200:
                outcome.faults.append(f"HTTP {answer.status_code}")
            async for part in answer.aiter_raw():
                got += part
                if len(got) > most:
                    break
            else:
                outcome.ended = ENDS[case.path] in got
                if not outcome.ended:
                    outcome.faults.append(f"the stream stopped: {got[-300:]!r}")
        if SERVER_ERROR.search(got):
            outcome.faults.append(f"an error in the stream: {got[-300:]!r}")

    def _written(self, case: Case) -> bytes:
        if isinstance(case.body, bytes):
            return case.body
        return json.dumps({"model": self._name, "stream": case.stream, **case.body, **case.extra}).encode()


@asynccontextmanager
async def crowd(server: Server) -> AsyncIterator[Crowd]:
    """Clients without retries: an error shows."""
    limits = httpx.Limits(max_connections=None)
    async with (
        openai.AsyncOpenAI(
            base_url=f"{server.url}/v1", api_key="EMPTY", max_retries=0, timeout=PATIENCE
        ) as chat,
        anthropic.AsyncAnthropic(
            base_url=server.url, api_key="EMPTY", max_retries=0, timeout=PATIENCE
        ) as messages,
        httpx.AsyncClient(base_url=server.url, timeout=PATIENCE, limits=limits) as bare,
    ):
        yield Crowd(server, chat, messages, bare)


def of_choices(answer: Any, count: int) -> Sequence[Any]:
    """An answer of Chat Completions with several choices as so many answers."""
    if count == 1:
        return [answer]
    if isinstance(answer, ChatCompletion):
        return [answer.model_copy(update={"choices": [choice]}) for choice in answer.choices]
    return [[of_choice(chunk, index) for chunk in answer] for index in range(count)]


def of_choice(chunk: ChatCompletionChunk, index: int) -> ChatCompletionChunk:
    return chunk.model_copy(update={"choices": [one for one in chunk.choices if one.index == index]})


def read_functions(answer: ChatCompletion | Sequence[ChatCompletionChunk]) -> Answer:
    """An answer in the style before tools."""
    if isinstance(answer, ChatCompletion):
        (choice,) = answer.choices
        said: list[Any] = [choice.message]
        finish: str | None = choice.finish_reason
    else:
        choices = [choice for chunk in answer for choice in chunk.choices]
        said = [choice.delta for choice in choices]
        finish = choices[-1].finish_reason
    assert finish, "no reason for the end"
    assert not any(one.tool_calls for one in said), "a call in today's style"
    pieces = [one.function_call for one in said if one.function_call]
    names = "".join(piece.name or "" for piece in pieces)
    arguments = "".join(piece.arguments or "" for piece in pieces)
    text = "".join(one.content or "" for one in said)
    return Answer(text, ((names, arguments),) if pieces else (), finish, 0)
