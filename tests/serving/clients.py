"""Programs of real clients (`tests/clients`) in a tool loop to its end, each in an environment of its own: `make clients`.

    python tests/serving/clients.py        every client on a server of every family; results stay where CLIENT or ADAPTER name one

The model asks for two calls, then for a third with their results, and answers: so it is replayed. A loop holds if the
calls that were executed and the answer are those, if the server got one request a step, and if the client has said nothing.
"""

import json
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from made import put
from server import DUMMY, Server
from tiny import FAMILIES, write_tiny_checkpoint

from chat_adapters.adapters import PythonCall, get
from chat_adapters.toolkit.writing import write_reply

__all__ = ["ANSWER", "CALLS", "CLIENTS", "OURS", "fault"]

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAMS = ROOT / "tests" / "clients"
KEPT = ROOT / ".clients"
RESULTS = ROOT / "docs" / "clients.json"
PAGES = (ROOT / "docs" / "clients.md", ROOT / "README.md")
OURS = ("openai_chat", "openai_responses", "anthropic_messages")
"""Those that run in the environment of the suite: vLLM itself needs their packages."""
CLIENTS: dict[str, tuple[str, ...]] = {
    "openai_chat": ("openai",),
    "openai_responses": ("openai",),
    "anthropic_messages": ("anthropic",),
    "openai_agents": ("openai-agents==0.24.0", "openai==3.57.0"),
    "langgraph_agent": ("langgraph==1.2.24", "langchain==1.5.2", "langchain-openai==1.7.4", "openai==3.57.0"),
    "pydantic_ai_agent": ("pydantic-ai-slim[openai]==2.68.0", "openai==3.57.0"),
    "litellm_completion": ("litellm==1.110.2", "openai==3.57.0"),
    "qwen_agent_loop": (
        "qwen-agent==0.0.34",
        "openai==3.57.0",
        "numpy==2.3.5",
        "soundfile==0.14.0",
        "tqdm==4.70.1",
        "python-dateutil==2.9.0.post0",
    ),
}
"""What each program needs; the first is the client."""
STREAMS_ONLY = ("qwen_agent_loop",)
"""Qwen-Agent uses the server's own tool calls in streams alone."""
QUIET = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "PYTHONIOENCODING": "utf-8"}
"""litellm would fetch a list of prices."""
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("get_weather", {"city": "Paris"}),
    ("get_weather", {"city": "東京"}),
    ("difference", {"a": 25, "b": 18}),
]
ANSWER = "東京 is 7 degrees warmer than Paris."


def replies(name: str) -> list[str]:
    """What the model writes, step by step; the stop token is at the end of each."""
    adapter = get(name)
    calls = [(called, json.dumps(arguments, ensure_ascii=False)) for called, arguments in CALLS]
    one_a_turn = isinstance(adapter.format.call, PythonCall)
    steps = [[call] for call in calls] if one_a_turn else [calls[:2], calls[2:]]
    said = ["Let me look.", *[""] * (len(steps) - 1), ANSWER]
    return [
        write_reply(adapter.format, *step, text=text, after_result=place > 0) + adapter.stop_tokens[0]
        for place, (step, text) in enumerate(zip([*steps, []], said, strict=True))
    ]


def fault(client: str, server: Server, stream: bool, python: str = sys.executable) -> str:
    """What does not hold of a client's loop, whole or streamed; empty if all does."""
    steps = replies(server.adapter)
    before = posts(server)
    command = [python, f"{client}.py", f"{server.url}/v1", server.name, *(["--stream"] if stream else [])]
    with server.queued(*steps):
        done = subprocess.run(
            command,
            cwd=PROGRAMS,
            env=os.environ | QUIET,
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )
    said_else = "\n".join(line for line in done.stderr.splitlines() if " - INFO - " not in line)
    if done.returncode or said_else:
        return f"it says {said_else[-400:]!r}"
    said = json.loads(done.stdout.splitlines()[-1])
    # Calls of one step may be executed in any order.
    if sorted(map(repr, said["calls"])) != sorted(repr(list(call)) for call in CALLS):
        return f"it executed {said['calls']}"
    if said["answer"].strip() != ANSWER:
        return f"its answer is {said['answer']!r}"
    sent = posts(server) - before
    return "" if sent == len(steps) else f"{sent} requests in place of {len(steps)}"


def posts(server: Server) -> int:
    """How many requests for an answer the server has logged."""
    return sum('"POST /v1/' in line for line in server.log_text().splitlines())


def environment(client: str) -> str:
    """The Python of the client's environment, which is made if it is not there."""
    if client in OURS:
        return sys.executable
    wanted = "\n".join(CLIENTS[client])
    folder = KEPT / client
    python, made = folder / "bin" / "python", folder / "made.txt"
    if not made.is_file() or made.read_text("utf-8") != wanted:
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *CLIENTS[client]], check=True)
        made.write_text(wanted, "utf-8")
    return str(python)


def version_of(client: str, python: str) -> str:
    package = CLIENTS[client][0].partition("==")[0].partition("[")[0]
    code = f"from importlib.metadata import version; print({package!r}, version({package!r}))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def main() -> None:
    wanted = [os.environ["CLIENT"]] if os.environ.get("CLIENT") else list(CLIENTS)
    pythons = {client: environment(client) for client in wanted}
    outcomes: dict[str, dict[str, dict[str, str]]] = {client: {} for client in wanted}
    for name in [os.environ["ADAPTER"]] if os.environ.get("ADAPTER") else FAMILIES:
        with tempfile.TemporaryDirectory() as folder:
            model = write_tiny_checkpoint(Path(folder) / "tiny", FAMILIES[name])
            with Server(model, name, *DUMMY, *FAMILIES[name].arguments, workdir=Path(folder)) as server:
                for client, python in pythons.items():
                    ways = (
                        {"streamed": True} if client in STREAMS_ONLY else {"whole": False, "streamed": True}
                    )
                    outcome = {way: fault(client, server, stream, python) for way, stream in ways.items()}
                    outcomes[client][name] = outcome
                    print(f"{name}, {client}: {outcome}", flush=True)
    found = json.loads(RESULTS.read_text("utf-8")) if RESULTS.is_file() else {}
    for client, families in outcomes.items():
        known = found.get(client, {}).get("families", {})
        today = f"{datetime.now(UTC):%Y-%m-%d}"
        version = version_of(client, pythons[client])
        found[client] = {"version": version, "date": today, "families": known | families}
    found = {client: found[client] for client in CLIENTS if client in found}
    RESULTS.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", "utf-8")
    for page in PAGES:
        put(report(found), page, "make clients")
    sys.exit(any(why for each in outcomes.values() for outcome in each.values() for why in outcome.values()))


def report(found: Mapping[str, Any]) -> str:
    """The table, and what does not hold."""
    lines = [["program", "client", *FAMILIES, "on"], ["---"] * (len(FAMILIES) + 3)]
    faults = []
    for client, one in found.items():
        cells = []
        for name in FAMILIES:
            outcome = one["families"].get(name, {})
            cells.append(
                ", ".join(way if not why else f"**not {way}**" for way, why in outcome.items()) or "-"
            )
            faults += [f"- `{client}`, `{name}`, {way}: {why}" for way, why in outcome.items() if why]
        lines.append([f"`{client}.py`", one["version"], *cells, one["date"]])
    return "\n".join([*(f"| {' | '.join(cells)} |" for cells in lines), *(["", *faults] if faults else [])])


if __name__ == "__main__":
    main()
