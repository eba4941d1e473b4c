"""How late a server's event loop is: `--middleware probe.Probe`, then `GET /lag` gives and forgets what was seen."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

__all__ = ["Probe"]

TICK = 0.005
"""Seconds that a task sleeps; what it sleeps longer is what any other task would have waited."""

App = Callable[[Any, Any, Any], Awaitable[None]]


class Probe:
    """ASGI middleware; its task runs from the first request on."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._late: list[float] = []
        self._task: asyncio.Task[None] | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self._task = self._task or asyncio.create_task(self._tick())
        if scope["type"] != "http" or scope["path"] != "/lag":
            return await self._app(scope, receive, send)
        late, self._late = self._late, []
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(late).encode()})

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            await asyncio.sleep(TICK)
            self._late.append(loop.time() - began - TICK)
