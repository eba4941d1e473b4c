"""The playground's server: the page and its answers, for a browser on this machine only."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..prompts import InputError
from .answers import examples, parse, rendered

__all__ = ["MAX_BODY", "app"]

PAGE = Path(__file__).parent / "page"
HOSTS = ["127.0.0.1", "localhost"]
"""By these names alone: a page elsewhere whose own name leads here would have another one in its requests."""

MAX_BODY = 2**18
"""Bytes of a request."""

HEADERS = {
    # Nothing from elsewhere, nothing inline, and no text becomes HTML.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "Cache-Control": "no-cache",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class WithHeaders:
    """Middleware that puts `HEADERS` on every response."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection, as ASGI has it."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _json(content: object, status: int = 200) -> Response:
    # Escaped: the text of a model may have half a character, which no encoding takes.
    return Response(json.dumps(content), status, media_type="application/json")


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _json({"error": error.detail, "field": None}, error.status_code)


async def _examples(_: Request) -> Response:
    return _json(await run_in_threadpool(examples))


def _answering(answer: Callable[[Mapping[str, Any]], object]) -> Callable[[Request], Any]:
    """The endpoint of an answer: JSON in and out; status 400 names the field that is wrong."""

    async def endpoint(request: Request) -> Response:
        _check_source(request)
        body = await _body(request)
        try:
            return _json(await run_in_threadpool(lambda: answer(_object(body))))
        except InputError as error:
            return _json({"error": str(error), "field": error.part}, 400)

    return endpoint


def _check_source(request: Request) -> None:
    """
    Raises:
        HTTPException: the request was sent by a page of elsewhere, or may have been: that can send a form, no JSON.
    """
    origin = request.headers.get("origin")
    if origin not in (None, f"http://{request.headers['host']}"):
        raise HTTPException(403, f"{origin} is not this page")
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "a request is JSON, and says so: Content-Type: application/json")


async def _body(request: Request) -> bytes:
    """
    Raises:
        HTTPException: it is too large.
    """
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BODY:
            raise HTTPException(413, f"a request may have {MAX_BODY:,} bytes")
    return bytes(body)


def _object(body: bytes) -> dict[str, Any]:
    """
    Raises:
        HTTPException: it is no JSON object.
    """
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, f"the request is no JSON: {error}") from None
    if not isinstance(content, dict):
        raise HTTPException(400, "the request is no JSON object")
    return content


app = Starlette(
    routes=[
        Route("/examples", _examples),
        Route("/render", _answering(rendered), methods=["POST"]),
        Route("/parse", _answering(parse), methods=["POST"]),
        Mount("/", StaticFiles(directory=PAGE, html=True)),
    ],
    middleware=[
        Middleware(WithHeaders),
        Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS, www_redirect=False),
    ],
    exception_handlers={HTTPException: _refused},
)
"""The ASGI application."""
