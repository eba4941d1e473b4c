"""The three routes of the real server, whole and streamed: one reply is the same calls, text, finish and usage on all.

What is vLLM's own, and what no plugin can change, is in KNOWN of `route_table.py` and in the last part of this file.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import pytest
from families import of_families
from openai.types.chat import ChatCompletionChunk
from recorded import recorded
from replies import gathered, tool
from route_table import CHAT, KNOWN, SAME, WAYS, Answers, Way, asked, verdict
from routes import ROUTES, Answer, Ask, as_messages_tool, as_responses_tool
from server import Server

from chat_adapters.adapters import Adapter
from chat_adapters.toolkit.writing import write_reply

pytestmark = pytest.mark.server

WEATHER = tool(
    "get_weather",
    {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    description="Tells the weather.",
)
PARIS = ("get_weather", '{"city": "Paris"}')
ROME = ("get_weather", '{"city": "Rome"}')
NAMED = {"type": "function", "function": {"name": "get_weather"}}


@pytest.fixture(scope="session")
def table(server: Server) -> Iterator[dict[Path, Answers]]:
    """All of a family's recorded replies, in every way."""
    with asked(server) as replies:
        yield replies


@of_families(recorded)
def test_one_reply_is_the_same_on_every_route(
    server: Server, table: dict[Path, Answers], value: Path
) -> None:
    verdicts = {way: verdict(way, table[value], server.log_text()) for way in WAYS}
    whole = {way: said for way, said in verdicts.items() if not way.stream}
    assert set(whole.values()) == {SAME}
    assert {said for way, said in verdicts.items() if way.stream} <= {SAME, *KNOWN}


def every_way(server: Server, ask: Ask) -> dict[Way, Answer]:
    return {way: ROUTES[way.route](server, ask, way.stream) for way in WAYS}


def written(server: Server, adapter: Adapter, *calls: tuple[str, str], text: str = "") -> tuple[int, ...]:
    """The tokens of a reply, the stop token last."""
    return tuple(server.ids(write_reply(adapter.format, *calls, text=text) + adapter.stop_tokens[0]))


@pytest.mark.parametrize("choice", ["required", NAMED], ids=["required", "named"])
def test_calls_that_are_asked_for(server: Server, adapter: Adapter, choice: Any) -> None:
    """Under the grammar; of a named function, Chat Completions says that the reply stopped."""
    ids = written(server, adapter, PARIS)
    for way, answer in every_way(server, Ask([WEATHER], ids, choice)).items():
        finish = "stop" if choice is NAMED and way.route == CHAT else "tool_calls"
        assert answer == Answer("", (PARIS,), finish, len(ids)), way


def test_a_reply_cut_behind_a_call(server: Server, adapter: Adapter) -> None:
    """Whole, vLLM's finish reason is tool_calls all the same; the Responses route has a status of its own for it."""
    ids = written(server, adapter, PARIS)[:-1]
    for way, answer in every_way(server, Ask([WEATHER], ids, max_tokens=len(ids))).items():
        finish = "length" if way.stream or way.route == "/v1/responses" else "tool_calls"
        assert answer == Answer("", (PARIS,), finish, len(ids)), way


def test_usage_choices_and_logprobs(server: Server, adapter: Adapter) -> None:
    ids = written(server, adapter, PARIS, ROME, text="Let me check.")
    request: Any = {
        "model": server.name,
        "messages": [{"role": "user", "content": "Paris? Rome?"}],
        "tools": [WEATHER],
        "n": 3,
        "logprobs": True,
        "top_logprobs": 2,
        "extra_body": {"vllm_xargs": {"replay_ids": list(ids)}},
    }
    create: Any = server.client.chat.completions.create
    whole = create(**request)
    options = {"include_usage": True, "continuous_usage_stats": True}
    chunks = list(create(**request, stream=True, stream_options=options))

    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage
    assert whole.usage.completion_tokens == 3 * len(ids)
    call_ids = [call.id for choice in whole.choices for call in choice.message.tool_calls]
    assert len(set(call_ids)) == 6
    for index, choice in enumerate(whole.choices):
        own = of_choice(chunks, index)
        reply = gathered(own)
        assert (reply.content, reply.calls) == (choice.message.content, (PARIS, ROME))
        assert reply.calls == tuple(
            (call.function.name, call.function.arguments) for call in choice.message.tool_calls
        )
        assert reply.finish_reason == choice.finish_reason == "tool_calls"
        said = [
            entry.token for chunk in own if chunk.choices[0].logprobs for entry in logprobs(chunk.choices[0])
        ]
        assert said == [entry.token for entry in logprobs(choice)]
        assert len(said) == len(ids)
        counts = [chunk.usage.completion_tokens for chunk in own if chunk.usage]
        assert len(counts) == len(own)
        assert counts == sorted(counts)
        assert counts[-1] == len(ids)


def of_choice(chunks: list[ChatCompletionChunk], index: int) -> list[ChatCompletionChunk]:
    """One choice's part of a stream."""
    return [
        chunk.model_copy(update={"choices": [choice]})
        for chunk in chunks
        for choice in chunk.choices
        if choice.index == index
    ]


def logprobs(choice: Any) -> Any:
    return choice.logprobs.content


# Prompts without generation, and text without a model


CITY = {"city": "海淀区", "days": [1, 2.5, None]}
CALLS = [("call_1", CITY), ("call_2", {})]
RESULTS = [("call_1", "22 degrees"), ("call_2", "none")]


def conversation() -> dict[str, dict[str, Any]]:
    """One conversation as each route takes it: a text, two calls, their results, another question."""
    calls: list[dict[str, Any]] = [
        {
            "id": id,
            "type": "function",
            "function": {"name": "get_weather", "arguments": json.dumps(arguments)},
        }
        for id, arguments in CALLS
    ]
    return {
        "/v1/chat/completions": {
            "tools": [WEATHER],
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "What is the weather?"},
                {"role": "assistant", "content": "Let me check.", "tool_calls": calls},
                *({"role": "tool", "tool_call_id": id, "content": text} for id, text in RESULTS),
            ],
        },
        "/v1/responses": {
            "tools": [as_responses_tool(WEATHER)],
            "instructions": "Be brief.",
            "input": [
                {"role": "user", "content": "What is the weather?"},
                {"role": "assistant", "content": "Let me check."},
                *(
                    {
                        "type": "function_call",
                        "call_id": call["id"],
                        "name": "get_weather",
                        "arguments": call["function"]["arguments"],
                    }
                    for call in calls
                ),
                *({"type": "function_call_output", "call_id": id, "output": text} for id, text in RESULTS),
            ],
        },
        "/v1/messages": {
            "tools": [as_messages_tool(WEATHER)],
            "max_tokens": 100,
            "system": "Be brief.",
            "messages": [
                {"role": "user", "content": "What is the weather?"},
                {
                    "role": "assistant",
                    "content": [
                        {"type": "text", "text": "Let me check."},
                        *(
                            {"type": "tool_use", "id": id, "name": "get_weather", "input": arguments}
                            for id, arguments in CALLS
                        ),
                    ],
                },
                {
                    "role": "user",
                    "content": [
                        {"type": "tool_result", "tool_use_id": id, "content": text} for id, text in RESULTS
                    ],
                },
            ],
        },
    }


def test_one_conversation_is_the_same_prompt_on_every_route(server: Server, adapter: Adapter) -> None:
    """And the sampling parameters are the family's."""
    rendered = {
        route: server.post(f"{route}/render", {"model": server.name, **request})
        for route, request in conversation().items()
    }
    prompt = rendered[CHAT]["token_ids"]
    assert "海淀区" in server.text(prompt)
    stop_ids = {server.ids(token)[0] for token in adapter.stop_tokens}
    for request in rendered.values():
        assert request["token_ids"] == prompt
        params = request["sampling_params"]
        assert params["skip_special_tokens"] is False
        assert set(params["stop_token_ids"]) >= stop_ids
        assert set(params["stop"]) >= set(adapter.format.stop_strings)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_rendered_generated_and_derendered_is_the_same(
    server: Server, adapter: Adapter, stream: bool
) -> None:
    ids = written(server, adapter, PARIS, ROME, text="Let me check.")
    request = {
        "model": server.name,
        "messages": [{"role": "user", "content": "Paris? Rome?"}],
        "tools": [WEATHER],
        "vllm_xargs": {"replay_ids": list(ids)},
    }
    rendered = server.post(f"{CHAT}/render", request)
    generated = server.post("/inference/v1/generate", rendered)
    (choice,) = generated["choices"]
    assert choice["token_ids"] == list(ids)
    # vLLM would write the stop token into the text: see below.
    del choice["token_ids"][-1]
    more = {"chat_request": request, "prompt_token_ids": rendered["token_ids"]}
    if stream:
        reply = gathered(derendered_in_pieces(server, generated, more))
        text, calls, finish = reply.content, reply.calls, reply.finish_reason
    else:
        text, calls, finish = derendered(server, generated, more)
    assert (text, calls) == ("Let me check.", (PARIS, ROME))
    # vLLM hands over the generated reason of a whole reply as it is
    assert finish == ("tool_calls" if stream else "stop")


def derendered(server: Server, generated: Any, more: Any) -> tuple[str, tuple[tuple[str, str], ...], str]:
    answer = server.post(f"{CHAT}/derender", {"generate_response": generated, **more})
    (choice,) = answer["choices"]
    calls = [call["function"] for call in choice["message"]["tool_calls"]]
    return (
        choice["message"]["content"] or "",
        tuple((call["name"], call["arguments"]) for call in calls),
        choice["finish_reason"],
    )


def derendered_in_pieces(server: Server, generated: Any, more: Any) -> Iterator[ChatCompletionChunk]:
    """Four tokens at a time, as they might come from the engine."""
    (choice,) = generated["choices"]
    ids = choice["token_ids"]
    state = None
    for start in range(0, len(ids), 4):
        end = start + 4 >= len(ids)
        piece = {"index": 0, "token_ids": ids[start : start + 4], "finish_reason": "stop" if end else None}
        body = {
            "stream": True,
            "generate_chunk": {"request_id": generated["request_id"], "choices": [piece]},
            "stream_state": state,
            **more,
        }
        answer = server.post(f"{CHAT}/derender", body)
        state = answer["stream_state"]
        yield ChatCompletionChunk.model_validate(answer["chunk"])


# What is vLLM's own


NOT_JSON = {
    "surrogate": ('{"city": "\\ud800"}', "surrogates not allowed"),
    "infinite": ('{"city": 1e999}', "not JSON compliant"),
}
"""Arguments that load, and that vLLM's answer cannot hold as a value."""


@pytest.mark.parametrize(("arguments", "words"), NOT_JSON.values(), ids=NOT_JSON)
@pytest.mark.parametrize("server", ["qwen2_5"], indirect=True, scope="session")
def test_a_message_cannot_hold_every_value(
    server: Server, adapter: Adapter, arguments: str, words: str
) -> None:
    """Whole, the Messages route sends arguments as a value; all others send them as they were written."""
    call = ("get_weather", arguments)
    ask = Ask([WEATHER], written(server, adapter, call))
    for way in WAYS:
        if way == Way("/v1/messages", False):
            with pytest.raises(anthropic.BadRequestError, match=words):
                ROUTES[way.route](server, ask, way.stream)
        else:
            assert ROUTES[way.route](server, ask, way.stream).calls == (call,)


@pytest.mark.parametrize("server", ["qwen2_5"], indirect=True, scope="session")
def test_a_stop_token_is_derendered(server: Server, adapter: Adapter) -> None:
    """Whoever derenders leaves it off; the calls are the same with it."""
    ids = list(written(server, adapter, PARIS))
    request = {"model": server.name, "messages": [{"role": "user", "content": "?"}], "tools": [WEATHER]}
    generated = {"request_id": "1", "choices": [{"index": 0, "token_ids": ids, "finish_reason": "stop"}]}
    text, calls, _ = derendered(server, generated, {"chat_request": request})
    assert (text, calls) == (adapter.stop_tokens[0], (PARIS,))
