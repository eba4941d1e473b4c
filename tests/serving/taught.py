"""Tiny checkpoints with weights that know a few replies by heart: for programs that take nothing but a checkpoint."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

__all__ = ["teach"]

STEPS = 400
KNOWN = 0.01
"""The loss at which the replies are the likeliest by far."""


def teach(checkpoint: Path, replies: Sequence[tuple[str, str]]) -> None:
    """Write weights into a checkpoint that has none: it answers each of these prompts with its reply, stop token and all.

    Raises:
        AssertionError: it did not learn them.
    """
    torch.manual_seed(0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # so small a model takes many times as long with two
    config = AutoConfig.from_pretrained(checkpoint)
    auto: Any = AutoModelForCausalLM
    model = auto.from_config(config, dtype=torch.float32)
    tokenizer: Any = AutoTokenizer.from_pretrained(checkpoint)
    lessons = []
    for prompt, reply in replies:
        asked, said = (tokenizer.encode(text, add_special_tokens=False) for text in (prompt, reply))
        lessons.append((torch.tensor([asked + said]), torch.tensor([[-100] * len(asked) + said])))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(STEPS):
        losses: Any = torch.stack([model(input_ids=ids, labels=labels).loss for ids, labels in lessons])
        if known := losses.max().item() < KNOWN:
            break
        optimizer.zero_grad()
        losses.sum().backward()
        optimizer.step()
    torch.set_num_threads(threads)
    assert known, f"not learnt: {losses}"
    save_file(model.state_dict(), checkpoint / "model.safetensors", metadata={"format": "pt"})
