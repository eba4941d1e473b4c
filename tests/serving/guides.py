"""`make guide GUIDE=aiqiming`: runs a program of `tests/guides`, unchanged but for the address; `make guides`: all.

A tiny model with random weights is served as it is recommended for its family, and what a trained model writes is
replayed inside the server (see `replay.py`): the programs know nothing of it. More is taken from the environment:

    PORT=31512     where to serve, as ModelScope's guides do
    STREAM=1       the answers come streamed
    BEFORE=1       stock vLLM without the plugin and its middleware, with the nearest parser of its own
    BASE_URL=http://localhost:8000/v1 MODEL=its-name     no server is started: the one there, whatever it answers
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from programs import BATCH, GUIDES, Guide
from safetensors.torch import save_file
from server import DUMMY, Server, ServerFailed
from tiny import ALL_STOP_TOKENS, FAMILIES, write_tiny_checkpoint

from chat_adapters.adapters import get, template_path
from chat_adapters.toolkit.launch import generation_folder
from chat_adapters.vllm_plugin import internlm2_config
from chat_adapters.vllm_plugin.chatglm3 import convert

__all__ = ["missing", "replayed", "run_batch", "why_not"]

Done = subprocess.CompletedProcess[str]
PROGRAMS = Path(__file__).resolve().parent.parent / "guides"
OWN_PARSERS = {"llama3_1": "llama3_json", "qwen2": "hermes", "internlm2_5": "internlm", "chatglm3": ""}
"""The nearest that vLLM has itself."""
HERMES = "qwen2_5"
"""Where a request names the tool, stock vLLM makes the model write a call as its own parser reads it."""
CHATGLM3_POST = (
    "[gMASK]sop"
    "{% for message in messages %}<|{{ message.role }}|>\\n {{ message.content }}{% endfor %}"
    "<|assistant|>"
)
"""The chat template of the post on ChatGLM3: its backslash and n are text."""


def why_not(guide: Guide, stream: bool = False) -> str | None:
    """Why a program cannot be run so, if it cannot."""
    if guide.is_shell and not shutil.which("curl"):
        return "curl is not installed"
    if stream and (guide.is_shell or guide is BATCH):
        return "only programs that use the openai client can be made to stream"
    return None


def run(guide: Guide, environment: Mapping[str, str], stream: bool = False) -> Done:
    """Run the program as its reader does, in a process of its own that has more in its environment."""
    interpreter = "sh" if guide.is_shell else sys.executable
    programs = [PROGRAMS / "streamed.py"] * stream + [PROGRAMS / guide.program]
    return subprocess.run(
        [interpreter, *map(str, programs), *guide.argument.split()],
        env={**os.environ, **environment},
        capture_output=True,
        check=False,
        encoding="utf-8",
        timeout=600,
    )


def missing(parts: Iterable[str], output: str) -> list[str]:
    """Those parts that the output does not have behind the one before."""
    lost = []
    for part in parts:
        before, found, after = output.partition(part)
        output = after if found else before
        lost += [] if found else [part]
    return lost


def replayed(guide: Guide, server: Server, family: str, stream: bool = False) -> Done:
    """Run the program on a server that answers as a trained model of the family does."""
    with server.queued(*(says.script(family) for says in guide.says)):
        return run(guide, {"BASE_URL": f"{server.url}/v1", "MODEL": server.name}, stream)


def write_batch_checkpoint(folder: Path) -> Path:
    """InternLM2 with weights, for a program that takes nothing but a model; and give its folder back."""
    model = write_tiny_checkpoint(folder, FAMILIES["internlm2_5"])
    settings = json.loads((model / "config.json").read_text("utf-8"))
    hidden, inner, known = (settings[key] for key in ("hidden_size", "intermediate_size", "vocab_size"))
    # vLLM refuses stop tokens outside the vocabulary, so that is as large as the real one.
    rows = settings["vocab_size"] = 92544
    (model / "config.json").write_text(json.dumps(settings), "utf-8")
    layer = {
        "attention.wqkv": (2 * hidden, hidden),
        "attention.wo": (hidden, hidden),
        "feed_forward.w1": (inner, hidden),
        "feed_forward.w2": (hidden, inner),
        "feed_forward.w3": (inner, hidden),
        "attention_norm": (hidden,),
        "ffn_norm": (hidden,),
    }
    shapes = {"tok_embeddings": (rows, hidden), "norm": (hidden,)}
    for number in range(settings["num_hidden_layers"]):
        shapes |= {f"layers.{number}.{name}": shape for name, shape in layer.items()}
    weights = {f"model.{name}.weight": torch.randn(shape) / 8 for name, shape in shapes.items()}
    weights["output.weight"] = torch.randn(rows, hidden) / 8
    weights["output.weight"][known:] = 0  # never among the likeliest: the tokenizer knows no such ids
    save_file(weights, model / "model.safetensors")
    return model


def run_batch(folder: Path, stock: bool = False) -> Done:
    """Run the program without a server on a tiny model of its own, written into the folder."""
    model = write_batch_checkpoint(folder / "batch")
    if stock:
        bring_code(model)
    environment = {
        "MODEL": str(model),
        "HF_HUB_OFFLINE": "1",
        "VLLM_CACHE_ROOT": str(folder / "cache"),
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_LOGGING_LEVEL": "ERROR",  # its log goes where the program prints
        "VLLM_NO_USAGE_STATS": "1",
    }
    return run(BATCH, {**environment, "VLLM_PLUGINS": ""} if stock else environment)


def bring_code(model: Path) -> None:
    """Put the code of InternLM2's configuration into a checkpoint, where stock vLLM looks for it."""
    shutil.copy(str(internlm2_config.__file__), model / "configuration_internlm2.py")


def serve(family: str, folder: Path, stock: bool, port: int | None) -> Server:
    """A tiny model of the family, as it is recommended or by stock vLLM."""
    model = write_tiny_checkpoint(folder / "tiny", FAMILIES[family])
    if not stock:
        flags = FAMILIES[family].arguments
        if generation_folder(get(family)):
            flags += ("--generation-config", str(model / ALL_STOP_TOKENS))
        return Server(model, family, *DUMMY, *flags, workdir=folder, port=port)
    flags = ("--chat-template", str(template_path(get(family))))
    if family == "internlm2_5":
        bring_code(model)
        flags += ("--trust-remote-code",)
    if family == "chatglm3":  # its own tokenizer code does not run, so it gets a tokenizer.json
        convert(model, folder / "converted")
        model, flags = folder / "converted", ("--chat-template", CHATGLM3_POST)
    return Server(model, OWN_PARSERS[family], *DUMMY, *flags, workdir=folder, port=port, plugin=False)


@dataclass(frozen=True, slots=True)
class How:
    """What the environment asks for."""

    stream: bool
    stock: bool
    port: int | None


def finished(family: str, guides: Iterable[Guide], how: How) -> Iterator[tuple[Guide, Done, bool]]:
    """Each program of a family with what came of it, and whether the end is known: a given model says what it likes."""
    if os.environ.get("BASE_URL") if family else Path(os.environ.get("MODEL") or "none").is_dir():
        for guide in guides:
            yield guide, run(guide, {}, how.stream), False
        return
    with TemporaryDirectory() as name:
        folder = Path(name)
        if not family:
            yield BATCH, run_batch(folder, how.stock), True
            return
        with serve(family, folder, how.stock, how.port) as server:
            parser = f"--tool-call-parser {server.adapter}" if server.adapter else "no parser"
            print(f"\n=== A tiny {family} with {parser} at {server.url}/v1")
            for guide in guides:
                writes = HERMES if how.stock and guide.names_tool else family
                yield guide, replayed(guide, server, writes, how.stream), True


def show(guide: Guide, done: Done, known: bool) -> bool:
    """Print what a program printed, and how it failed; say whether it ended as its guide prints."""
    print(f"\n$ {guide.program} {guide.argument}")
    print(done.stdout.rstrip())
    if done.returncode:
        print(done.stderr[error_in(done.stderr) :].rstrip())
    lost = missing(guide.prints, done.stdout) if known else []
    for part in lost:
        print(f"-- its guide prints {part.strip()}")
    return not done.returncode and not lost


def main(names: Sequence[str]) -> int:
    if unknown := set(names) - {guide.name for guide in GUIDES}:
        print(f"Not among {', '.join(guide.name for guide in GUIDES)}: {', '.join(unknown)}", file=sys.stderr)
        return 2
    stream, stock, port = map(os.environ.get, ("STREAM", "BEFORE", "PORT"))
    how = How(bool(stream), bool(stock), int(port) if port else None)
    guides = []
    for guide in GUIDES:
        if guide.name in names or not names:
            if reason := why_not(guide, how.stream):
                print(f"{guide.name} is left out: {reason}.")
            else:
                guides.append(guide)
    right = [
        show(*one)
        for family, some in groupby(guides, key=first_family)
        for one in finished(family, some, how)
    ]
    print(f"\n{sum(right)} of {len(right)} ended as they should.")
    return 0 if all(right) or how.stock else 1


def error_in(stderr: str) -> int:
    """Where the last line begins that is not indented: a traceback's error, whose message may go on below."""
    return max((match.start() for match in re.finditer(r"^\S", stderr, re.MULTILINE)), default=0)


def first_family(guide: Guide) -> str:
    return guide.families[0] if guide.families else ""


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except ServerFailed as error:
        sys.exit(str(error))
