"""The real tokenizer of each family, from what lies beside the checkout."""

import json
import shutil
from pathlib import Path

from tiny import write_json

from chat_adapters.adapters.r1_distill import R1_DISTILL

__all__ = ["real_tokenizer"]

FOLDERS = {
    "llama3_1": "llama3.1",
    "qwen2": "qwen2",
    "qwen2_5": "qwen2",
    "internlm2_5": "internlm2_5",
    "chatglm3": "chatglm3",
    "r1_distill": "qwen2",
}
BEGIN, USER, ASSISTANT, END = R1_DISTILL.turn_tokens
VISION = (
    *("<|quad_start|>", "<|quad_end|>", "<|vision_start|>", "<|vision_end|>"),
    *("<|vision_pad|>", "<|image_pad|>", "<|video_pad|>"),
)
DISTILL = (
    END,
    USER,
    ASSISTANT,
    BEGIN,
    "<|EOT|>",
    "<think>",
    "</think>",
    *VISION,
    "<tool_call>",
    "</tool_call>",
)
"""From 151643 on: the distills on Qwen have Qwen2's pieces, and these for its own tokens and behind them."""


def real_tokenizer(name: str, shared: Path, folder: Path) -> Path:
    """A folder with the tokenizer of this adapter's checkpoints: one of `shared`, or one made of such in `folder`."""
    found = shared / "tokenizers" / FOLDERS[name]
    return distill_of_qwen(found, folder) if name == R1_DISTILL.name else found


def distill_of_qwen(qwen2: Path, folder: Path) -> Path:
    folder.mkdir(parents=True)
    shutil.copy(qwen2 / "tokenizer_config.json", folder)
    tokenizer = json.loads((qwen2 / "tokenizer.json").read_text("utf-8"))
    usual, first = tokenizer["added_tokens"][0], tokenizer["added_tokens"][0]["id"]
    tokenizer["added_tokens"] = [
        {**usual, "id": id, "content": token, "special": token in (BEGIN, END, *VISION)}
        for id, token in enumerate(DISTILL, first)
    ]
    write_json(folder / "tokenizer.json", tokenizer)
    settings = json.loads((qwen2 / "tokenizer_config.json").read_text("utf-8"))
    added = {str(token.pop("id")): token for token in tokenizer["added_tokens"]}
    more = {"added_tokens_decoder": added, "additional_special_tokens": list(VISION)}
    named = {"bos_token": BEGIN, "eos_token": END, "pad_token": END}
    write_json(folder / "tokenizer_config.json", {**settings, **more, **named})
    return folder
