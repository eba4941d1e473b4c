"""`--reasoning-parser chat_adapters`: reasoning up to `</think>`, as QwQ and the R1 distills write it.

    <think>
    The user wants the weather in Paris.
    </think>

    <tool_call>
    ...

The generation prompt may have written `<think>` already. It reads a whole reply as vLLM's `deepseek_r1` does. A stream it
reads by its text alone, as the parser behind it does: vLLM then collects neither text nor tokens, which for its own costs
more with every delta, and the reading does not depend on where the deltas are cut.
"""

from collections.abc import Sequence

from ._vllm import ChatCompletionRequest, DeepSeekR1ReasoningParser, DeltaMessage, ResponsesRequest

__all__ = ["ThinkParser"]


class ThinkParser(DeepSeekR1ReasoningParser):
    """One reply's reasoning; the grammar's start vLLM finds by the tokens, as with the class that this one extends."""

    engine_based_streaming = True
    # What the marker may still become, and whether one was found.
    _held = ""
    _begun = False
    _ended = False

    def extract_reasoning(
        self, model_output: str, request: ChatCompletionRequest | ResponsesRequest
    ) -> tuple[str | None, str | None]:
        """The reasoning, and what stands behind it; without `</think>` all is reasoning."""
        said = model_output.lstrip()
        if said.startswith(self.start_token):
            model_output = said[len(self.start_token) :]
        reasoning, _, content = model_output.partition(self.end_token)
        return reasoning, content or None

    def extract_reasoning_streaming(
        self,
        previous_text: str,
        current_text: str,
        delta_text: str,
        previous_token_ids: Sequence[int],
        current_token_ids: Sequence[int],
        delta_token_ids: Sequence[int],
    ) -> DeltaMessage | None:
        """The next delta, with the content behind `</think>` if that is in it; None while nothing is certain."""
        text = self._held + delta_text
        if not self._begun:
            said = text.lstrip()
            if len(said) < len(self.start_token) and self.start_token.startswith(said):
                self._held = text
                return None
            self._begun = True
            if said.startswith(self.start_token):
                text = said[len(self.start_token) :]
        reasoning, end, content = text.partition(self.end_token)
        self._ended = bool(end)
        self._held = "" if end else _begun_marker(reasoning, self.end_token)
        reasoning = reasoning.removesuffix(self._held)
        if not reasoning and not content:
            return None
        return DeltaMessage(reasoning=reasoning or None, content=content or None)

    def has_engine_confirmed_reasoning_end(self) -> bool:
        """Whether `</think>` was read."""
        return self._ended

    def finish_streaming(self) -> DeltaMessage | None:
        """What was held back when the reply ended within its reasoning."""
        held, self._held = self._held, ""
        return DeltaMessage(reasoning=held) if held else None


def _begun_marker(text: str, marker: str) -> str:
    """The longest end of the text that the marker begins with."""
    lengths = range(min(len(text), len(marker) - 1), 0, -1)
    return next((marker[:length] for length in lengths if text.endswith(marker[:length])), "")
