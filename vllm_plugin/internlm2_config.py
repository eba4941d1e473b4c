"""The configuration of InternLM2 and InternLM2.5, so that vLLM's own model class needs no remote code."""

from typing import Any

from transformers import LlamaConfig

__all__ = ["InternLM2Config"]

# `</s>` and `<|im_end|>`, which ends every turn: InternLM's chat/chat_format.md. Many of its checkpoints name the first.
END = 2
END_OF_TURN = 92542


class InternLM2Config(LlamaConfig):  # type: ignore[no-untyped-call]
    """Llama's fields under InternLM2's name; those it has besides are kept as they are.

    vLLM sends configurations between processes: the class must be found here, at the top of a module.
    """

    model_type = "internlm2"

    def __post_init__(self, **fields: Any) -> None:
        super().__post_init__(**fields)  # type: ignore[no-untyped-call]
        if self.eos_token_id == END and self.vocab_size > END_OF_TURN:
            self.eos_token_id = [END, END_OF_TURN]
