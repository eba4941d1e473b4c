"""A logits processor that makes the model write what a test says: `--logits-processors replay:Replay`.

A request names the token ids, one after the other, the stop token last:

    extra_body={"vllm_xargs": {"replay_ids": [12, 7, 99]}}

The server loads this file from PYTHONPATH; a request without `replay_ids` is left alone. Everything after the
sampler is the real thing: detokenizer, stop conditions, parser, streaming.

A grammar is applied before logits processors, so at each step its mask can be seen here. A token that it forbids is
forced all the same: vLLM then finds that the grammar cannot go on, logs `grammar rejected tokens [ID]` and answers
HTTP 500. A script that is not in the grammar thus never passes for an ordinary reply.
"""

import torch
from vllm import SamplingParams
from vllm.config import VllmConfig
from vllm.v1.sample.logits_processor import BatchUpdate, LogitsProcessor
from vllm.v1.sample.logits_processor.builtin import process_dict_updates

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
    ids = (params.extra_args or {}).get("replay_ids")
    return (ids, written) if ids else None
