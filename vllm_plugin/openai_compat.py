"""`--middleware chat_adapters.vllm_plugin.OpenAICompat`: requests in older styles, which vLLM's own validation refuses.

Pure ASGI. Answers are not touched, streams flow as they come, but for requests with `functions`: theirs are
rewritten piece by piece. What needs no rewriting reaches vLLM byte for byte.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any

from ._requests import ROUTES, RequestError, Route, wants_function_call, with_function_call
from .settings import current_settings

__all__ = ["OpenAICompat"]

LARGE = 2**20  # bytes; reading so many takes some 30 ms
TOO_LARGE = HTTPStatus(413)
# How vLLM writes an event of a stream.
DATA = b"data: "
END = b"\n\n"

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class OpenAICompat:
    """The middleware; vLLM makes one for its app."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._max_body = current_settings().max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection, as ASGI has it."""
        route = None
        if scope["type"] == "http" and scope["method"] == "POST":
            route = ROUTES.get(scope["path"].removeprefix(scope.get("root_path", "")))
        if route is None:
            return await self._app(scope, receive, send)
        try:
            sent = await _whole(scope, receive, self._max_body)
        except _TooLargeError:
            message = f"a request may have {self._max_body:,} bytes"
            return await _refuse(send, route, TOO_LARGE, message, None)
        if sent is None:
            return None  # the client is gone
        try:
            # Others are served in between, where it takes long.
            body, old = (
                await asyncio.to_thread(_read, route, sent) if len(sent) > LARGE else _read(route, sent)
            )
        except RequestError as error:
            return await _refuse(send, route, HTTPStatus.BAD_REQUEST, str(error), error.param)
        if body is not sent:
            scope = {**scope, "headers": _with_length(scope["headers"], body)}
        if old:
            send = _Rewritten(send)
        return await self._app(scope, _once(body, receive), send)


class _TooLargeError(Exception):
    pass


async def _whole(scope: Scope, receive: Receive, most: int) -> bytes | None:
    """The request's body; None if the client left."""
    length = dict(scope["headers"]).get(b"content-length", b"")
    if length.isdigit() and int(length) > most:
        raise _TooLargeError
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > most:
            raise _TooLargeError
        if not message.get("more_body", False):
            return b"".join(parts)


def _read(route: Route, sent: bytes) -> tuple[bytes, bool]:
    """The request as it goes on, and whether its answer is to be in the style before tools.

    Raises:
        RequestError: it cannot be rewritten.
    """
    body = _loaded(sent)
    if not isinstance(body, dict):
        return sent, False
    new = route.rewrite(body)
    return sent if new is body else json.dumps(new).encode(), route.chat and wants_function_call(body)


def _loaded(body: bytes) -> Any:
    """What the body says; None where vLLM is to say what is wrong with it."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _once(body: bytes, receive: Receive) -> Receive:
    """Gives the body, then what else comes: that the client leaves."""
    given = False

    async def receive_body() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_body


def _with_length(headers: list[tuple[bytes, bytes]], body: bytes) -> list[tuple[bytes, bytes]]:
    rest = [
        header for header in headers if header[0].lower() not in (b"content-length", b"transfer-encoding")
    ]
    return [*rest, (b"content-length", str(len(body)).encode())]


async def _refuse(send: Send, route: Route, status: HTTPStatus, message: str, param: str | None) -> None:
    """Answers with an error as the route's clients know it."""
    said: dict[str, Any]
    if route.anthropic:
        kind = "request_too_large" if status is TOO_LARGE else "invalid_request_error"
        said = {"type": "error", "error": {"type": kind, "message": message}}
    else:
        # As vLLM names its own.
        said = {"error": {"message": message, "type": status.phrase, "param": param, "code": int(status)}}
    body = json.dumps(said).encode()
    headers = _with_length([(b"content-type", b"application/json")], body)
    await send({"type": "http.response.start", "status": int(status), "headers": headers})
    await send({"type": "http.response.body", "body": body})


class _Rewritten:
    """Sends an answer in the style before tools: a stream event by event, anything else when it is whole."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message = {}
        self._streams = False
        self._left = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
            kinds = [value for name, value in message["headers"] if name.lower() == b"content-type"]
            self._streams = bool(kinds) and kinds[0].startswith(b"text/event-stream")
            if not self._streams:
                return  # its length is not known yet
        elif message["type"] == "http.response.body":
            body = self._left + message.get("body", b"")
            more = message.get("more_body", False)
            # A whole answer is one event; so is what is left at the end of a stream.
            *events, self._left = body.split(END) if self._streams else [body]
            written = b"".join(_rewritten(event) + END for event in events)
            if not more:
                written += _rewritten(self._left)
            message = {**message, "body": written}
            if not self._streams:
                if more:
                    return
                await self._send({**self._start, "headers": _with_length(self._start["headers"], written)})
        await self._send(message)


def _rewritten(event: bytes) -> bytes:
    start, answer = (DATA, event[len(DATA) :]) if event.startswith(DATA) else (b"", event)
    loaded = _loaded(answer)
    new = with_function_call(loaded)
    return event if new is loaded else start + json.dumps(new).encode()
