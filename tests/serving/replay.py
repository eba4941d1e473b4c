"""A logits processor that makes the model write what a test says: `--logits-processors replay:Replay`.

A request names the token ids, one after the other, the stop token last:

    extra_body={"vllm_xargs": {"replay_ids": [12, 7, 99]}}

A request without `replay_ids` takes the first file of the folder that REPLAY_QUEUE names: programs can be replayed
to that know nothing of it. When there is none, the request is left alone. The server loads this file from PYTHONPATH.
Everything after the sampler is the real thing: detokenizer, stop conditions, parser, streaming.

A grammar is applied before logits processors, so at each step its mask can be seen here. A token that it forbids is
forced all the same: vLLM then finds that the grammar cannot go on, logs `grammar rejected tokens [ID]` and answers
HTTP 500. A script that is not in the grammar thus never passes for an ordinary reply.
"""

import json
import os
from pathlib import Path

import torch
from vllm import SamplingParams
from vllm.config import VllmConfig
from vllm.v1.sample.logits_processor import BatchUpdate, LogitsProcessor
from vllm.v1.sample.logits_processor.builtin import process_dict_updates
from witness import note

__all__ = ["Replay"]

Script = tuple[list[int], list[int]]
"""What is to be written, and the engine's own growing list of what has been."""


class Replay(LogitsProcessor):
    """Leaves only the next token of the request's script open."""

    @classmethod
    def validate_params(cls, sampling_params: SamplingParams) -> None:
        ids = (sampling_params.extra_args or {}).get("replay_ids", [])
        if not isinstance(ids, list) or not all(type(i) is int and i >= 0 for i in ids):
            raise ValueError(f"replay_ids must be a list of token ids, not {ids!r}")

    def __init__(self, vllm_config: VllmConfig, device: torch.device, is_pin_memory: bool) -> None:
        self.scripts: dict[int, Script] = {}

    def is_argmax_invariant(self) -> bool:
        return False

    def update_state(self, batch_update: BatchUpdate | None) -> None:
        process_dict_updates(self.scripts, batch_update, script)

    def apply(self, logits: torch.Tensor) -> torch.Tensor:
        for row, (ids, written) in self.scripts.items():
            # Counting what the engine has kept, not our own steps: a prompt computed in parts is sampled and thrown
            # away several times.
            if len(written) < len(ids):
                logits[row] = float("-inf")
                logits[row, ids[len(written)]] = 0.0
        return logits


def script(params: SamplingParams, prompt: list[int] | None, written: list[int]) -> Script | None:
    given = params.extra_args or {}
    if "ticket" in given:
        note("wrote", ticket=given["ticket"])
    ids = given.get("replay_ids")
    if not ids and (ids := next_of_queue()):
        # Kept in the request: vLLM adds it again when it goes on after a pause.
        params.extra_args = {**given, "replay_ids": ids}
    return (ids, written) if ids else None


def next_of_queue() -> list[int] | None:
    """Takes the ids out of the queue. Only the one engine process does, and tests only put some in."""
    folder = os.environ.get("REPLAY_QUEUE")
    first = min(Path(folder).iterdir(), default=None) if folder else None
    if first is None:
        return None
    ids: list[int] = json.loads(first.read_text("utf-8"))
    first.unlink()
    return ids
