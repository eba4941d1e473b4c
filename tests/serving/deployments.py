"""The ways in which vLLM spreads over processes and nodes, as they are started on one machine without a GPU.

Every node is a process of its own on this machine, and reaches the others over loopback.
"""

import json
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from server import DUMMY, HOST, Server, free_port
from tiny import FAMILIES, write_tiny_checkpoint
from tokenizers import Tokenizer
from witness import FOLDER, MIDDLEWARE, read_notes, write_plugin

__all__ = ["MODES", "Deployment", "Mode", "deployed"]

HERE = Path(__file__).resolve().parent
HEADLESS = "--headless"
TWO_CORES = {"VLLM_CPU_OMP_THREADS_BIND": "0|1"}
"""Each worker its own core: vLLM would give both to one."""
DP = ("--data-parallel-size", "2")
ONE_HERE = (*DP, "--data-parallel-size-local", "1", "--data-parallel-address", HOST, "--data-parallel-rpc-port", "{port}")  # fmt: skip
TP_NODES = ("--tensor-parallel-size", "2", "--nnodes", "2", "--master-addr", HOST, "--master-port", "{port}")


class RayServe(Server):
    """Ray Serve's server in place of vLLM's: `ray_serve.py`. Its `/tokenize` answers HTTP 400 beside this vLLM."""

    def ids(self, text: str) -> list[int]:
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def text(self, ids: Sequence[int]) -> str:
        return self._tokenizer.decode(list(ids), skip_special_tokens=False)

    @property
    def _tokenizer(self) -> Tokenizer:
        return Tokenizer.from_file(f"{self._model}/tokenizer.json")

    def _command(self) -> list[str]:
        return [sys.executable, str(HERE / "ray_serve.py"), self._model, self.adapter, str(self.port)]

    def _answers(self) -> bool:
        return "every replica answers" in self.log_text()  # its own routes do before


@dataclass(frozen=True, slots=True)
class Mode:
    """One way."""

    what: str
    nodes: tuple[tuple[str, ...], ...]
    """The arguments of each node, the first of which has the address; `{port}` is a free one, the same for all."""
    api_servers: int = 1
    """How many processes answer; none of Ray Serve's have vLLM's middleware, by which they would be known."""
    engines: int = 1
    """How many engines each of them may choose from."""
    workers: int = 1
    """In how many processes replies are written."""
    environment: Mapping[str, str] | None = None
    ray: bool = False
    mute: str = ""
    """Why it cannot answer here; then it is only started."""
    server: type[Server] = Server


MODES = {
    "api-servers": Mode("several API servers", (("--api-server-count", "2"),), api_servers=2),
    "data-parallel": Mode("data parallel", (DP,), api_servers=2, engines=2, workers=2),
    "headless": Mode(
        "data parallel on two nodes, one of them headless",
        (ONE_HERE, (*ONE_HERE, HEADLESS, "--data-parallel-start-rank", "1")),
        api_servers=2,
        engines=2,
        workers=2,
    ),
    "tensor-parallel": Mode(
        "tensor parallel", (("--tensor-parallel-size", "2"),), workers=2, environment=TWO_CORES
    ),
    "tensor-parallel-nodes": Mode(
        "tensor parallel over two nodes, one of them headless",
        ((*TP_NODES, "--node-rank", "0"), (*TP_NODES, "--node-rank", "1", HEADLESS)),
        workers=2,
    ),
    "pipeline-parallel": Mode(
        "pipeline parallel",
        (("--pipeline-parallel-size", "2"),),
        workers=2,
        environment=TWO_CORES,
        mute="vLLM's second stage asserts on a CPU",
    ),
    "ray": Mode(
        "tensor parallel, the workers in Ray's actors",
        (("--tensor-parallel-size", "2", "--distributed-executor-backend", "ray"),),
        workers=2,
        ray=True,
    ),
    "ray-serve": Mode(
        "two replicas of Ray Serve's", ((),), api_servers=0, workers=2, ray=True, server=RayServe
    ),
}


class Deployment:
    """A mode that runs: the nodes that answer, and what their processes have noted.

    Args:
        nodes: every node's server; those that are headless answer nobody.
        notes: the folder of the notes.
    """

    def __init__(self, mode: Mode, nodes: Sequence[Server], notes: Path) -> None:
        self.mode = mode
        self.nodes = nodes
        self.doors = [
            node for node, arguments in zip(nodes, mode.nodes, strict=True) if HEADLESS not in arguments
        ]
        self.notes = notes

    def titles(self) -> dict[int, str]:
        """Every process that lives, and every one that has noted something; the latter may have ended."""
        pids = {note["pid"] for note in read_notes(self.notes)}
        for node in self.nodes:
            pids |= {node.pid, *(one.pid for one in psutil.Process(node.pid).children(recursive=True))}
        titles: dict[int, str] = {}
        for pid in sorted(pids):
            try:
                titles[pid] = " ".join(psutil.Process(pid).cmdline())
            except psutil.NoSuchProcess:
                titles[pid] = "has ended"
        return titles


@contextmanager
def deployed(mode: Mode, adapter: str, workdir: Path) -> Iterator[Deployment]:
    """Starts a mode on a tiny model with random weights, and stops every process of it in the end."""
    notes = workdir / "notes"
    notes.mkdir()
    model = write_tiny_checkpoint(workdir / "tiny", FAMILIES[adapter])
    config = json.loads((model / "config.json").read_text("utf-8"))
    # One for each of two workers: InternLM2's class in vLLM cannot share one.
    (model / "config.json").write_text(json.dumps(config | {"num_key_value_heads": 2}), "utf-8")
    imports = (write_plugin(workdir / "plugin", ray=mode.ray),)
    environment = {FOLDER: str(notes), "VLLM_HOST_IP": HOST, **(mode.environment or {})}
    port = str(free_port())
    if mode.ray:
        environment |= ray_address()
    with ExitStack() as stack:
        nodes = [
            mode.server(
                model,
                adapter,
                *(*DUMMY, *FAMILIES[adapter].arguments, *MIDDLEWARE),
                *(word.format(port=port) for word in arguments),
                workdir=workdir,
                command="vllm",
                imports=imports,
                environment=environment,
            )
            for arguments in mode.nodes
        ]
        if mode.ray:
            stack.enter_context(ray(workdir, nodes[0].environment))
        for node in nodes:
            stack.callback(node.stop)
            node.start()
        deployment = Deployment(mode, nodes, notes)
        for node in deployment.doors:
            node.wait()
        yield deployment


def ray_address() -> dict[str, str]:
    """How a Ray of this machine alone is reached.

    It listens on every interface, whatever address it is given: with a token nobody else can use it.
    """
    return {
        "RAY_ADDRESS": f"{HOST}:{free_port()}",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_USAGE_STATS_ENABLED": "0",
    }


@contextmanager
def ray(workdir: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """Starts that Ray, which believes in two devices, with what its processes shall find in their environment."""
    command = (
        *("ray", "start", "--head", "--block", "--include-dashboard", "false", "--disable-usage-stats"),
        *("--node-ip-address", HOST, "--port", environment["RAY_ADDRESS"].rpartition(":")[2]),
        *("--num-gpus", "2", "--num-cpus", "8", "--object-store-memory", str(2**28)),
        *("--temp-dir", f"{workdir}/ray"),
    )
    program = Path(sys.executable).with_name(command[0])
    with (workdir / "ray.log").open("wb") as log:
        head = subprocess.Popen(
            [program, *command[1:]],
            env=environment,
            cwd=workdir,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        yield
    finally:
        every = [head, *psutil.Process(head.pid).children(recursive=True)]
        head.terminate()
        psutil.wait_procs(every[1:], timeout=20)
        for process in every:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        head.wait()
